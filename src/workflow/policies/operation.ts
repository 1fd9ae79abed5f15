/** The governing operations as programs see them, and the one that carries approvals. */
import type { ClientRole } from '../../consensus/configuration.js'
import type { Operation } from '../operations.js'
import type { Policy } from './policy.js'

/** One signer's consent to one operation under one policy. */
export interface Approval {
  readonly policyId: string
  /** Key of the client that signed, 32 bytes. */
  readonly signer: Uint8Array
  /** Log time from which on it is void. */
  readonly expiresAtMs: number
  /** Over `approvalStatement`, 64 bytes. */
  readonly signature: Uint8Array
}

/** Null: no bound. */
export interface Quotas {
  /** Cases in the state, finished ones too. */
  readonly casesMax: number | null
  /** Cases that are created, running or suspended. */
  readonly openCasesMax: number | null
  readonly sessionsPerClientMax: number | null
  /** Operations on cases and Custom operations of one client in one minute of log time. */
  readonly operationsPerMinuteMax: number | null
  /** Their bytes. */
  readonly bytesPerMinuteMax: number | null
}

export type GovernanceOperation =
  | { readonly type: 'ApplyPolicy'; readonly policyId: string; readonly policy: Policy }
  | { readonly type: 'RetractPolicy'; readonly policyId: string }
  | {
      readonly type: 'SetClient'
      readonly clientId: string
      /** Ed25519, 32 bytes. */
      readonly publicKey: Uint8Array
      readonly role: ClientRole
    }
  | { readonly type: 'RemoveClient'; readonly clientId: string }
  /** The client goes on under another key; ordered by itself, or by an admin. */
  | {
      readonly type: 'RotateClientKey'
      readonly clientId: string
      /** Ed25519, 32 bytes. */
      readonly publicKey: Uint8Array
      /** Signature of the new key over `rotationStatement`, 64 bytes; null only for an admin who orders it for another. */
      readonly proof: Uint8Array | null
    }
  /** Replaces all quotas. */
  | ({ readonly type: 'SetQuota' } & Quotas)
  /** Finished cases leave their digests behind. */
  | { readonly type: 'PurgeCases'; readonly caseIds: readonly string[] }
  /** Another operation with the approvals that policies ask for. */
  | { readonly type: 'Approved'; readonly operation: Operation; readonly approvals: readonly Approval[] }
