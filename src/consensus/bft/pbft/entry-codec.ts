/** Decided entries and snapshot offers inside PBFT's messages; headers and bodies are never re-encoded. */
import type { ByteReader, ByteWriter } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry } from '../../entry.js'
import { decodeMembership, encodeMembership } from '../../membership.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { Epoch, LogIndex, Term } from '../../types.js'
import { readCertificate, writeCertificate } from '../certificate.js'
import { EPOCH_STEPS_MAX, type EpochStep } from './messages.js'

export function writeEntry(out: ByteWriter, { header, body, certificate }: Entry): void {
  out
    .raw(header)
    .bytes(body)
    .bytes(certificate ?? new Uint8Array(0))
}

/** Throws `ProtocolViolation`: an entry of a Byzantine epoch has a certificate. */
export function readEntry(reader: ByteReader): Entry {
  const header = reader.raw(ENTRY_HEADER_BYTES)
  const body = reader.bytes()
  const certificate = reader.bytes()
  if (certificate.length === 0) throw new KnhkError('ProtocolViolation', 'a decided entry without a certificate')
  return decodeEntry(header, body, certificate)
}

export function writeSteps(out: ByteWriter, steps: readonly EpochStep[]): void {
  out.u32(steps.length)
  for (const { entry, checkpoint } of steps) {
    writeEntry(out, entry)
    writeCertificate(out, checkpoint)
  }
}

/** Throws `ProtocolViolation`. */
export function readSteps(reader: ByteReader): EpochStep[] {
  const count = reader.u32()
  if (count > EPOCH_STEPS_MAX) throw new KnhkError('ProtocolViolation', `at most ${EPOCH_STEPS_MAX} steps of epochs`)
  return Array.from({ length: count }, () => ({ entry: readEntry(reader), checkpoint: readCertificate(reader) }))
}

export function writeOffer(out: ByteWriter, { base, id, bytes }: SnapshotOffer): void {
  out.u64(base.index).u32(base.epoch).u64(base.term).raw(base.chain).u64(base.timestampMs)
  out.u8(base.membership === null ? 0 : 1)
  if (base.membership !== null) out.u64(base.membership.index).bytes(encodeMembership(base.membership.membership))
  out.raw(id).u64(bytes)
}

/** Throws `ProtocolViolation`. */
export function readOffer(reader: ByteReader): SnapshotOffer {
  const place = { index: reader.u64() as LogIndex, epoch: reader.u32() as Epoch, term: reader.u64() as Term }
  const chain = reader.raw(32).slice()
  const timestampMs = reader.u64()
  const membership = reader.flag()
    ? { index: reader.u64() as LogIndex, membership: decodeMembership(reader.bytes()) }
    : null
  return {
    base: { ...place, chain, timestampMs, membership },
    id: reader.raw(32).slice(),
    bytes: reader.u64(),
  }
}
