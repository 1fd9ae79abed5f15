/**
 * Snapshot frames in wire form: who needs a snapshot asks for a piece of it, who has it answers with
 * that piece, or that it is gone. Every frame names the snapshot by the hash of its bytes, so a piece
 * can come from any node and never lands in the wrong file. Decoding is strict, see docs/wire-protocol.md.
 */
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { SnapshotFrame } from '../node/ports.js'
import { TRANSPORT_LIMITS } from './limits.js'

/** Frame types on links for snapshots. */
export const SNAPSHOT_FRAME = {
  snapshotRequest: 0x40,
  snapshotChunk: 0x41,
  snapshotGone: 0x42,
} as const satisfies Record<SnapshotFrame['type'], number>

const ID_BYTES = 32
const HEADER_BYTES = ID_BYTES + 8

/** Type and payload in pieces; the bytes of a chunk are not copied. */
export function encodeSnapshotFrame(frame: SnapshotFrame): {
  readonly type: number
  readonly parts: readonly Uint8Array[]
} {
  assert(frame.id.length === ID_BYTES, 'the id of a snapshot has its fixed length')
  const type = SNAPSHOT_FRAME[frame.type]
  const out = new ByteWriter(HEADER_BYTES + 4).raw(frame.id)
  switch (frame.type) {
    case 'snapshotRequest':
      assert(frame.maxBytes >= 1 && frame.maxBytes <= TRANSPORT_LIMITS.snapshotChunkBytes, 'a piece has its bound')
      return { type, parts: [out.u64(frame.offset).u32(frame.maxBytes).finish()] }
    case 'snapshotChunk':
      assert(frame.bytes.length <= TRANSPORT_LIMITS.snapshotChunkBytes, 'a piece has its bound')
      return { type, parts: [out.u64(frame.offset).finish(), frame.bytes] }
    case 'snapshotGone':
      return { type, parts: [out.finish()] }
  }
}

/** Null for a type that this version does not know. Throws `ProtocolViolation`. A chunk is a view into `payload`. */
export function decodeSnapshotFrame(type: number, payload: Uint8Array): SnapshotFrame | null {
  const reader = new ByteReader(payload)
  switch (type) {
    case SNAPSHOT_FRAME.snapshotRequest: {
      const frame = {
        type: 'snapshotRequest' as const,
        id: reader.raw(ID_BYTES),
        offset: reader.u64(),
        maxBytes: reader.u32(),
      }
      reader.end()
      if (frame.maxBytes < 1 || frame.maxBytes > TRANSPORT_LIMITS.snapshotChunkBytes) {
        throw new KnhkError('ProtocolViolation', `${frame.maxBytes} bytes are no piece of a snapshot`)
      }
      return frame
    }
    case SNAPSHOT_FRAME.snapshotChunk: {
      const position = { id: reader.raw(ID_BYTES), offset: reader.u64() }
      if (reader.remaining > TRANSPORT_LIMITS.snapshotChunkBytes) {
        throw new KnhkError('ProtocolViolation', 'a piece of a snapshot is too large')
      }
      return { type: 'snapshotChunk', ...position, bytes: reader.raw(reader.remaining) }
    }
    case SNAPSHOT_FRAME.snapshotGone: {
      const id = reader.raw(ID_BYTES)
      reader.end()
      return { type: 'snapshotGone', id }
    }
    default:
      return null
  }
}
