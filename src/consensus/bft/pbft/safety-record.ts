/**
 * What a replica must know again before it signs anything, as bytes: the epoch it is in, its view and
 * whether that began, what it last said about views and checkpoints, and the newest stable checkpoint.
 * Votes on slots are in the slot records.
 */
import { ByteReader, ByteWriter } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { decodeMembership, encodeMembership, type MembershipRecord } from '../../membership.js'
import type { Epoch, LogIndex } from '../../types.js'
import { type Certificate, readCertificate, writeCertificate } from '../certificate.js'
import { readSteps, writeSteps } from '../entry-codec.js'
import type { EpochStep } from '../epoch.js'
import { EpochContext, type EpochPorts } from '../epoch.js'
import { decodeEvidence, type Evidence, encodeEvidence } from '../evidence.js'
import { readSigned, type SignedStatement, writeSigned } from '../statement.js'
import { decodePbft, encodePbft } from './codec.js'
import type { NewView, PbftMessage, ViewChange } from './messages.js'

export interface SafetyRecord {
  readonly context: EpochContext
  readonly previous: { readonly context: EpochContext; readonly checkpoint: Certificate } | null
  readonly view: number
  readonly active: boolean
  readonly newView: NewView | null
  readonly ownViewChange: ViewChange | null
  readonly stable: Certificate | null
  readonly snapshotCertificate: Certificate | null
  readonly ownCheckpoints: readonly SignedStatement[]
  /** Evidence that is not ordered yet. */
  readonly evidence: readonly Evidence[]
  /** True where this replica may have forgotten what it signed in this epoch: it signs nothing in it. */
  readonly silent: boolean
  /** How the cluster came to this epoch, as far as it is known. */
  readonly steps: readonly EpochStep[]
}

/** Of a replica that has signed nothing in its epoch, and knows nothing but where that began. */
export function freshRecord(context: EpochContext): SafetyRecord {
  const nothing = { previous: null, newView: null, ownViewChange: null, stable: null, snapshotCertificate: null }
  return { context, view: 0, active: true, silent: false, ownCheckpoints: [], steps: [], evidence: [], ...nothing }
}

const VERSION = 2

export function encodeSafety(record: SafetyRecord): Uint8Array {
  const out = new ByteWriter(1024).u8(VERSION)
  writeEpoch(out, record.context)
  optional(out, record.previous, ({ context, checkpoint }) => {
    writeEpoch(out, context)
    writeCertificate(out, checkpoint)
  })
  out.u64(record.view).u8(Number(record.active)).u8(Number(record.silent))
  optional(out, record.newView, (message) => out.bytes(encodePbft(message)))
  optional(out, record.ownViewChange, (message) => out.bytes(encodePbft(message)))
  optional(out, record.stable, (certificate) => writeCertificate(out, certificate))
  optional(out, record.snapshotCertificate, (certificate) => writeCertificate(out, certificate))
  out.u32(record.ownCheckpoints.length)
  for (const signed of record.ownCheckpoints) writeSigned(out, signed)
  out.u32(record.evidence.length)
  for (const evidence of record.evidence) out.bytes(encodeEvidence(evidence))
  writeSteps(out, record.steps)
  return out.finish()
}

/** Throws `ProtocolViolation` where the bytes are no safety record of PBFT. */
export function decodeSafety(ports: EpochPorts, bytes: Uint8Array): SafetyRecord {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a safety record of an unknown version')
  const context = readEpoch(reader, ports)
  const previous = readOptional(reader, () => ({
    context: readEpoch(reader, ports),
    checkpoint: readCertificate(reader),
  }))
  const view = reader.u64()
  const active = reader.flag()
  const silent = reader.flag()
  const newView = readOptional(reader, () => messageOf(reader, 'pbftNewView') as NewView)
  const ownViewChange = readOptional(reader, () => messageOf(reader, 'pbftViewChange') as ViewChange)
  const stable = readOptional(reader, () => readCertificate(reader))
  const snapshotCertificate = readOptional(reader, () => readCertificate(reader))
  const ownCheckpoints = Array.from({ length: reader.u32() }, () => readSigned(reader))
  const evidence = Array.from({ length: reader.u32() }, () => decodeEvidence(reader.bytes()))
  const steps = readSteps(reader)
  reader.end()
  return {
    context,
    previous,
    view,
    active,
    silent,
    newView,
    ownViewChange,
    stable,
    snapshotCertificate,
    ownCheckpoints,
    steps,
    evidence,
  }
}

function messageOf(reader: ByteReader, type: PbftMessage['type']): PbftMessage {
  const message = decodePbft(reader.bytes())
  if (message.type !== type) throw new KnhkError('ProtocolViolation', `a safety record holds a ${type}`)
  return message
}

function writeEpoch(out: ByteWriter, { epoch, origin, record }: EpochContext): void {
  out.u32(epoch).u64(origin.index).raw(origin.chain).u64(origin.timestampMs)
  out.u64(record.index).bytes(encodeMembership(record.membership))
}

function readEpoch(reader: ByteReader, ports: EpochPorts): EpochContext {
  const epoch = reader.u32() as Epoch
  const origin = { index: reader.u64() as LogIndex, chain: reader.raw(32), timestampMs: reader.u64() }
  const index = reader.u64() as LogIndex
  const record: MembershipRecord = { index, membership: decodeMembership(reader.bytes()) }
  return new EpochContext(ports, epoch, origin, record)
}

function optional<T>(out: ByteWriter, value: T | null, write: (value: T) => void): void {
  out.u8(value === null ? 0 : 1)
  if (value !== null) write(value)
}

function readOptional<T>(reader: ByteReader, read: () => T): T | null {
  return reader.flag() ? read() : null
}
