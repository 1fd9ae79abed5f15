/**
 * The `safety` record: everything that a replica must know again after a crash before it signs
 * anything, in one strict encoding. The epoch and its members stand in it, because an epoch that a
 * committed operation began is not in the options of the start; so does the last committed block, from
 * which the block records are linked up again.
 */
import { ByteReader, ByteWriter } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import type { PendingRecord } from '../../core.js'
import { HASH_BYTES } from '../../entry.js'
import { decodeMembership, encodeMembership, type Membership, type MembershipRecord } from '../../membership.js'
import type { LogBase } from '../../snapshot.js'
import type { Epoch, LogIndex, NodeId } from '../../types.js'
import { type Certificate, readCertificate, writeCertificate } from '../certificate.js'
import { readSteps, writeSteps } from '../entry-codec.js'
import type { EpochStep } from '../epoch.js'
import { decodeInit, encodeInit, type InitBasis } from '../init.js'
import { type BlockHeader, readHeader, writeHeader } from './block.js'
import type { Tc } from './certificates.js'
import {
  decodeHotStuff,
  encodeHotStuff,
  readOptionalSigned,
  readOptionalTc,
  writeOptionalSigned,
  writeOptionalTc,
} from './codec.js'
import type { OrderedEvidence } from './evidence-pool.js'
import type { SafetyData } from './safety-rules.js'

export type Origin = Pick<LogBase, 'index' | 'chain' | 'timestampMs'>

/** A certified checkpoint and the commit proof of its entry: what a snapshot at its index rests on. */
export interface Anchor {
  readonly checkpoint: Certificate
  readonly proof: Uint8Array
}

export interface StoredState {
  readonly origin: Origin
  /** What the INIT of the epoch rests on. */
  readonly basis: InitBasis
  /** The members of the epoch, and the entry that brought them; index 0 for those of the start. */
  readonly members: MembershipRecord
  /** Who decided the epoch before, and signed the checkpoint that the INIT rests on; null in the first. */
  readonly previous: Membership | null
  /** The last committed block; null for the genesis block of the epoch. */
  readonly root: BlockHeader | null
  /** The TC that led into the current round, where one did. */
  readonly tc: Tc | null
  readonly safety: SafetyData
  readonly anchors: readonly Anchor[]
  /** Evidence of this epoch that stands in the log. */
  readonly ordered: readonly OrderedEvidence[]
}

const VERSION = 2

export function encodeState(state: StoredState): Uint8Array {
  const { origin, basis, members, previous, root, tc, safety, anchors, ordered } = state
  const out = new ByteWriter(2048)
  out.u8(VERSION).u32(safety.epoch).u64(origin.index).raw(origin.chain).u64(origin.timestampMs)
  const init = { epoch: safety.epoch, protocol: 'hotstuff' as const, membership: members.membership, basis }
  out.u64(members.index).bytes(encodeInit(init))
  out.bytes(previous === null ? new Uint8Array(0) : encodeMembership(previous))
  out.u8(root === null ? 0 : 1)
  if (root !== null) writeHeader(out, root)
  writeOptionalTc(out, tc)
  out.u8(Number(safety.forgot))
  const proposedRound = Math.max(safety.lastProposedRound, safety.fencedRound)
  out.u64(safety.lastVotedRound).u64(proposedRound).u64(safety.lockedRound).raw(safety.lockedHash)
  writeCertificate(out, safety.highQc)
  writeOptionalSigned(out, safety.lastVote)
  out.bytes(safety.lastTimeout === null ? new Uint8Array(0) : encodeHotStuff(safety.lastTimeout))
  writeOptionalSigned(out, safety.lastCheckpoint)
  out.u8(anchors.length)
  for (const { checkpoint, proof } of anchors) {
    writeCertificate(out, checkpoint)
    out.bytes(proof)
  }
  out.u16(ordered.length)
  for (const { culprit, id } of ordered) out.text(culprit).raw(id)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one record. */
export function decodeState(bytes: Uint8Array): StoredState {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a safety record of an unknown version')
  const epoch = reader.u32() as Epoch
  const origin = { index: reader.u64() as LogIndex, chain: reader.raw(HASH_BYTES), timestampMs: reader.u64() }
  const membersIndex = reader.u64() as LogIndex
  const { membership, basis } = decodeInit(reader.bytes())
  const members = { index: membersIndex, membership }
  const before = reader.bytes()
  const previous = before.length === 0 ? null : decodeMembership(before)
  const root = reader.flag() ? readHeader(reader) : null
  const tc = readOptionalTc(reader)
  const forgot = reader.flag()
  const lastVotedRound = reader.u64()
  const lastProposedRound = reader.u64()
  const lockedRound = reader.u64()
  const lockedHash = reader.raw(HASH_BYTES)
  const highQc = readCertificate(reader)
  const lastVote = readOptionalSigned(reader)
  const timeoutBytes = reader.bytes()
  const timeout = timeoutBytes.length === 0 ? null : decodeHotStuff(timeoutBytes)
  if (timeout !== null && timeout.type !== 'hsTimeout')
    throw new KnhkError('ProtocolViolation', 'a safety record without a time-out where one should be')
  const lastCheckpoint = readOptionalSigned(reader)
  const count = reader.u8()
  const anchors = Array.from({ length: count }, () => ({
    checkpoint: readCertificate(reader),
    proof: reader.bytes(),
  }))
  const orderedCount = reader.u16()
  const ordered = Array.from({ length: orderedCount }, () => ({
    culprit: reader.text() as NodeId,
    id: reader.raw(HASH_BYTES),
  }))
  reader.end()
  const safety: SafetyData = {
    epoch,
    forgot,
    lastVotedRound,
    lastProposedRound,
    fencedRound: 0,
    lockedRound,
    lockedHash,
    highQc,
    lastVote,
    lastTimeout: timeout,
    lastCheckpoint,
  }
  return { origin, basis, members, previous, root, tc, safety, anchors, ordered }
}

/**
 * How the cluster came to this epoch is kept beside the safety record, which every vote writes again: as block
 * records above every index, which stay pending for ever and are written again with each compaction.
 */
const STEPS_INDEX = Number.MAX_SAFE_INTEGER as LogIndex

export function stepRecord(step: EpochStep): PendingRecord {
  const out = new ByteWriter(2048)
  writeSteps(out, [step])
  return { kind: 'block', index: STEPS_INDEX, payload: out.finish() }
}

/** The steps among what is pending, oldest first. Throws `ProtocolViolation`. */
export function stepsIn(pending: readonly PendingRecord[]): EpochStep[] {
  const steps = pending.filter(isStepRecord).flatMap(({ payload }) => {
    const reader = new ByteReader(payload.slice())
    const found = readSteps(reader)
    reader.end()
    return found
  })
  return steps.sort((a, b) => a.entry.epoch - b.entry.epoch)
}

export function isStepRecord({ kind, index }: PendingRecord): boolean {
  return kind === 'block' && index === STEPS_INDEX
}
