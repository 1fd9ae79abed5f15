/**
 * How client requests come into a node, become proposals, and get their answers. There are two ways:
 * a Raft leader takes them alone (`leader-intake.ts`); under a Byzantine protocol every replica takes them,
 * verifies them, and answers for itself (`pool-intake.ts`). The loop does not know which it has.
 */
import type { Effect } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import type { Millis } from '../consensus/types.js'
import type { AnswerContext } from '../transport/client-protocol.js'
import type { ClientConnection } from './ports.js'

export interface Intake {
  /** One request of a client, and the trace context beside it. Throws `ProtocolViolation` for malformed bytes. */
  request(connection: ClientConnection, requestNumber: number, request: Uint8Array, trace: Uint8Array | null): void
  /** Once per turn, after messages: proposes what waits, if it may. */
  propose(): void
  proposed(effect: Extract<Effect, { type: 'proposed' }>): void
  refused(effect: Extract<Effect, { type: 'refused' }>): void
  /** An entry is about to be applied; `context` is what its answers rest on. */
  begin(entry: Entry, context: AnswerContext): void
  /** One of its requests was applied: whoever waits for it is answered. `results` are valid during the call only. */
  answer(ordinal: number, firstPosition: number, results: Uint8Array): void
  /** Another leader, or another role of this node; the loop's own view of both is up to date. */
  roleChanged(effect: Extract<Effect, { type: 'roleChanged' }>, wasLeader: boolean): void
  /** A snapshot took the place of the state. */
  stateReplaced(): void
  /** When `propose` has something to do although nothing arrives; undefined for never. */
  deadline(): Millis | undefined
  /** Requests that wait for a proposal, and proposals of this node that are not applied yet. */
  depths(): { readonly requests: number; readonly slots: number }
  /** Gives up what waits. */
  stop(): void
}
