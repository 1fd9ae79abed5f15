/**
 * The two certificates of HotStuff. A quorum certificate (QC) is a quorum of votes for one block; a vote
 * signs round, block and the round of its parent, which is what makes a fork provable afterwards
 * (Sheng et al., "BFT Protocol Forensics"). A time-out certificate (TC) is a quorum of statements that a
 * round ended without one, each with the round of the highest QC that its signer holds (DiemBFT v4).
 */
import { type ByteReader, ByteWriter, bytesEqual, readU64, writeU64 } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { HASH_BYTES } from '../../entry.js'
import type { Epoch, NodeId } from '../../types.js'
import { type Certificate, certificateChecks, certificateProblem, encodeCertificate } from '../certificate.js'
import type { SignatureCheck } from '../checks.js'
import type { Replicas } from '../replicas.js'
import {
  NO_EXTRA,
  SIGNATURE_BYTES,
  type SignContext,
  type SignedStatement,
  type Statement,
  sameStatement,
  signBytes,
} from '../statement.js'
import type { BlockHeader, HashedHeader } from './block.js'

/** A certificate whose statement is a vote. That of round 0 stands for the genesis block and has no signers. */
export type Qc = Certificate

export interface TcEntry {
  /** Place in the configuration. */
  readonly signer: number
  readonly highRound: number
  readonly signature: Uint8Array
}

export interface Tc {
  readonly epoch: Epoch
  readonly round: number
  /** Ascending by signer, each once, at least a quorum. */
  readonly entries: readonly TcEntry[]
}

function roundExtra(round: number): Uint8Array {
  const extra = new Uint8Array(HASH_BYTES)
  writeU64(extra, 0, round)
  return extra
}

/** Round in a statement's extra hash: of the parent in a vote, of the highest QC in a time-out. */
export function extraRound({ extra }: Statement): number {
  return readU64(extra, 0)
}

/** One vote and one proposal per round and signer, whatever the height: the sequence is always 0. */
export function voteStatement({ header, hash }: HashedHeader): Statement {
  return statement('vote', header.epoch, header.round, hash, roundExtra(header.parentRound))
}

export function proposalStatement({ header, hash }: HashedHeader): Statement {
  return statement('proposal', header.epoch, header.round, hash, roundExtra(header.parentRound))
}

export function timeoutStatement(epoch: Epoch, round: number, highRound: number): Statement {
  return statement('timeout', epoch, round, NO_EXTRA, roundExtra(highRound))
}

function statement(
  type: 'vote' | 'proposal' | 'timeout',
  epoch: Epoch,
  view: number,
  digest: Uint8Array,
  extra: Uint8Array,
): Statement {
  return { mode: 'hotstuff', type, epoch, view, sequence: 0, digest, extra }
}

/** True when a received statement has exactly the layout of its type: nothing hides in unused fields. */
export function isCanonical(received: Statement): boolean {
  const { type, mode, sequence, digest, extra } = received
  if (mode !== 'hotstuff' || sequence !== 0 || !bytesEqual(extra.subarray(8), NO_EXTRA.subarray(8))) return false
  return type === 'vote' || type === 'proposal' || (type === 'timeout' && bytesEqual(digest, NO_EXTRA))
}

export function genesisQc(genesis: HashedHeader): Qc {
  return { statement: voteStatement(genesis), signers: [], signatures: [] }
}

export function qcRound(qc: Qc): number {
  return qc.statement.view
}

export function sameQc(a: Qc, b: Qc): boolean {
  return a === b || bytesEqual(encodeCertificate(a), encodeCertificate(b))
}

/** True when `qc` certifies the parent of this block. */
export function justifies(qc: Qc, header: BlockHeader): boolean {
  return qcRound(qc) === header.parentRound && bytesEqual(qc.statement.digest, header.parentHash)
}

/** What is wrong with a QC apart from its signatures; null when nothing is. */
export function qcProblem(replicas: Replicas, genesis: Qc, qc: Qc): string | null {
  const { statement: said, signers } = qc
  if (said.view === 0) return signers.length === 0 && sameStatement(said, genesis.statement) ? null : 'another genesis'
  if (said.type !== 'vote' || said.epoch !== genesis.statement.epoch || !isCanonical(said)) return 'no votes'
  if (extraRound(said) >= said.view) return 'a parent of a later round'
  return certificateProblem(replicas, qc)
}

export function qcChecks(context: SignContext, replicas: Replicas, qc: Qc): SignatureCheck[] {
  return certificateChecks(context, replicas, qc)
}

/** Makes a TC of the time-outs of one round: the first `quorum` in the configuration's order. */
export function makeTc(replicas: Replicas, epoch: Epoch, round: number, timeouts: Iterable<SignedStatement>): Tc {
  const entries = [...timeouts]
    .map((timeout) => ({
      signer: replicas.indexOf(timeout.signer),
      highRound: extraRound(timeout),
      signature: timeout.signature,
    }))
    .sort((a, b) => a.signer - b.signer)
    .slice(0, replicas.quorum)
  return { epoch, round, entries }
}

/** The round of the highest QC that anybody in it holds: a block after it must build on at least that. */
export function tcHighRound({ entries }: Tc): number {
  return Math.max(...entries.map((entry) => entry.highRound))
}

/** What is wrong with a TC apart from its signatures; null when nothing is. */
export function tcProblem(replicas: Replicas, epoch: Epoch, tc: Tc): string | null {
  if (tc.epoch !== epoch) return 'a time-out certificate of another epoch'
  if (tc.entries.length < replicas.quorum) return 'a time-out certificate without a quorum'
  let before = -1
  for (const { signer, highRound } of tc.entries) {
    if (signer <= before || signer >= replicas.count) return 'signers are not ascending replicas'
    if (highRound >= tc.round) return 'a certificate of a later round'
    before = signer
  }
  return null
}

export function tcChecks(context: SignContext, replicas: Replicas, tc: Tc): SignatureCheck[] {
  return tc.entries.map(({ signer, highRound, signature }) => ({
    publicKey: replicas.publicKeys[signer] as Uint8Array,
    bytes: signBytes(context, timeoutStatement(tc.epoch, tc.round, highRound)),
    signature,
  }))
}

export function writeTc(out: ByteWriter, { epoch, round, entries }: Tc): void {
  out.u32(epoch).u64(round).u8(entries.length)
  for (const { signer, highRound, signature } of entries) out.u8(signer).u64(highRound).raw(signature)
}

/** Throws `ProtocolViolation`. */
export function readTc(reader: ByteReader): Tc {
  const epoch = reader.u32() as Epoch
  const round = reader.u64()
  const count = reader.u8()
  if (count === 0) throw new KnhkError('ProtocolViolation', 'a time-out certificate without signers')
  const entries = Array.from({ length: count }, () => ({
    signer: reader.u8(),
    highRound: reader.u64(),
    signature: reader.raw(SIGNATURE_BYTES),
  }))
  return { epoch, round, entries }
}

export function sameTc(a: Tc | null, b: Tc): boolean {
  if (a === null || a === b) return a === b
  return bytesEqual(encodeTc(a), encodeTc(b))
}

function encodeTc(tc: Tc): Uint8Array {
  const out = new ByteWriter(256)
  writeTc(out, tc)
  return out.finish()
}

/** A vote of a replica, by name; the check of its signature. */
export function signedCheck(context: SignContext, replicas: Replicas, signed: SignedStatement): SignatureCheck | null {
  const publicKey = replicas.publicKeyOf(signed.signer as NodeId)
  if (publicKey === null) return null
  return { publicKey, bytes: signBytes(context, signed), signature: signed.signature }
}
