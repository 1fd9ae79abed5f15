/**
 * INIT, the first entry of every epoch (sequence 0): what the epoch is and what it rests on. Genesis
 * rests on nothing, an epoch after a change of members on the certified checkpoint at its origin, an
 * epoch after a protocol switch on the hand-over that its designer's `ValidateInit` judges.
 */
import { ByteReader, ByteWriter, bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { EntryKind } from '../entry.js'
import { decodeMembership, encodeMembership, type Membership } from '../membership.js'
import { encodeBody } from '../request-body.js'
import type { Epoch, Mode } from '../types.js'
import { type Certificate, readCertificate, writeCertificate } from './certificate.js'
import type { SignatureCheck } from './checks.js'

export type InitBasis =
  | { readonly kind: 'genesis' }
  /** Certificate of the checkpoint at the epoch's origin, signed by the replicas of the epoch before. */
  | { readonly kind: 'checkpoint'; readonly certificate: Certificate }
  /** What another protocol handed over, in its own encoding. */
  | { readonly kind: 'handOver'; readonly proof: Uint8Array }

export interface InitRecord {
  readonly epoch: Epoch
  readonly protocol: Mode
  readonly membership: Membership
  readonly basis: InitBasis
}

/** Judges a hand-over without state: what must be verified, or null where it is unsound. */
export type ValidateInit = (record: InitRecord, proof: Uint8Array) => readonly SignatureCheck[] | null

/** What another protocol left behind, for the first epoch of this core. */
export interface HandOver {
  /** What this replica would propose; null where it lacks what a proof needs. */
  readonly proof: Uint8Array | null
  readonly validate: ValidateInit
}

/** Also tells INIT apart from the other records in entries of kind `mode`. */
const VERSION = 1
const PROTOCOLS: readonly Mode[] = ['raft', 'pbft', 'hotstuff']
const BASES: readonly InitBasis['kind'][] = ['genesis', 'checkpoint', 'handOver']

/** The body of an INIT entry. */
export function encodeInit({ epoch, protocol, membership, basis }: InitRecord): Uint8Array {
  const out = new ByteWriter(512).u8(VERSION).u32(epoch).u8(PROTOCOLS.indexOf(protocol))
  out.bytes(encodeMembership(membership)).u8(BASES.indexOf(basis.kind))
  if (basis.kind === 'checkpoint') writeCertificate(out, basis.certificate)
  else if (basis.kind === 'handOver') out.bytes(basis.proof)
  return encodeBody([out.finish()])
}

/** Throws `ProtocolViolation` unless `body` is exactly one init record. */
export function decodeInit(body: Uint8Array): InitRecord {
  const reader = new ByteReader(body)
  if (reader.u32() !== 1 || reader.u32() !== reader.remaining)
    throw new KnhkError('ProtocolViolation', 'an INIT entry holds one record')
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'an INIT record of an unknown version')
  const epoch = reader.u32() as Epoch
  const protocol = PROTOCOLS[reader.u8()]
  const membership = decodeMembership(reader.bytes())
  const kind = BASES[reader.u8()]
  if (protocol === undefined || kind === undefined)
    throw new KnhkError('ProtocolViolation', 'an INIT record of an unknown protocol or basis')
  const basis: InitBasis =
    kind === 'genesis'
      ? { kind }
      : kind === 'checkpoint'
        ? { kind, certificate: readCertificate(reader) }
        : { kind, proof: reader.bytes() }
  reader.end()
  return { epoch, protocol, membership, basis }
}

/** True for the entry that begins a Byzantine epoch, by its first byte. */
export function isInit({ kind, body }: { readonly kind: EntryKind; readonly body: Uint8Array }): boolean {
  return kind === 'mode' && body[8] === VERSION
}

/** What is wrong with an INIT record for this epoch, apart from what its basis says; null when nothing is. */
export function initProblem(expected: Omit<InitRecord, 'basis'>, record: InitRecord): string | null {
  if (record.epoch !== expected.epoch) return 'INIT names another epoch'
  if (record.protocol !== expected.protocol) return 'INIT names another protocol'
  const isSame = bytesEqual(encodeMembership(record.membership), encodeMembership(expected.membership))
  return isSame ? null : 'INIT names other members'
}
