/**
 * The operation on the threat state, as bytes, as JSON, and what its result says. Behind the u8 type: u8
 * length and ASCII id of the member, length 0 for all.
 */
import { type ByteReader, ByteWriter, fromUtf8, toUtf8 } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { type NodeId, nodeId } from '../../consensus/types.js'
import { allowFields, type JsonObject, readText } from '../json-fields.js'

export const CLEAR_THREAT_TYPE = 19
const ID_BYTES_MAX = 64

export interface ClearThreat {
  readonly type: 'ClearThreat'
  /** Against whom the evidence is; null for all. */
  readonly node: NodeId | null
}

/** Throws `InvalidArgument`. */
export function writeClearThreat({ node }: ClearThreat): Uint8Array {
  const id = toUtf8(node === null ? '' : nodeId(node))
  return new ByteWriter(80).u8(CLEAR_THREAT_TYPE).u8(id.length).raw(id).finish()
}

/** What stands behind the type. Throws `ProtocolViolation`. */
export function readClearThreat(reader: ByteReader): ClearThreat {
  const length = reader.u8()
  if (length > ID_BYTES_MAX) throw new KnhkError('ProtocolViolation', 'the id of a member is too long')
  const id = fromUtf8(reader.raw(length))
  return { type: 'ClearThreat', node: id === '' ? null : (id as NodeId) }
}

/** Throws `InvalidArgument`. */
export function clearThreatFromJson(object: JsonObject): ClearThreat {
  allowFields(object, ['type', 'node'])
  const isForAll = object.node === undefined || object.node === null
  return { type: 'ClearThreat', node: isForAll ? null : nodeId(readText(object, 'node')) }
}

/** Throws `ProtocolViolation`. */
export function clearThreatData({ node }: ClearThreat, reader: ByteReader): { node: string | null; cleared: number } {
  const cleared = reader.u32()
  reader.end()
  return { node, cleared }
}
