/**
 * One request of a simulated client until it is answered or given up: sent again, with the same bytes
 * behind another number, to whoever is said to lead or to anybody, over connections that break. Knows
 * what the client must know when it gives up: whether the request can still take effect.
 */

import type { ErrorCode } from '../base/error-codes.js'
import type { Millis } from '../consensus/types.js'
import { nodeId } from '../consensus/types.js'
import { CLIENT_FRAME, decodeLeaderNotice, decodeRefused, requestNumberOf } from '../transport/client-protocol.js'
import type { SimulatedConnection, SimulatedListener } from './clients.js'
import type { SimulatedCluster } from './cluster.js'
import type { SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'

/** Refusals after which the same request can succeed, here or elsewhere. */
export const RETRYABLE: readonly ErrorCode[] = [
  'NotLeader',
  'NoLeader',
  'LeadershipLost',
  'ResourceExhausted',
  'DiskFull',
  'DeadlineExceeded',
  'EpochChanging',
]

export type Exchanged =
  | { readonly kind: 'answered'; readonly type: number; readonly payload: Uint8Array }
  /** `possible`: some attempt may have taken effect, or may still. */
  | { readonly kind: 'gaveUp'; readonly possible: boolean }
  | { readonly kind: 'refused'; readonly code: ErrorCode }

/** One request after the other, each until it is answered or given up. */
export interface RequestExchange {
  /** Answers that a breaking connection took. */
  readonly answersLost: number
  /** Calls `done` once. `type` and what `encode` returns are one frame; `encode` may be called often. */
  request(
    type: number,
    encode: (requestNumber: number) => Uint8Array,
    patienceMs: Millis,
    done: (outcome: Exchanged) => void,
  ): void
  /** Tries elsewhere, or again, at once. */
  moveOn(): void
}

interface Open {
  readonly type: number
  readonly encode: (requestNumber: number) => Uint8Array
  readonly untilMs: Millis
  readonly done: (outcome: Exchanged) => void
  /** Attempts that nobody has definitely refused. */
  readonly possible: Set<number>
  readonly firstNumber: number
}

export class Exchange implements RequestExchange {
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  /** Whom every request goes to while it is up; null: to whoever is said to lead, or to anybody. */
  readonly #prefers: () => SimulatedNode | null
  #connection: SimulatedConnection | null = null
  #listener: SimulatedListener | null = null
  #hint: string | null = null
  #open: Open | null = null
  #number = 0
  /** Names the attempt that a timer belongs to. */
  #attempt = 0
  answersLost = 0

  constructor(cluster: SimulatedCluster, random: SeededRandom, prefers: () => SimulatedNode | null) {
    this.#cluster = cluster
    this.#random = random
    this.#prefers = prefers
  }

  request(
    type: number,
    encode: (requestNumber: number) => Uint8Array,
    patienceMs: Millis,
    done: (outcome: Exchanged) => void,
  ): void {
    const untilMs = this.#cluster.queue.nowMs + patienceMs
    this.#open = { type, encode, untilMs, done, possible: new Set(), firstNumber: this.#number + 1 }
    // Every node answers reads: half of them go to anybody.
    if (type === CLIENT_FRAME.query && this.#random.chance(0.5)) this.#hint = null
    this.#try()
  }

  moveOn(): void {
    if (this.#open !== null) this.#giveUpOnNode()
  }

  #try(): void {
    const open = this.#open
    if (open === null) return
    const attempt = ++this.#attempt
    const { queue } = this.#cluster
    if (queue.nowMs >= open.untilMs) {
      this.#finish({ kind: 'gaveUp', possible: open.possible.size > 0 })
      return
    }
    const connection = this.#connect()
    if (connection === null) {
      this.#retryAfter(attempt, 10 + this.#random.next() * 40)
      return
    }
    const number = ++this.#number
    open.possible.add(number)
    connection.transmit(open.type, open.encode(number))
    queue.after(100 + this.#random.next() * 400, () => {
      if (this.#attempt === attempt) this.#giveUpOnNode()
    })
  }

  /** To the node that is said to lead; to any that is up when nobody knows. */
  #connect(): SimulatedConnection | null {
    const node = this.#choose()
    this.#hint = node?.id ?? null
    const listener = node?.listener ?? null
    if (listener === null) return null
    if (listener !== this.#listener || this.#connection?.open !== true) {
      this.#connection?.close()
      this.#listener = listener
      const connection = listener.connect(this.#cluster.clientKey, {
        onAnswer: (type, payload) => this.#answered(connection, type, payload),
        onClose: () => {
          if (this.#connection === connection && this.#open !== null) this.#giveUpOnNode()
        },
      })
      this.#connection = connection
    }
    return this.#connection
  }

  #choose(): SimulatedNode | null {
    const preferred = this.#prefers()
    if (preferred?.listener != null) return preferred
    const { nodes } = this.#cluster
    const hinted = this.#hint === null ? undefined : this.#cluster.node(nodeId(this.#hint))
    if (hinted?.listener != null) return hinted
    const up = nodes.filter((node) => node.listener !== null)
    return up.length === 0 ? null : this.#random.pick(up)
  }

  #giveUpOnNode(): void {
    this.#hint = null
    this.#dropConnection()
    this.#retryAfter(++this.#attempt, 1 + this.#random.next() * 20)
  }

  #dropConnection(): void {
    const connection = this.#connection
    this.#connection = null
    this.#listener = null
    connection?.close()
  }

  #retryAfter(attempt: number, delayMs: Millis): void {
    this.#cluster.queue.after(delayMs, () => {
      if (this.#attempt === attempt) this.#try()
    })
  }

  #answered(connection: SimulatedConnection, type: number, payload: Uint8Array): void {
    if (connection !== this.#connection) return
    if (type === CLIENT_FRAME.leader) {
      this.#hint = decodeLeaderNotice(payload).leader ?? this.#hint
      return
    }
    const open = this.#open
    const number = requestNumberOf(payload)
    if (open === null || number < open.firstNumber) return
    if (this.#random.chance(this.#cluster.network.options.loss)) {
      this.answersLost++
      this.#giveUpOnNode()
      return
    }
    if (type !== CLIENT_FRAME.refused) {
      this.#finish({ kind: 'answered', type, payload })
      return
    }
    const { code, outcomeUnknown, leader } = decodeRefused(payload)
    if (!outcomeUnknown) open.possible.delete(number)
    if (!RETRYABLE.includes(code)) {
      this.#finish({ kind: 'refused', code })
      return
    }
    if (number !== this.#number) return
    this.#hint = leader
    this.#retryAfter(++this.#attempt, 1 + this.#random.next() * 20)
  }

  #finish(outcome: Exchanged): void {
    const { done } = this.#open as Open
    this.#open = null
    this.#attempt++
    done(outcome)
  }
}
