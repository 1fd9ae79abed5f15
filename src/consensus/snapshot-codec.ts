/**
 * A log base and a snapshot offer as bytes: one form for the wire and for what a core stores of them.
 */
import { assert } from '../base/assert.js'
import type { ByteReader, ByteWriter } from '../base/bytes.js'
import { HASH_BYTES } from './entry.js'
import { decodeMembership, encodeMembership, type MembershipRecord } from './membership.js'
import type { LogBase, SnapshotOffer } from './snapshot.js'
import type { Epoch, LogIndex, Millis, Term } from './types.js'

/** u64 index, u32 epoch, u64 term, chain, u64 timestamp, u8 flag; with 1: u64 index and body of the configuration. */
export function writeBase(out: ByteWriter, base: LogBase): void {
  assert(base.chain.length === HASH_BYTES, 'a chain value has 32 bytes')
  out.u64(base.index).u32(base.epoch).u64(base.term).raw(base.chain).u64(base.timestampMs)
  if (base.membership === null) {
    out.u8(0)
    return
  }
  out.u8(1).u64(base.membership.index).bytes(encodeMembership(base.membership.membership))
}

/** Throws `ProtocolViolation` where there is no base at the reader's place. */
export function readBase(reader: ByteReader): LogBase {
  const index = reader.u64() as LogIndex
  const epoch = reader.u32() as Epoch
  const term = reader.u64() as Term
  const chain = reader.raw(HASH_BYTES).slice()
  const timestampMs = reader.u64() as Millis
  const membership = reader.flag() ? readRecord(reader) : null
  return { index, epoch, term, chain, timestampMs, membership }
}

/** The base, the 32 bytes of the id, u64 size. */
export function writeOffer(out: ByteWriter, { base, id, bytes }: SnapshotOffer): void {
  writeBase(out, base)
  out.raw(id).u64(bytes)
}

/** Throws `ProtocolViolation`. */
export function readOffer(reader: ByteReader): SnapshotOffer {
  const base = readBase(reader)
  return { base, id: reader.raw(HASH_BYTES).slice(), bytes: reader.u64() }
}

function readRecord(reader: ByteReader): MembershipRecord {
  const index = reader.u64() as LogIndex
  return { index, membership: decodeMembership(reader.bytes()) }
}
