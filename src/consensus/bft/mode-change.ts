/**
 * The MODE operation: an ordered entry that ends its epoch in favour of another protocol, by the same
 * wedge as a change of members. It is alone in its slot, nothing above it counts, and the state after it
 * is certified by a quorum; that certificate, with the entry, is what the next epoch rests on. When one
 * is due, and whether it may be voted for, is decided by who contains the core (the hybrid).
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { Core } from '../core.js'
import type { Entry, EntryKind } from '../entry.js'
import { encodeBody } from '../request-body.js'
import type { Epoch, Millis, Mode } from '../types.js'
import type { Certificate } from './certificate.js'
import type { SignatureCheck } from './checks.js'
import type { EpochStep } from './epoch.js'
import { readSigned, type SignedStatement, writeSigned } from './statement.js'

export interface ModeChange {
  /** The epoch that it ends. */
  readonly epoch: Epoch
  /** The protocol of the next one. */
  readonly protocol: Mode
  /** What members signed in favour of it, in the order of the configuration. */
  readonly votes: readonly SignedStatement[]
}

/** What ended an epoch, provable to whoever knows its members. */
export interface Wedge {
  /** The MODE operation, with the certificate of its decision. */
  readonly entry: Entry
  /** Of the state after it. */
  readonly checkpoint: Certificate
}

/** How a core that can be left by a MODE operation asks about it. */
export interface ModeRules {
  /** The body of the MODE operation that is due by what this node knows; null for none. */
  readonly due: Uint8Array | null
  /** The signatures in a proposed one: all of them have to hold. Null where it is unsound. Throws `ProtocolViolation`. */
  readonly checks: (body: Uint8Array) => readonly SignatureCheck[] | null
  /** Why this replica does not vote for one with this time; null when it does. Throws `ProtocolViolation`. */
  readonly problem: (body: Uint8Array, timestampMs: Millis) => string | null
}

/** A core that a MODE operation ends. */
export interface WedgedCore extends Core {
  /** What ended its epoch, once that is certified: nothing more happens in it. */
  readonly wedge: Wedge | null
  /** The changes of members that led to its present epoch, oldest first, as far as they are kept. */
  readonly steps: readonly EpochStep[]
}

/** INIT, the other record in entries of kind `mode`, begins with 1. */
const TAG = 2
const PROTOCOLS: readonly Mode[] = ['raft', 'pbft', 'hotstuff']
const VOTES_MAX = 64

/** The body of a MODE entry. */
export function encodeModeChange({ epoch, protocol, votes }: ModeChange): Uint8Array {
  const out = new ByteWriter(1024).u8(TAG).u32(epoch).u8(PROTOCOLS.indexOf(protocol)).u32(votes.length)
  for (const vote of votes) writeSigned(out, vote)
  return encodeBody([out.finish()])
}

/** Throws `ProtocolViolation` unless `body` is exactly one MODE operation. */
export function decodeModeChange(body: Uint8Array): ModeChange {
  const reader = new ByteReader(body)
  if (reader.u32() !== 1 || reader.u32() !== reader.remaining || reader.u8() !== TAG)
    throw new KnhkError('ProtocolViolation', 'a MODE entry holds one operation')
  const epoch = reader.u32() as Epoch
  const protocol = PROTOCOLS[reader.u8()]
  const count = reader.u32()
  if (protocol === undefined || count > VOTES_MAX)
    throw new KnhkError('ProtocolViolation', 'a MODE operation of an unknown protocol')
  const votes = Array.from({ length: count }, () => readSigned(reader))
  reader.end()
  return { epoch, protocol, votes }
}

/** Told apart from INIT, and from what a term of Raft begins with, by its first byte. */
export function isModeChange({ kind, body }: { readonly kind: EntryKind; readonly body: Uint8Array }): boolean {
  return kind === 'mode' && body[8] === TAG
}

/** True for the entries that end a Byzantine epoch: a change of members, and a MODE operation. */
export function endsEpoch(entry: { readonly kind: EntryKind; readonly body: Uint8Array }): boolean {
  return entry.kind === 'membership' || isModeChange(entry)
}
