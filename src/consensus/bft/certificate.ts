/**
 * A certificate: one statement and the signatures of at least a quorum of the epoch's replicas under
 * it. Signers stand in a bitmap in the order of the configuration, signatures in bit order, so nobody
 * counts twice and the encoding is unique.
 */
import { assert } from '../../base/assert.js'
import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { NodeId } from '../types.js'
import type { SignatureCheck } from './checks.js'
import type { Replicas } from './replicas.js'
import {
  decodeStatement,
  encodeStatement,
  SIGNATURE_BYTES,
  type SignContext,
  type SignedStatement,
  type Statement,
  signBytes,
} from './statement.js'

export interface Certificate {
  readonly statement: Statement
  /** Indexes into the configuration's order, ascending, each once. */
  readonly signers: readonly number[]
  /** One of 64 bytes per signer, in the same order. */
  readonly signatures: readonly Uint8Array[]
}

const VERSION = 1
const SIGNERS_MAX = 64

/** Makes a certificate of votes for one statement: the first `quorum` of them in the configuration's order. */
export function makeCertificate(
  replicas: Replicas,
  statement: Statement,
  votes: Iterable<SignedStatement>,
): Certificate {
  const bySigner = new Map<number, Uint8Array>()
  for (const vote of votes) bySigner.set(replicas.indexOf(vote.signer), vote.signature)
  const signers = [...bySigner.keys()].sort((a, b) => a - b).slice(0, replicas.quorum)
  assert(signers.length === replicas.quorum && signers[0] !== -1, 'a certificate has a quorum of replicas')
  const { mode, type, epoch, view, sequence, digest, extra } = statement
  return {
    statement: { mode, type, epoch, view, sequence, digest, extra },
    signers,
    signatures: signers.map((signer) => bySigner.get(signer) as Uint8Array),
  }
}

/** What is wrong with it apart from its signatures; null when nothing is. */
export function certificateProblem(replicas: Replicas, { signers, signatures }: Certificate): string | null {
  if (signers.length !== signatures.length) return 'a certificate has one signature per signer'
  if (signers.length < replicas.quorum) return `${signers.length} signers are no quorum of ${replicas.count}`
  if (signers.some((signer) => signer >= replicas.count)) return 'a signer is no replica'
  return null
}

/** The checks that decide about its signatures: every one of them must hold. */
export function certificateChecks(
  context: SignContext,
  replicas: Replicas,
  certificate: Certificate,
): SignatureCheck[] {
  const bytes = signBytes(context, certificate.statement)
  return certificate.signers.map((signer, i) => ({
    publicKey: replicas.publicKeys[signer] as Uint8Array,
    bytes,
    signature: certificate.signatures[i] as Uint8Array,
  }))
}

/** The single votes in it, by name. */
export function votesOf(replicas: Replicas, { statement, signers, signatures }: Certificate): SignedStatement[] {
  return signers.map((signer, i) => ({
    ...statement,
    signer: replicas.ids[signer] as NodeId,
    signature: signatures[i] as Uint8Array,
  }))
}

export function writeCertificate(out: ByteWriter, { statement, signers, signatures }: Certificate): void {
  const bitmap = new Uint8Array(SIGNERS_MAX / 8)
  for (const signer of signers) bitmap[signer >> 3] = (bitmap[signer >> 3] as number) | (1 << (signer & 7))
  out.u8(VERSION).raw(encodeStatement(statement)).raw(bitmap)
  for (const signature of signatures) out.raw(signature)
}

/** Throws `ProtocolViolation`. */
export function readCertificate(reader: ByteReader): Certificate {
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a certificate of an unknown version')
  const statement = decodeStatement(reader)
  const bitmap = reader.raw(SIGNERS_MAX / 8)
  const signers: number[] = []
  for (let signer = 0; signer < SIGNERS_MAX; signer++) {
    if (((bitmap[signer >> 3] as number) & (1 << (signer & 7))) !== 0) signers.push(signer)
  }
  return { statement, signers, signatures: signers.map(() => reader.raw(SIGNATURE_BYTES)) }
}

export function encodeCertificate(certificate: Certificate): Uint8Array {
  const out = new ByteWriter(128 + certificate.signatures.length * SIGNATURE_BYTES)
  writeCertificate(out, certificate)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one certificate. */
export function decodeCertificate(bytes: Uint8Array): Certificate {
  const reader = new ByteReader(bytes)
  const certificate = readCertificate(reader)
  reader.end()
  return certificate
}
