/** The offer of a snapshot inside a message of any protocol. Fixed layout, little-endian, see docs/wire-protocol.md. */
import { assert } from '../base/assert.js'
import type { ByteReader, ByteWriter } from '../base/bytes.js'
import { HASH_BYTES } from './entry.js'
import { decodeMembership, encodeMembership } from './membership.js'
import type { LogBase, SnapshotOffer } from './snapshot.js'
import { epoch, logIndex, term } from './types.js'

export function writeOffer(out: ByteWriter, { base, id, bytes }: SnapshotOffer): void {
  assert(base.chain.length === HASH_BYTES && id.length === HASH_BYTES, 'a hash has its fixed length')
  assert(Number.isSafeInteger(base.timestampMs) && base.timestampMs >= 0, 'log time is a non-negative safe integer')
  assert(Number.isSafeInteger(bytes) && bytes >= 0, 'a size is a non-negative safe integer')
  out.u64(base.index).u32(base.epoch).u64(base.term).raw(base.chain).u64(base.timestampMs)
  out.u8(Number(base.membership !== null))
  if (base.membership !== null) out.u64(base.membership.index).bytes(encodeMembership(base.membership.membership))
  out.raw(id).u64(bytes)
}

/** Throws `ProtocolViolation`. */
export function readOffer(reader: ByteReader): SnapshotOffer {
  const base: LogBase = {
    index: logIndex(reader.u64()),
    epoch: epoch(reader.u32()),
    term: term(reader.u64()),
    chain: reader.raw(HASH_BYTES).slice(),
    timestampMs: reader.u64(),
    membership: reader.flag() ? { index: logIndex(reader.u64()), membership: decodeMembership(reader.bytes()) } : null,
  }
  return { base, id: reader.raw(HASH_BYTES).slice(), bytes: reader.u64() }
}
