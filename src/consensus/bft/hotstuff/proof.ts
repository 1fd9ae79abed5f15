/**
 * The commit proof that lies beside an entry: the headers from its block up to the block whose QC
 * decided it, each the parent of the next, the last ones in contiguous rounds, and that QC. A lone QC
 * proves nothing final: it is the row of blocks that does. Where one QC decided several blocks, each
 * gets the path from itself.
 */
import { ByteReader, ByteWriter, bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { type Entry, type EntryHeader, type Sha256, verifyChain } from '../../entry.js'
import { certificateProblem, readCertificate, writeCertificate } from '../certificate.js'
import type { SignatureCheck } from '../checks.js'
import type { Replicas } from '../replicas.js'
import type { SignContext } from '../statement.js'
import { type BlockHeader, type HashedHeader, hashHeader, linkProblem, readHeader, writeHeader } from './block.js'
import { extraRound, isCanonical, type Qc, qcChecks, qcRound } from './certificates.js'

export interface CommitProof {
  /** From the block of the entry to the certified one. */
  readonly headers: readonly BlockHeader[]
  readonly qc: Qc
}

const VERSION = 1
const HEADERS_MAX = 1024

export function encodeProof({ headers, qc }: CommitProof): Uint8Array {
  const out = new ByteWriter(1024)
  out.u8(VERSION).u16(headers.length)
  for (const header of headers) writeHeader(out, header)
  writeCertificate(out, qc)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one proof. */
export function decodeProof(bytes: Uint8Array): CommitProof {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  const count = reader.u16()
  if (version !== VERSION || count === 0 || count > HEADERS_MAX)
    throw new KnhkError('ProtocolViolation', 'a commit proof of an unknown version or length')
  const headers = Array.from({ length: count }, () => readHeader(reader))
  const qc = readCertificate(reader)
  reader.end()
  return { headers, qc }
}

/** What a verifier has to know; all of it stands in the cluster file and the log. */
export interface ProofContext {
  readonly sha256: Sha256
  /** Cluster and configuration of the epoch. */
  readonly context: SignContext
  readonly replicas: Replicas
  /** 3 unless the cluster was made with the shorter rule. */
  readonly commitRule: 2 | 3
}

/**
 * The signatures that make an entry final, all of which must hold. Throws `ProtocolViolation` where the
 * entry has no proof, or one that is unsound whatever its signatures.
 */
export function verifyHotStuffEntryCertificate(context: ProofContext, entry: Entry): readonly SignatureCheck[] {
  if (entry.certificate === null || entry.certificate.length === 0) fail('an entry without a commit proof')
  const proof = decodeProof(entry.certificate)
  const problem = proofProblem(context, proof, entry)
  if (problem !== null) fail(problem)
  return qcChecks(context.context, context.replicas, proof.qc)
}

/** What is wrong with a proof for this entry apart from its signatures; null when nothing is. */
export function proofProblem(context: ProofContext, proof: CommitProof, entry: EntryHeader): string | null {
  const first = proof.headers[0] as BlockHeader
  const { index, timestampMs, kind, batchDigest, epoch, term, clusterId, configHash } = entry
  const isHere = bytesEqual(clusterId, context.context.clusterId) && bytesEqual(configHash, context.context.configHash)
  if (!isHere || term !== 0) return 'an entry of another cluster or configuration'
  if (first.index !== index || first.timestampMs !== timestampMs || first.kind !== kind || first.epoch !== epoch)
    return 'the proof is of another entry'
  if (!bytesEqual(first.batchDigest, batchDigest) || !verifyChain(context.sha256, entry))
    return 'the proof is of another value'
  return rowProblem(context, proof)
}

/** The signatures that decide the entry at a place of the log whose entry is not at hand; null where the proof is of another. */
export function placeChecks(
  context: ProofContext,
  place: Pick<EntryHeader, 'index' | 'epoch' | 'timestampMs'>,
  proof: Uint8Array,
): readonly SignatureCheck[] | null {
  const decoded = decodeProof(proof)
  const { index, epoch, timestampMs } = decoded.headers[0] as BlockHeader
  if (index !== place.index || epoch !== place.epoch || timestampMs !== place.timestampMs) return null
  return rowProblem(context, decoded) === null ? qcChecks(context.context, context.replicas, decoded.qc) : null
}

/** What is wrong with the row of blocks and its certificate apart from the signatures; null when nothing is. */
export function rowProblem(context: ProofContext, { headers, qc }: CommitProof): string | null {
  const { sha256, replicas, commitRule } = context
  const first = headers[0] as BlockHeader
  if (headers.length < commitRule) return 'too few blocks'
  let block: HashedHeader = hashHeader(sha256, first)
  for (let at = 1; at < headers.length; at++) {
    const header = headers[at] as BlockHeader
    if (linkProblem(header, block) !== null) return 'the blocks do not follow each other'
    const isLast = at > headers.length - commitRule
    if (isLast && header.round !== block.header.round + 1) return 'the last rounds are not contiguous'
    block = hashHeader(sha256, header)
  }
  const { statement } = qc
  const names = bytesEqual(statement.digest, block.hash) && qcRound(qc) === block.header.round
  if (!names || extraRound(statement) !== block.header.parentRound) return 'the certificate is of another block'
  if (statement.type !== 'vote' || statement.epoch !== first.epoch || !isCanonical(statement)) return 'no votes'
  return certificateProblem(replicas, qc)
}

function fail(reason: string): never {
  throw new KnhkError('ProtocolViolation', reason)
}
