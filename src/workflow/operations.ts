/**
 * The operations of the replicated state machine and their results, as programs see them. The wire
 * form is in `operation-codec.ts`; the meaning in `apply`.
 */

import type { ErrorDetails } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { OverlayOperation } from './overlays/overlay.js'
import type { GovernanceOperation } from './policies/operation.js'
import type { Enforcement } from './policies/policy.js'
import type { ClearThreat } from './threats/codec.js'

export type CaseState = 'created' | 'running' | 'suspended' | 'completed' | 'failed' | 'cancelled'

export type Operation =
  | { readonly type: 'OpenSession'; readonly ordered: boolean }
  | { readonly type: 'CloseSession' }
  /** Changes nothing, for any client; needs no session: its place in the log is what it is for. */
  | { readonly type: 'Fence' }
  | {
      readonly type: 'CreateCase'
      /** UUIDs, lower-case text form. */
      readonly caseId: string
      readonly specId: string
      /** A JSON object as the client's UTF-8 bytes; kept unchanged. */
      readonly data: Uint8Array
    }
  | {
      readonly type: 'UpdateCaseState'
      readonly caseId: string
      readonly newState: CaseState
      readonly error: string | null
    }
  | { readonly type: 'Custom'; readonly operation: string; readonly data: Uint8Array }
  | OnceOperation
  | OverlayOperation
  | GovernanceOperation
  /** Hybrid clusters: evidence whose culprits are dealt with counts no more. */
  | ClearThreat

/**
 * An operation under a request id: its first result counts for a day of log time, per client key, whoever sends it
 * again and in whatever session. Neither about sessions nor another of its kind.
 */
export interface OnceOperation {
  readonly type: 'Once'
  /** 1 to 128 printable ASCII characters without spaces. */
  readonly requestId: string
  readonly operation: Operation
}

/** The four built-in Custom operations; keys and values are bytes. */
export type KvOperation =
  | { readonly operation: 'kv.put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly operation: 'kv.get'; readonly key: Uint8Array }
  | { readonly operation: 'kv.delete'; readonly key: Uint8Array }
  /** `expected` null: the key must be absent. */
  | {
      readonly operation: 'kv.cas'
      readonly key: Uint8Array
      readonly expected: Uint8Array | null
      readonly value: Uint8Array
    }

/**
 * What one operation came to. `payload` is the operation's own encoding (see `operation-codec.ts`:
 * `decodeResult` turns it into plain data).
 */
export type OperationResult =
  | {
      readonly ok: true
      readonly payload: Uint8Array
      /** Rules that the operation violates without being blocked; absent where there are none. */
      readonly warnings?: readonly ResultWarning[]
      /** How many warnings did not fit into the result. */
      readonly warningsLeftOut?: number
    }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails }

export interface ResultWarning {
  readonly policyId: string
  readonly enforcement: Enforcement
}
