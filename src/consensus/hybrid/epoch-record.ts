/**
 * What the hybrid must know again after a crash, as bytes: which epoch it is in and in which mode, where
 * that began and by which certificate, what the core inside must know, and evidence. And, once an epoch is
 * aborted, everything about leaving it: the one history, what was signed in the hand-over, fetched bodies.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { readCertificate, writeCertificate } from '../bft/certificate.js'
import { decodeEvidence, type Evidence, encodeEvidence } from '../bft/evidence.js'
import type { SignedSnapshot } from '../bft/signed-snapshots.js'
import { readSigned, type SignedStatement, writeSigned } from '../bft/statement.js'
import { type Entry, HASH_BYTES } from '../entry.js'
import { decodeMembership, encodeMembership } from '../membership.js'
import { readOffer, writeOffer } from '../snapshot-codec.js'
import type { Epoch, LogIndex, Millis, Mode } from '../types.js'
import { type AbortHistory, readHistory, writeHistory } from './abort-history.js'
import { readEntries, writeEntries } from './codec.js'
import { type EpochLink, epochEndedBy, type LinkedEpoch, readLinks, writeLinks } from './epoch-links.js'
import { optional, readList, readOptional } from './positions.js'
import { EVIDENCE_MAX } from './switch-certificate.js'

/** Where an epoch began, and by whom. */
export type EpochStart = LinkedEpoch

/** How the cluster came to be in its mode, and how long it has to stay. */
export interface Stay {
  /** Time of the first INIT of this mode; null before it is known. */
  readonly sinceMs: Millis | null
  /** Returns to Raft that did not hold, in a row. */
  readonly flaps: number
  /** An operator wanted this mode, as far as this node knows: it stays until one wants another. */
  readonly byOrder: boolean
}

export const FIRST_STAY: Stay = { sinceMs: null, flaps: 0, byOrder: false }

export interface EpochRecord {
  readonly start: EpochStart
  readonly stay: Stay
  /** How the newest epochs ended, oldest first: who is behind gets what ended its own. */
  readonly links: readonly EpochLink[]
  /** The epoch before the present core began: what its end is judged by. Null in the first. */
  readonly ended: EpochStart | null
  /** The newest snapshot of this node whose state a quorum signed; null for none. */
  readonly snapshot: SignedSnapshot | null
  readonly evidence: readonly Evidence[]
  /** What the core inside must know; null before its first word. */
  readonly inner: Uint8Array | null
}

/** 2: a signed snapshot of a HotStuff epoch stands with its commit proof. */
const VERSION = 2
const MODES: readonly Mode[] = ['raft', 'pbft', 'hotstuff']
/** Ends of epochs in one record, which is written often; a driver keeps them all. */
const LINKS_KEPT_MAX = 8
const SLOTS_MAX = 256
const LEAVING_VERSION = 2
/** Of each kind: f + 1 say enough. */
const REASONS_MAX = 64

export function encodeEpochRecord({ start, stay, links, ended, snapshot, evidence, inner }: EpochRecord): Uint8Array {
  const out = new ByteWriter(2048).u8(VERSION)
  writeStart(out, start)
  optional(out, stay.sinceMs, (target, sinceMs) => target.u64(sinceMs))
  out.u32(stay.flaps).u8(Number(stay.byOrder))
  writeLinks(out, newest(links, ended))
  optional(out, ended, writeStart)
  optional(out, snapshot, writeSignedSnapshot)
  out.u32(evidence.length)
  for (const piece of evidence) out.bytes(encodeEvidence(piece))
  optional(out, inner, (target, bytes) => target.bytes(bytes))
  return out.finish()
}

/** The newest links, and in any case the one that the present core began with. */
function newest(links: readonly EpochLink[], ended: EpochStart | null): readonly EpochLink[] {
  const first = links.find((known) => ended !== null && epochEndedBy(known) === ended.epoch)
  const last = links.slice(-LINKS_KEPT_MAX)
  return first === undefined || last.includes(first) ? last : [first, ...last.slice(1)]
}

