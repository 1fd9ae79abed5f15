/**
 * What the client library offers to commands, the REPL and embedding programs. Three outcomes, kept
 * apart everywhere: ok, failed (certainly not applied), unknown (the answer was lost).
 */

import type { ErrorDetails } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { Assurance, Mode } from '../consensus/types.js'
import type { DiskFacts } from '../node/ports.js'
import type { ClientOrder } from '../transport/client-orders.js'
import type { Operation, OperationResult } from '../workflow/operations.js'

export interface ClientKey {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** PKCS#8 PEM. */
  readonly privateKeyPem: string
  /** X.509 certificate made from the key, PEM. */
  readonly certificatePem: string
}

export interface ClientOptions {
  readonly configuration: ClusterConfiguration
  readonly key: ClientKey
  /** Only talk to these members; all when absent. */
  readonly endpoints?: readonly string[]
  /** Default deadline of every call; 10,000. */
  readonly timeoutMs?: number
  /** For calls that name none of their own. */
  readonly traceparent?: string
}

export interface CallOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** A W3C `traceparent`: the spans of the nodes about what is submitted join that trace. Ignored in any other form. */
  readonly traceparent?: string
}

/** Where in the log something happened, and what that rests on. */
export interface Position {
  readonly index: number
  /** Offset of the operation in its entry. */
  readonly position: number
  readonly epoch: number
  readonly mode: Mode
  readonly assurance: Assurance
}

/** The result of one operation: applied, or deterministically rejected; both stand in the log. */
export type SettledOperation = Position & { readonly outcome: OperationResult }

/** `lease` in plain Raft only, `leader` (the word of the one that proposes) in all other protocols only. */
export type ReadLevel = 'linearizable' | 'lease' | 'leader' | 'local'

export interface QueryOptions extends CallOptions {
  readonly read?: ReadLevel
  /** Ask this member; otherwise any that is reachable. */
  readonly node?: string
}

/** `value` is plain data: objects, arrays, strings, numbers, booleans, null and Uint8Array. */
export interface QueryAnswer {
  readonly value: unknown
  /** Index up to which the answering node had applied. */
  readonly index: number
  readonly epoch: number
  readonly mode: Mode
  readonly assurance: Assurance
  /** For `local`: how long ago the node heard from a leader, in milliseconds; null otherwise. */
  readonly staleMs: number | null
  readonly node: string
}

export type { ClientOrder } from '../transport/client-orders.js'

export interface OrderOptions extends CallOptions {
  /** Ask this member, whatever it is; otherwise the order follows the leader. */
  readonly node?: string
}

export interface OrderAnswer {
  /** The log index by which the order is under way; null where no entry was needed. */
  readonly index: number | null
  /** What else the node tells: plain data; null for nothing. */
  readonly detail: Readonly<Record<string, unknown>> | null
  readonly node: string
}

export interface Session {
  readonly id: { readonly index: number; readonly offset: number }
  readonly ordered: boolean
  /**
   * Submits operations as one request and waits for all results. Retries inside the session are safe
   * and done by the library. Throws KnhkError: a code of exit 7 or 8 = certainly not applied,
   * `OutcomeUnknown` or `DeadlineExceeded` = not known.
   */
  submit(operations: readonly Operation[], options?: CallOptions): Promise<SettledOperation[]>
  close(options?: CallOptions): Promise<void>
}

export interface Client {
  openSession(options?: CallOptions & { readonly ordered?: boolean }): Promise<Session>
  /** One operation in a session of its own, which is closed again. */
  submitOnce(
    operation: Operation,
    options?: CallOptions,
  ): Promise<SettledOperation & { readonly session: Session['id'] }>
  /**
   * Gives an order and resolves when it is under way. Follows the leader and waits out other changes
   * until the deadline. Throws KnhkError: `StalePlan`, `ChangeInProgress`, `NotPermitted` and the like =
   * not carried out; `OutcomeUnknown` = not known, look before giving it again.
   */
  order(order: ClientOrder, options?: OrderOptions): Promise<OrderAnswer>
  query(name: string, args: Readonly<Record<string, unknown>>, options?: QueryOptions): Promise<QueryAnswer>
  /** `status` of every member; unreachable ones are reported, not thrown. */
  clusterStatus(options?: CallOptions): Promise<ClusterStatus>
  close(): Promise<void>
}

/** What one member holds against others. */
export interface NodeThreatReport {
  readonly level: string
  readonly causes: readonly string[]
  readonly nodes: readonly { readonly id: string; readonly level: string; readonly causes: readonly string[] }[]
}

export interface NodeStatus {
  readonly id: string
  readonly role: string | null
  readonly reachable: boolean
  readonly epoch: number | null
  readonly term: number | null
  readonly view: number | null
  readonly round: number | null
  readonly leader: string | null
  readonly firstIndex: number | null
  readonly lastIndex: number | null
  readonly commitIndex: number | null
  readonly appliedIndex: number | null
  readonly stateDigest: string | null
  readonly dataDigest: string | null
  readonly digestIndex: number | null
  readonly lagEntries: number | null
  readonly rttMs: number | null
  readonly zone: string
  readonly version: string | null
  readonly http: string | null
  readonly mode: Mode | null
  readonly address: string
  /** When its epoch began, by its clock: milliseconds since 1970. */
  readonly epochSinceMs: number | null
  /** How long a Byzantine epoch lasts at least; null where the mode never changes. */
  readonly residencyMs: number | null
  /** Hybrid: why it stays in a Byzantine mode; null where nothing keeps it there, or in Raft. */
  readonly stays: { readonly reason: string; readonly retryAfterMs: number | null } | null
  /** As of its last look at it; null before the first. */
  readonly disk: DiskFacts | null
  /** What its newest commit rests on. */
  readonly assurance: Assurance | null
  /** What it holds against others; null where its protocol has no threat model. */
  readonly threat: NodeThreatReport | null
  /** Why it is not reachable; null when it is. */
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails } | null
}

export interface ClusterStatus {
  readonly protocol: string
  readonly mode: Mode
  readonly epoch: number
  /** What the newest commit rests on, as many members say; null where nobody does. */
  readonly assurance: Assurance | null
  readonly threat: string | null
  readonly leader: string | null
  readonly term: number | null
  readonly view: number | null
  readonly round: number | null
  readonly commitIndex: number | null
  readonly nodes: readonly NodeStatus[]
}
