/**
 * Orders of operators: who may give them, and the answer to who gave them. Changes of the members are
 * for admins, the rest for operators. Orders to the core come back as its effects; those to this node
 * are carried out here.
 */
import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ClientRole } from '../consensus/configuration.js'
import type { Effect, OperatorOrder } from '../consensus/core.js'
import type { LogIndex, NodeId } from '../consensus/types.js'
import { type ClientOrder, decodeOrder, encodeOrdered } from '../transport/client-orders.js'
import { type AnswerContext, CLIENT_FRAME } from '../transport/client-protocol.js'
import { includesRole } from '../workflow/roles.js'
import { refuseOne, refuseWithError } from './answers.js'
import type { ClientConnection, SnapshotInfo } from './ports.js'

export type MemberOrder = Extract<OperatorOrder, { kind: 'changeMembership' }>

export interface OrdersOptions {
  readonly roleOf: (clientKey: Uint8Array) => ClientRole | null
  readonly context: () => AnswerContext
  readonly leader: () => NodeId | null
  /** Hands an order to the core; its effects come back through `ordered` and `refused`. */
  readonly give: (orderId: number, order: OperatorOrder) => void
  /** Whether the client's signature on a change holds, told once; always where members believe each other. */
  readonly verify: (change: MemberOrder, done: (valid: boolean) => void) => void
  readonly takeSnapshot: () => Promise<SnapshotInfo | null>
  readonly compact: () => Promise<SnapshotInfo | { readonly compactsAt: LogIndex } | null>
  readonly openMax: number
  readonly wake: () => void
}

interface Asker {
  readonly connection: ClientConnection
  readonly requestNumber: number
}

export class Orders {
  readonly #options: OrdersOptions
  readonly #open = new Map<number, Asker>()
  #nextId = 1

  constructor(options: OrdersOptions) {
    this.#options = options
  }

  /** Handles one order frame. Throws `ProtocolViolation` for malformed bytes. */
  frame(connection: ClientConnection, payload: Uint8Array): void {
    const { requestNumber, order } = decodeOrder(payload)
    const { roleOf, openMax, leader, give } = this.#options
    const role = roleOf(connection.clientKey)
    const asker = { connection, requestNumber }
    if (role === null || !includesRole(role, order.kind === 'changeMembership' ? 'admin' : 'operator')) {
      refuseOne(connection, requestNumber, { code: 'NotPermitted', outcomeUnknown: false, leader: null })
    } else if (this.#open.size >= openMax) {
      refuseOne(connection, requestNumber, { code: 'ResourceExhausted', outcomeUnknown: false, leader: leader() })
    } else {
      const orderId = this.#nextId++
      this.#open.set(orderId, asker)
      if (order.kind === 'takeSnapshot' || order.kind === 'compactLog') this.#snapshot(orderId, order)
      else if (order.kind === 'changeMembership') this.#change(orderId, order)
      else give(orderId, order)
    }
  }

  /** Replicas would refuse, and give up, a primary that proposes what nobody signed. */
  #change(orderId: number, order: MemberOrder): void {
    const { verify, give, leader, wake } = this.#options
    verify(order, (valid) => {
      if (valid) give(orderId, order)
      else {
        const reason = 'the signature on the order does not hold'
        this.refused({ type: 'orderRefused', orderId, code: 'InvalidArgument', reason, leader: leader() })
      }
      wake()
    })
  }

  ordered({ orderId, index }: Extract<Effect, { type: 'ordered' }>): void {
    this.#answer(orderId, index, null)
  }

  refused({ orderId, code, reason, leader, retryAfterMs }: Extract<Effect, { type: 'orderRefused' }>): void {
    const asker = this.#take(orderId)
    if (asker === undefined) return
    if (code === 'NotLeader' || code === 'NoLeader') {
      refuseOne(asker.connection, asker.requestNumber, { code, outcomeUnknown: false, leader })
    } else {
      const details = retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }
      refuseWithError(asker.connection, asker.requestNumber, new KnhkError(code, reason, { details }))
    }
  }

  #snapshot(orderId: number, order: Extract<ClientOrder, { kind: 'takeSnapshot' | 'compactLog' }>): void {
    const { takeSnapshot, compact } = this.#options
    const work: ReturnType<typeof compact> = order.kind === 'compactLog' ? compact() : takeSnapshot()
    work
      .then((info) => {
        if (info !== null && 'compactsAt' in info) this.#answer(orderId, null, info)
        else if (info !== null) {
          const { base, id, bytes, dataDigest, stateDigest } = info
          const detail = { id: toHex(id), bytes, dataDigest: toHex(dataDigest), stateDigest: toHex(stateDigest) }
          this.#answer(orderId, base.index, detail)
        } else {
          const asker = this.#take(orderId)
          const reason = 'there is no settled state to take a snapshot of right now'
          const nothing = new KnhkError('ResourceExhausted', reason)
          if (asker !== undefined) refuseWithError(asker.connection, asker.requestNumber, nothing)
        }
      })
      // What goes wrong with a snapshot ends the node; it says so itself.
      .catch(() => this.#take(orderId))
      .finally(this.#options.wake)
  }

  #answer(orderId: number, index: number | null, detail: Readonly<Record<string, unknown>> | null): void {
    const asker = this.#take(orderId)
    if (asker === undefined || !asker.connection.open) return
    const { requestNumber } = asker
    const answer = encodeOrdered({ requestNumber, ...this.#options.context(), index, detail })
    asker.connection.send(CLIENT_FRAME.ordered, answer)
  }

  #take(orderId: number): Asker | undefined {
    const asker = this.#open.get(orderId)
    this.#open.delete(orderId)
    return asker
  }
}
