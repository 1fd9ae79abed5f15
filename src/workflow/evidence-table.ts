/**
 * Records of evidence that was ordered: replicated state, once per piece, so that every member knows the
 * same culprits and a copy survives whoever found it. What it proves is in `consensus/bft/evidence.ts`, who
 * is still held to it in `threats/table.ts`.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { binaryString, EVIDENCE_SPACE } from './state-keys.js'

const RECORD_VERSION = 1

export interface OrderedEvidence {
  /** Of the entry that brought it. */
  readonly index: number
  /** Of the entry that cleared it; 0 while it counts. */
  readonly clearedAt: number
  /** As `encodeEvidence` makes it. */
  readonly evidence: Uint8Array
}

/** Key of a piece that was ordered; `id` has 32 bytes. */
export function evidenceKey(id: Uint8Array): string {
  return EVIDENCE_SPACE + binaryString(id)
}

export function encodeOrderedEvidence({ index, clearedAt, evidence }: OrderedEvidence): Uint8Array {
  return new ByteWriter(24 + evidence.length).u8(RECORD_VERSION).u64(index).u64(clearedAt).bytes(evidence).finish()
}

/** Throws `Corrupt`. */
export function decodeOrderedEvidence(value: Uint8Array): OrderedEvidence {
  const reader = new ByteReader(value)
  if (reader.u8() !== RECORD_VERSION) throw new KnhkError('Corrupt', 'an evidence record is malformed')
  const index = reader.u64()
  const clearedAt = reader.u64()
  const evidence = reader.bytes()
  reader.end()
  return { index, clearedAt, evidence }
}
