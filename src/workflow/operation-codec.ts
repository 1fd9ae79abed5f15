/**
 * Operations as bytes, strictly: what decodes, encodes to the same bytes again. u8 type, then
 * OpenSession: u8 ordered · CloseSession: nothing · CreateCase: 16 bytes case id, 16 bytes spec id,
 * u32 length, data · UpdateCaseState: 16 bytes case id, u8 state, u8 0, or u8 1, u32 length, error text ·
 * Custom: u8 length, name, u32 length, data · Fence: nothing. Governance (5 … 11): see policies/codec.ts. Overlays
 * (37 … 41): see overlays/codec.ts. Once (18): see once-codec.ts. ClearThreat (19): see threats/codec.ts.
 */
import { ByteReader, ByteWriter, fromUtf8, toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { caseStateCode, caseStateOf } from './case-states.js'
import { CASE_DATA_BYTES_MAX, CASE_ERROR_BYTES_MAX, HANDLER_NAME_BYTES_MAX } from './limits.js'
import { isHandlerName } from './names.js'
import { ONCE_TYPE, readOnce, writeOnce } from './once-codec.js'
import type { Operation } from './operations.js'
import { isOverlayType, readOverlayOperation, writeOverlayOperation } from './overlays/codec.js'
import {
  type InnerCodec,
  isGovernanceOperation,
  isGovernanceType,
  readGovernanceOperation,
  writeGovernanceOperation,
} from './policies/codec.js'
import { CLEAR_THREAT_TYPE, readClearThreat, writeClearThreat } from './threats/codec.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid.js'

export const OPERATION_TYPE = {
  openSession: 1,
  closeSession: 2,
  createCase: 3,
  updateCaseState: 4,
  custom: 16,
  fence: 17,
} as const

/** For the operation inside an Approved one. */
const INNER: InnerCodec = {
  encode: (operation) => encodeOperation(operation),
  decode: (bytes) => decodeOperation(bytes),
}

/** Encodes an operation. Throws `InvalidArgument` that names the field where one is not valid. */
export function encodeOperation(operation: Operation): Uint8Array {
  const out = new ByteWriter(64)
  switch (operation.type) {
    case 'OpenSession':
      return out
        .u8(OPERATION_TYPE.openSession)
        .u8(operation.ordered ? 1 : 0)
        .finish()
    case 'CloseSession':
      return out.u8(OPERATION_TYPE.closeSession).finish()
    case 'Fence':
      return out.u8(OPERATION_TYPE.fence).finish()
    case 'CreateCase':
      if (operation.data.length > CASE_DATA_BYTES_MAX) throw tooLong('data', operation.data.length, CASE_DATA_BYTES_MAX)
      out
        .u8(OPERATION_TYPE.createCase)
        .raw(uuidToBytes(operation.caseId, 'caseId'))
        .raw(uuidToBytes(operation.specId, 'specId'))
      return out.bytes(operation.data).finish()
    case 'UpdateCaseState': {
      out
        .u8(OPERATION_TYPE.updateCaseState)
        .raw(uuidToBytes(operation.caseId, 'caseId'))
        .u8(caseStateCode(operation.newState))
      if (operation.error === null) return out.u8(0).finish()
      const error = encodeText(operation.error, 'error')
      if (error.length > CASE_ERROR_BYTES_MAX) throw tooLong('error', error.length, CASE_ERROR_BYTES_MAX)
      return out.u8(1).bytes(error).finish()
    }
    case 'Custom':
      if (!isHandlerName(operation.operation)) {
        throw new KnhkError(
          'InvalidArgument',
          `the name of a Custom operation is 1 to ${HANDLER_NAME_BYTES_MAX} printable ASCII characters without spaces`,
          {
            details: { field: 'operation' },
          },
        )
      }
      out.u8(OPERATION_TYPE.custom).u8(operation.operation.length).raw(toUtf8(operation.operation))
      return out.bytes(operation.data).finish()
    case 'ClearThreat':
      return writeClearThreat(operation)
    case 'Once':
      return writeOnce(out, operation, encodeOperation(operation.operation)).finish()
    default:
      if (isGovernanceOperation(operation)) return writeGovernanceOperation(out, operation, INNER).finish()
      return writeOverlayOperation(out, operation).finish()
  }
}

/** Decodes an operation strictly; throws `ProtocolViolation`. Byte fields are views. Sizes and meaning are apply's business. */
export function decodeOperation(bytes: Uint8Array): Operation {
  const reader = new ByteReader(bytes)
  const operation = readOperation(reader, reader.u8())
  reader.end()
  return operation
}

function readOperation(reader: ByteReader, type: number): Operation {
  switch (type) {
    case OPERATION_TYPE.openSession:
      return { type: 'OpenSession', ordered: reader.flag() }
    case OPERATION_TYPE.closeSession:
      return { type: 'CloseSession' }
    case OPERATION_TYPE.fence:
      return { type: 'Fence' }
    case OPERATION_TYPE.createCase: {
      const caseId = uuidFromBytes(reader.raw(UUID_BYTES))
      const specId = uuidFromBytes(reader.raw(UUID_BYTES))
      return { type: 'CreateCase', caseId, specId, data: reader.bytes() }
    }
    case OPERATION_TYPE.updateCaseState: {
      const caseId = uuidFromBytes(reader.raw(UUID_BYTES))
      const newState = caseStateOf(reader.u8())
      if (newState === undefined) throw new KnhkError('ProtocolViolation', 'a case state is unknown')
      return { type: 'UpdateCaseState', caseId, newState, error: reader.flag() ? reader.text() : null }
    }
    case OPERATION_TYPE.custom: {
      const operation = fromUtf8(reader.raw(reader.u8()))
      if (!isHandlerName(operation)) throw new KnhkError('ProtocolViolation', 'a Custom operation has a malformed name')
      return { type: 'Custom', operation, data: reader.bytes() }
    }
    case CLEAR_THREAT_TYPE:
      return readClearThreat(reader)
    case ONCE_TYPE:
      return readOnce(reader, decodeOperation)
    default:
      if (isGovernanceType(type)) return readGovernanceOperation(reader, type, INNER)
      if (isOverlayType(type)) return readOverlayOperation(reader, type)
      throw new KnhkError('ProtocolViolation', `operation type ${type} is unknown`)
  }
}

/** Text as UTF-8; a lone surrogate, which UTF-8 cannot carry, is an `InvalidArgument`. */
export function encodeText(text: string, field: string): Uint8Array {
  const bytes = toUtf8(text)
  if (fromUtf8(bytes) !== text) {
    throw new KnhkError('InvalidArgument', `${field} is not well-formed Unicode`, { details: { field } })
  }
  return bytes
}

function tooLong(field: string, length: number, max: number): KnhkError {
  return new KnhkError('InvalidArgument', `${field} has ${length} bytes, over ${max}`, { details: { field } })
}
