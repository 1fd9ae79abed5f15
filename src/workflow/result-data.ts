/**
 * What a result says, as plain data for JSON: `decodeResult` joins the operation that was asked and the
 * payload that came back. Keys and values stay bytes; whoever prints decides on UTF-8 or base64.
 */
import { ByteReader } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { kvIndex, kvValue } from './kv.js'
import { decodeKv } from './kv-codec.js'
import type { KvOperation, Operation, OperationResult, ResultWarning } from './operations.js'
import { overlayResultData } from './overlays/result.js'
import { isGovernanceOperation } from './policies/codec.js'
import { governanceResultData } from './policies/result.js'
import { decodeSessionId } from './session-id.js'
import { clearThreatData } from './threats/codec.js'

export type ResultData = Readonly<
  Record<string, string | number | boolean | null | Uint8Array | readonly ResultWarning[]>
>

/**
 * The data of an ok result; null for a rejection, which says it all by itself. Throws
 * `ProtocolViolation` where the payload does not fit the operation.
 */
export function decodeResult(operation: Operation, result: OperationResult): ResultData | null {
  if (!result.ok) return null
  const { payload, warnings, warningsLeftOut } = result
  const data = okData(operation, payload)
  return warnings === undefined ? data : { ...data, warnings, warningsLeftOut: warningsLeftOut ?? 0 }
}

function okData(operation: Operation, payload: Uint8Array): ResultData {
  switch (operation.type) {
    case 'OpenSession':
      return { ...decodeSessionId(payload) }
    case 'CloseSession':
    case 'Fence':
      return {}
    case 'ClearThreat':
      return clearThreatData(operation, new ByteReader(payload))
    case 'CreateCase':
      return { caseId: operation.caseId, state: 'created' }
    case 'UpdateCaseState':
      return { caseId: operation.caseId, state: operation.newState }
    case 'Custom': {
      const kv = decodeKv(operation.operation, operation.data)
      return kv === null ? { payload } : kvData(kv, payload)
    }
    case 'Approved':
    case 'Once':
      return okData(operation.operation, payload)
    default:
      if (isGovernanceOperation(operation)) return governanceResultData(operation, payload)
      return overlayResultData(operation, payload)
  }
}

function kvData(kv: KvOperation, payload: Uint8Array): ResultData {
  const { key } = kv
  switch (kv.operation) {
    case 'kv.put':
      return { key }
    case 'kv.cas':
      return { key, swapped: true }
    case 'kv.delete':
      return { key, existed: payload[0] === 1 }
    case 'kv.get':
      if (payload.length === 0) return { key, value: null, index: null }
      if (payload.length < 8) throw new KnhkError('ProtocolViolation', 'the result of a kv.get is too short')
      return { key, value: kvValue(payload), index: kvIndex(payload) }
  }
}
