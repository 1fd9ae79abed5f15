/**
 * A log base as bytes: one form for the base file of the log and for the header of a snapshot.
 */
import { assert } from '../base/assert.js'
import { type ByteReader, type ByteWriter, bytesEqual } from '../base/bytes.js'
import { GENESIS_CHAIN, HASH_BYTES } from '../consensus/entry.js'
import { decodeMembership, encodeMembership, type MembershipRecord } from '../consensus/membership.js'
import type { LogBase } from '../consensus/snapshot.js'
import type { Epoch, LogIndex, Millis, Term } from '../consensus/types.js'

/** What the log of a new cluster follows: nothing. */
export const GENESIS_BASE: LogBase = {
  index: 0 as LogIndex,
  epoch: 0 as Epoch,
  term: 0 as Term,
  chain: GENESIS_CHAIN,
  timestampMs: 0 as Millis,
  membership: null,
}

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
  const membership = reader.flag() ? readMembership(reader) : null
  return { index, epoch, term, chain, timestampMs, membership }
}

/** Index and chain name a place in the history of one cluster. */
export function sameBase(a: LogBase, b: LogBase): boolean {
  return a.index === b.index && bytesEqual(a.chain, b.chain)
}

function readMembership(reader: ByteReader): MembershipRecord {
  const index = reader.u64() as LogIndex
  return { index, membership: decodeMembership(reader.bytes()) }
}
