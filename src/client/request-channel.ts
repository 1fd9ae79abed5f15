/**
 * What carries a client's requests, orders and queries to its cluster, whatever protocol decides there:
 * `Channel` asks one member, the leader of a Raft cluster; `QuorumChannel` asks all members of a Byzantine
 * one and believes what more of them say than may lie.
 */
import type { KnhkError } from '../base/error.js'
import type { Epoch } from '../consensus/types.js'
import type { ClientOrder, OrderedFrame } from '../transport/client-orders.js'
import type { AnswerContext, QueryAnswerFrame } from '../transport/client-protocol.js'
import type { PlacedResult } from '../workflow/result-codec.js'
import type { ReadLevel } from './api.js'
import type { Links } from './links.js'

export type MemberOrder = Extract<ClientOrder, { kind: 'changeMembership' }>

/** Told once how a request ended: what its answer rests on and its results, or an error. */
export type RequestCallback = (
  context: AnswerContext | null,
  results: readonly PlacedResult[] | null,
  error: KnhkError | null,
) => void
export type OrderCallback = (answer: OrderedFrame | null, error: KnhkError | null, node: string) => void
export type QueryCallback = (answer: QueryAnswerFrame | null, error: KnhkError | null, node: string) => void

export interface ChannelQuery {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
  readonly read: ReadLevel
  /** Ask this member; null for whoever is right for the read level. */
  readonly member: string | null
  /** Fail with the link instead of asking again; false when absent. */
  readonly once?: boolean
}

/** Hears what becomes of the links. */
export interface LinkListener {
  /** A link to this member is open now. */
  up?(member: string): void
  down?(member: string): void
  /** Another leader, or none. */
  leaderChanged?(leader: string | null): void
  /** This member names a leader that nobody knows here. */
  stranger?(member: string): void
  /** No member admits this client. */
  shutOut?(error: KnhkError): void
}

export interface RequestChannel {
  readonly links: Links
  listen(listener: LinkListener): void
  /**
   * Sends a request: `payload` is made by `proposePayload`; the unsigned request in it is `requestOf`.
   * `callback` is told once; never before this call returns. Returns the number to abort it by.
   */
  propose(payload: Uint8Array, timeoutMs: number, callback: RequestCallback): number
  /** The first sequence number of a request outside any session. */
  bareSequence(): number
  /** Sends an order to the leader, or to `member`. `callback` is told once; never before this call returns. */
  order(order: ClientOrder, member: string | null, timeoutMs: number, callback: OrderCallback): number
  /** The change as its members take it: signed by this client for that epoch where they do not believe each other. */
  authorised(change: MemberOrder, epoch: Epoch): MemberOrder
  /** Throws `UnsupportedRead` for a level that the protocol does not offer. */
  query(query: ChannelQuery, timeoutMs: number, callback: QueryCallback): number
  /** As `Outstanding.abort`. */
  abort(number: number): void
  close(): void
}
