/**
 * One request of a simulated client to a Byzantine cluster until it is answered or given up: sent to all
 * members, again and again with the same bytes behind another number, over connections that break. What
 * f + 1 members say alike at least one honest member says; nothing else counts.
 */
import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { byzantineFaults } from '../consensus/quorum.js'
import type { Millis, NodeId } from '../consensus/types.js'
import { CLIENT_FRAME, decodeApplied, decodeRefused, requestNumberOf } from '../transport/client-protocol.js'
import { decodeResults } from '../workflow/result-codec.js'
import type { SimulatedConnection, SimulatedListener } from './clients.js'
import type { SimulatedCluster } from './cluster.js'
import { type Exchanged, RETRYABLE, type RequestExchange } from './exchange.js'
import type { SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'

interface Open {
  readonly type: number
  readonly encode: (requestNumber: number) => Uint8Array
  readonly untilMs: Millis
  readonly done: (outcome: Exchanged) => void
  readonly firstNumber: number
  /** What each member said last. */
  readonly said: Map<NodeId, { readonly key: string; readonly exchanged: Exchanged }>
  isSent: boolean
}

interface Link {
  readonly listener: SimulatedListener
  readonly connection: SimulatedConnection
}

/** A member is left out of one sending: it has to hear of the request from others. */
const LEFT_OUT = 0.1
const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 500

export class QuorumExchange implements RequestExchange {
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  readonly #links = new Map<NodeId, Link>()
  #open: Open | null = null
  #number = 0
  /** Names the sending that a timer belongs to. */
  #attempt = 0
  answersLost = 0
  /** Sees every answer to the open request. */
  onAnswer: (by: NodeId, payload: Uint8Array) => void = () => {}

  constructor(cluster: SimulatedCluster, random: SeededRandom) {
    this.#cluster = cluster
    this.#random = random
  }

  request(
    type: number,
    encode: (requestNumber: number) => Uint8Array,
    patienceMs: Millis,
    done: (outcome: Exchanged) => void,
  ): void {
    const untilMs = this.#cluster.queue.nowMs + patienceMs
    this.#open = { type, encode, untilMs, done, firstNumber: this.#number + 1, said: new Map(), isSent: false }
    this.#send()
  }

  moveOn(): void {
    if (this.#open !== null) this.#send()
  }

  #send(): void {
    const open = this.#open
    if (open === null) return
    const attempt = ++this.#attempt
    const { queue, nodes } = this.#cluster
    if (queue.nowMs >= open.untilMs) {
      // What any member was given can be ordered at any time.
      this.#finish({ kind: 'gaveUp', possible: open.isSent })
      return
    }
    const number = ++this.#number
    for (const node of nodes) {
      const isLeftOut = this.#random.chance(LEFT_OUT)
      const connection = this.#connectionTo(node)
      if (connection === null || isLeftOut) continue
      open.isSent = true
      connection.transmit(open.type, open.encode(number))
    }
    queue.after(this.#random.between(RETRY_MIN_MS, RETRY_MAX_MS), () => {
      if (this.#attempt === attempt) this.#send()
    })
  }

  #connectionTo(node: SimulatedNode): SimulatedConnection | null {
    const { listener, id } = node
    const known = this.#links.get(id)
    if (listener === null) return null
    if (known?.listener === listener && known.connection.open) return known.connection
    known?.connection.close()
    const connection = listener.connect(this.#cluster.clientKey, {
      onAnswer: (type, payload) => this.#answered(node, connection, type, payload),
      onClose: () => {},
    })
    this.#links.set(id, { listener, connection })
    return connection
  }

  #answered(node: SimulatedNode, connection: SimulatedConnection, type: number, payload: Uint8Array): void {
    const open = this.#open
    if (this.#links.get(node.id)?.connection !== connection || type === CLIENT_FRAME.leader || open === null) return
    if (requestNumberOf(payload) < open.firstNumber) return
    if (this.#random.chance(this.#cluster.network.options.loss)) {
      this.answersLost++
      return
    }
    const exchanged = read(type, payload)
    const key = exchanged === null ? null : keyOf(exchanged)
    if (exchanged === null || key === null) return
    if (type === CLIENT_FRAME.applied) this.onAnswer(node.id, payload)
    open.said.set(node.id, { key, exchanged })
    const alike = [...open.said.values()].filter((one) => one.key === key).length
    if (alike > byzantineFaults(this.#cluster.configuration.genesis.length)) this.#finish(exchanged)
  }

  #finish(outcome: Exchanged): void {
    const { done } = this.#open as Open
    this.#open = null
    this.#attempt++
    done(outcome)
  }
}

/** Null for what asks for patience. */
function read(type: number, payload: Uint8Array): Exchanged | null {
  if (type !== CLIENT_FRAME.refused) return { kind: 'answered', type, payload }
  const { code } = decodeRefused(payload)
  return RETRYABLE.includes(code) ? null : { kind: 'refused', code }
}

/** Equal for equal results: where an operation was applied first, and to what effect. Null for what is no answer. */
function keyOf(exchanged: Exchanged): string | null {
  if (exchanged.kind !== 'answered') return exchanged.kind === 'refused' ? `refused ${exchanged.code}` : null
  try {
    return resultsKey(exchanged.payload)
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
}

function resultsKey(payload: Uint8Array): string {
  const { results, index, firstPosition } = decodeApplied(payload)
  const said = decodeResults(results, index, firstPosition).map(({ outcome, ...place }) => {
    const what = outcome.ok ? toHex(outcome.payload) : outcome.code
    return `${place.index}/${place.position}/${outcome.ok}/${what}`
  })
  return said.join(' ')
}
