/** Decided entries inside messages and records of the Byzantine protocols; headers and bodies are never re-encoded. */
import type { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry } from '../entry.js'
import { readCertificate, writeCertificate } from './certificate.js'
import { EPOCH_STEPS_MAX, type EpochStep } from './epoch.js'

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