/** Throws `ProtocolViolation`. */
export function decodeEpochRecord(bytes: Uint8Array): EpochRecord {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'an epoch record of an unknown version')
  const start = readStart(reader)
  const sinceMs = readOptional(reader, (inner) => inner.u64())
  const stay = { sinceMs, flaps: reader.u32(), byOrder: reader.flag() }
  const links = readLinks(reader)
  const ended = readOptional(reader, readStart)
  const snapshot = readOptional(reader, readSignedSnapshot)
  const evidence = readList(reader, EVIDENCE_MAX, (inner) => decodeEvidence(inner.bytes()))
  const inner = readOptional(reader, (target) => target.bytes())
  reader.end()
  return { start, stay, links, ended, snapshot, evidence, inner }
}

function writeSignedSnapshot(out: ByteWriter, { snapshot, certificate, proof }: SignedSnapshot): void {
  writeOffer(out, snapshot)
  writeCertificate(out, certificate)
  optional(out, proof, (target, bytes) => target.bytes(bytes))
}

function readSignedSnapshot(reader: ByteReader): SignedSnapshot {
  const snapshot = readOffer(reader)
  const certificate = readCertificate(reader)
  return { snapshot, certificate, proof: readOptional(reader, (inner) => inner.bytes()) }
}

function writeStart(out: ByteWriter, { epoch, mode, origin, membership, configuredAt }: EpochStart): void {
  out.u32(epoch).u8(MODES.indexOf(mode)).u64(origin.index).raw(origin.chain).u64(origin.timestampMs)
  out.bytes(encodeMembership(membership)).u64(configuredAt)
}

function readStart(reader: ByteReader): EpochStart {
  const epoch = reader.u32() as Epoch
  const mode = MODES[reader.u8()]
  if (mode === undefined) throw new KnhkError('ProtocolViolation', 'an epoch of an unknown mode')
  const origin = { index: reader.u64() as LogIndex, chain: reader.raw(HASH_BYTES), timestampMs: reader.u64() }
  const membership = decodeMembership(reader.bytes())
  return { epoch, mode, origin, membership, configuredAt: reader.u64() as LogIndex }
}

/** What is known of leaving an epoch. */
export interface LeavingRecord {
  readonly history: AbortHistory
  /** Of the instance that decides the hand-over: its safety record and its slot records, in order. */
  readonly safety: Uint8Array | null
  readonly slots: readonly Uint8Array[]
  /** Entries of the result that the own log lacks. */
  readonly fetched: readonly Entry[]
  /** What made this node leave, where others said so: it convinces those who have not heard it. */
  readonly reasons: Reasons
}

/** Members that panicked, and that left before. */
export interface Reasons {
  readonly panics: readonly SignedStatement[]
  readonly histories: readonly AbortHistory[]
}

export function encodeLeaving({ history, safety, slots, fetched, reasons }: LeavingRecord): Uint8Array {
  const out = new ByteWriter(4096).u8(LEAVING_VERSION)
  writeHistory(out, history)
  optional(out, safety, (target, bytes) => target.bytes(bytes))
  out.u32(slots.length)
  for (const slot of slots) out.bytes(slot)
  writeEntries(out, fetched)
  out.u32(reasons.panics.length)
  for (const vote of reasons.panics) writeSigned(out, vote)
  out.u32(reasons.histories.length)
  for (const one of reasons.histories) writeHistory(out, one)
  return out.finish()
}

/** Throws `ProtocolViolation`. */
export function decodeLeaving(bytes: Uint8Array): LeavingRecord {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== LEAVING_VERSION)
    throw new KnhkError('ProtocolViolation', 'a leaving record of an unknown version')
  const history = readHistory(reader)
  const safety = readOptional(reader, (inner) => inner.bytes())
  const slots = readList(reader, SLOTS_MAX, (inner) => inner.bytes())
  const fetched = readEntries(reader)
  const panics = readList(reader, REASONS_MAX, readSigned)
  const reasons = { panics, histories: readList(reader, REASONS_MAX, readHistory) }
  reader.end()
  return { history, safety, slots, fetched, reasons }
}
