/**
 * Operations as the JSON that people and scripts write, one object each (NDJSON for files):
 * { "type": "CreateCase", "caseId", "specId", "data" } · { "type": "UpdateCaseState", "caseId",
 * "newState", "error"? } · { "type": "Custom", "operation", "data": { "key", "value"?, "expected"? } }.
 * { "type": "Once", "requestId", "operation" } stands around one of them. { "type": "ClearThreat", "node"? }.
 * The operations about overlays are in overlays/json.ts, those that govern in policies/json.ts. Strict: a field that is missing, unknown or of the wrong type is an `InvalidArgument` that names it.
 */
import { fromUtf8, toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { CASE_STATES, isCaseState } from './case-states.js'
import { checkJson } from './json-check.js'
import { allowFields, asObject, invalid, type JsonObject, readText, readUuid } from './json-fields.js'
import { decodeKv, isKvName, kvOperation } from './kv-codec.js'
import { encodeOperation, encodeText } from './operation-codec.js'
import type { KvOperation, Operation } from './operations.js'
import { isOverlayOperation, OVERLAY_TYPE } from './overlays/codec.js'
import { overlayToJson, readOverlayJson } from './overlays/json.js'
import { isGovernanceOperation } from './policies/codec.js'
import { GOVERNANCE_OPERATIONS, governanceOperationFromJson, governanceOperationToJson } from './policies/json.js'
import { clearThreatFromJson } from './threats/codec.js'

/** The operation that a parsed JSON value describes. Throws `InvalidArgument` with the field in its details. */
export function operationFromJson(value: unknown): Operation {
  const object = asObject(value, 'the operation')
  const operation = readOperation(object)
  // The codec knows the sizes and the form of texts: what it takes can be sent.
  encodeOperation(operation)
  return operation
}

/**
 * The same from the bytes of the JSON text, one line of a file: repeated keys are refused, and the data
 * of a case stays as it was written, digit for digit. Throws `InvalidArgument`.
 */
export function operationFromJsonText(text: Uint8Array): Operation {
  const check = checkJson(text)
  if (!check.ok) throw invalid('operation', `is not accepted: ${check.reason}, at byte ${check.at}`)
  const value: unknown = JSON.parse(fromUtf8(text))
  const operation = operationFromJson(value)
  const inside = check.members.get('operation')
  if (operation.type === 'Once' && inside !== undefined) {
    const { requestId } = operation
    return { type: 'Once', requestId, operation: operationFromJsonText(text.slice(inside.start, inside.end)) }
  }
  if (operation.type === 'Approved') refuseLoss(text, inside, value)
  const data = check.members.get('data')
  if (operation.type !== 'CreateCase' || data === undefined) return operation
  return { ...operation, data: text.slice(data.start, data.end) }
}

/** What was signed is the shortest form of an operation: a text that would not come back from it says something else. */
function refuseLoss(text: Uint8Array, span: { start: number; end: number } | undefined, value: unknown): void {
  const written = fromUtf8(text.subarray(span?.start, span?.end)).replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
  if (written === JSON.stringify((value as JsonObject).operation)) return
  throw invalid(
    'operation',
    'is not as `knhk policy approve` writes it: what was signed has the shortest form of every number and text',
  )
}

function readOperation(object: JsonObject): Operation {
  switch (object.type) {
    case 'OpenSession':
      allowFields(object, ['type', 'ordered'])
      if (typeof object.ordered !== 'boolean') throw invalid('ordered', 'is neither true nor false')
      return { type: 'OpenSession', ordered: object.ordered }
    case 'CloseSession':
      allowFields(object, ['type'])
      return { type: 'CloseSession' }
    case 'CreateCase':
      allowFields(object, ['type', 'caseId', 'specId', 'data'])
      return {
        type: 'CreateCase',
        caseId: readUuid(object, 'caseId'),
        specId: readUuid(object, 'specId'),
        data: readCaseData(object),
      }
    case 'UpdateCaseState': {
      allowFields(object, ['type', 'caseId', 'newState', 'error'])
      const newState = readText(object, 'newState')
      if (!isCaseState(newState)) throw invalid('newState', `is not one of ${CASE_STATES.join(', ')}`)
      const error = object.error === undefined || object.error === null ? null : readText(object, 'error')
      return { type: 'UpdateCaseState', caseId: readUuid(object, 'caseId'), newState, error }
    }
    case 'Custom': {
      allowFields(object, ['type', 'operation', 'data'])
      const operation = readText(object, 'operation')
      if (isKvName(operation)) return kvOperation(readKv(operation, asObject(object.data, 'data')))
      return { type: 'Custom', operation, data: toUtf8(JSON.stringify(object.data ?? null)) }
    }
    case 'ClearThreat':
      return clearThreatFromJson(object)
    case 'Once':
      allowFields(object, ['type', 'requestId', 'operation'])
      return {
        type: 'Once',
        requestId: readText(object, 'requestId'),
        operation: operationFromJson(object.operation),
      }
    default: {
      const governing = governanceOperationFromJson(object, operationFromJson)
      if (governing !== null) return governing
      if (typeof object.type === 'string' && Object.hasOwn(OVERLAY_TYPE, object.type)) return readOverlayJson(object)
      throw invalid(
        'type',
        `is not one of CreateCase, UpdateCaseState, Custom, Once, ${[...GOVERNANCE_OPERATIONS, ...Object.keys(OVERLAY_TYPE)].join(', ')}, ClearThreat, OpenSession, CloseSession`,
      )
    }
  }
}

/** An object or null; what is wrong with them as case data is for the state machine to say. */
function readCaseData(object: JsonObject): Uint8Array {
  const { data } = object
  if (data === undefined) throw invalid('data', 'is missing')
  if (data !== null) asObject(data, 'data')
  return toUtf8(JSON.stringify(data))
}

function readKv(operation: KvOperation['operation'], data: JsonObject): KvOperation {
  const key = encodeText(readText(data, 'key'), 'key')
  switch (operation) {
    case 'kv.put':
      allowFields(data, ['key', 'value'])
      return { operation, key, value: encodeText(readText(data, 'value'), 'value') }
    case 'kv.cas': {
      allowFields(data, ['key', 'expected', 'value'])
      if (data.expected === undefined) throw invalid('expected', 'is missing; null says that the key must be absent')
      const expected = data.expected === null ? null : encodeText(readText(data, 'expected'), 'expected')
      return { operation, key, expected, value: encodeText(readText(data, 'value'), 'value') }
    }
    default:
      allowFields(data, ['key'])
      return { operation, key }
  }
}

/** The JSON of an operation, as `operationFromJson` takes it. Throws `ProtocolViolation` where bytes are not UTF-8 or not JSON. */
export function operationToJson(operation: Operation): JsonObject {
  switch (operation.type) {
    case 'CreateCase':
      return { ...operation, data: parseJson(operation.data) }
    case 'UpdateCaseState': {
      const { error, ...rest } = operation
      return error === null ? rest : operation
    }
    case 'Custom': {
      const kv = decodeKv(operation.operation, operation.data)
      return {
        type: 'Custom',
        operation: operation.operation,
        data: kv === null ? parseJson(operation.data) : kvToJson(kv),
      }
    }
    case 'ClearThreat':
      return { ...operation }
    case 'Once':
      return { ...operation, operation: operationToJson(operation.operation) }
    default:
      if (isGovernanceOperation(operation)) return governanceOperationToJson(operation, operationToJson)
      return isOverlayOperation(operation) ? overlayToJson(operation) : operation
  }
}

function kvToJson(kv: KvOperation): JsonObject {
  const key = fromUtf8(kv.key)
  switch (kv.operation) {
    case 'kv.put':
      return { key, value: fromUtf8(kv.value) }
    case 'kv.cas':
      return { key, expected: kv.expected === null ? null : fromUtf8(kv.expected), value: fromUtf8(kv.value) }
    default:
      return { key }
  }
}

function parseJson(bytes: Uint8Array): unknown {
  if (!checkJson(bytes).ok) throw new KnhkError('ProtocolViolation', 'the data of an operation is not JSON')
  return JSON.parse(fromUtf8(bytes))
}
