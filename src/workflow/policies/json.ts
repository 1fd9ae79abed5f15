/**
 * The governing operations as the JSON that people and scripts write (see `operation-json.ts`):
 * { "type": "ApplyPolicy", "policyId", "policy" } · { "type": "RetractPolicy", "policyId" } ·
 * { "type": "SetClient", "clientId", "publicKey", "role" } · { "type": "RemoveClient", "clientId" } ·
 * { "type": "RotateClientKey", "clientId", "publicKey", "proof"? } · { "type": "SetQuota", "casesMax"? … } · { "type": "PurgeCases", "caseIds" } ·
 * { "type": "Approved", "operation", "approvals": [{ "policyId", "signer", "expiresAtMs", "signature" }] }.
 * Keys and signatures are base64.
 */
import { fromBase64, toBase64 } from '../../base/base64.js'
import { CLIENT_ROLES } from '../../consensus/configuration.js'
import {
  allowFields,
  asObject,
  invalid,
  isAbsent,
  type JsonObject,
  readChoice,
  readInteger,
  readList,
  readText,
} from '../json-fields.js'
import type { Operation } from '../operations.js'
import { uuidFromBytes, uuidToBytes } from '../uuid.js'
import { GOVERNANCE_TYPE } from './codec.js'
import { APPROVALS_PER_OPERATION_MAX, PURGE_CASES_MAX } from './limits.js'
import type { Approval, GovernanceOperation, Quotas } from './operation.js'
import { readPolicy } from './policy-json.js'
import { NO_QUOTAS, QUOTA_NAMES } from './quotas.js'

export const GOVERNANCE_OPERATIONS: readonly string[] = Object.keys(GOVERNANCE_TYPE)

/** Null where the type is none of these. `inner` reads the operation inside an Approved one. Throws `InvalidArgument`. */
export function governanceOperationFromJson(
  object: JsonObject,
  inner: (value: unknown) => Operation,
): GovernanceOperation | null {
  switch (object.type) {
    case 'ApplyPolicy':
      allowFields(object, ['type', 'policyId', 'policy'])
      return { type: 'ApplyPolicy', policyId: readText(object, 'policyId'), policy: readPolicy(object.policy) }
    case 'RetractPolicy':
      allowFields(object, ['type', 'policyId'])
      return { type: 'RetractPolicy', policyId: readText(object, 'policyId') }
    case 'SetClient':
      allowFields(object, ['type', 'clientId', 'publicKey', 'role'])
      return {
        type: 'SetClient',
        clientId: readText(object, 'clientId'),
        publicKey: readBase64(object, 'publicKey'),
        role: readChoice(object, 'role', CLIENT_ROLES),
      }
    case 'RemoveClient':
      allowFields(object, ['type', 'clientId'])
      return { type: 'RemoveClient', clientId: readText(object, 'clientId') }
    case 'RotateClientKey':
      allowFields(object, ['type', 'clientId', 'publicKey', 'proof'])
      return {
        type: 'RotateClientKey',
        clientId: readText(object, 'clientId'),
        publicKey: readBase64(object, 'publicKey'),
        proof: isAbsent(object, 'proof') ? null : readBase64(object, 'proof'),
      }
    case 'SetQuota':
      allowFields(object, ['type', ...QUOTA_NAMES])
      return { type: 'SetQuota', ...readQuotaFields(object) }
    case 'PurgeCases':
      allowFields(object, ['type', 'caseIds'])
      return { type: 'PurgeCases', caseIds: readList(object, 'caseIds', 1, PURGE_CASES_MAX).map(readCaseId) }
    case 'Approved':
      allowFields(object, ['type', 'operation', 'approvals'])
      return {
        type: 'Approved',
        operation: inner(object.operation),
        approvals: readList(object, 'approvals', 1, APPROVALS_PER_OPERATION_MAX).map(approvalFromJson),
      }
    default:
      return null
  }
}

/** The JSON of an operation, as `governanceOperationFromJson` takes it. */
export function governanceOperationToJson(
  operation: GovernanceOperation,
  inner: (operation: Operation) => JsonObject,
): JsonObject {
  switch (operation.type) {
    case 'SetClient':
      return { ...operation, publicKey: toBase64(operation.publicKey) }
    case 'RotateClientKey': {
      const { publicKey, proof } = operation
      return { ...operation, publicKey: toBase64(publicKey), proof: proof === null ? null : toBase64(proof) }
    }
    case 'Approved':
      return {
        type: 'Approved',
        operation: inner(operation.operation),
        approvals: operation.approvals.map(approvalToJson),
      }
    default:
      return { ...operation }
  }
}

export function approvalToJson({ policyId, signer, expiresAtMs, signature }: Approval): JsonObject {
  return { policyId, signer: toBase64(signer), expiresAtMs, signature: toBase64(signature) }
}

function approvalFromJson(value: unknown): Approval {
  const object = asObject(value, 'approvals')
  allowFields(object, ['policyId', 'signer', 'expiresAtMs', 'signature'])
  return {
    policyId: readText(object, 'policyId'),
    signer: readBase64(object, 'signer'),
    expiresAtMs: readInteger(object, 'expiresAtMs', 0, Number.MAX_SAFE_INTEGER),
    signature: readBase64(object, 'signature'),
  }
}

function readQuotaFields(object: JsonObject): Quotas {
  const quotas: Record<keyof Quotas, number | null> = { ...NO_QUOTAS }
  for (const name of QUOTA_NAMES) {
    if (!isAbsent(object, name)) quotas[name] = readInteger(object, name, 0, Number.MAX_SAFE_INTEGER)
  }
  return quotas
}

function readCaseId(value: unknown): string {
  if (typeof value !== 'string') throw invalid('caseIds', 'holds something that is no text')
  return uuidFromBytes(uuidToBytes(value, 'caseIds'))
}

function readBase64(object: JsonObject, field: string): Uint8Array {
  const bytes = fromBase64(readText(object, field))
  if (bytes === null) throw invalid(field, 'is not base64')
  return bytes
}
