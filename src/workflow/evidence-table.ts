/**
 * Evidence that was ordered: replicated state, once per piece, so that every member knows the same
 * culprits and a copy survives whoever found it. What it proves is in `consensus/bft/evidence.ts`.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { decodeEvidence, evidenceId } from '../consensus/bft/evidence.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import { forEachRequest } from '../consensus/request-body.js'
import { binaryString, EVIDENCE_SPACE, type StatePort } from './state-keys.js'

const RECORD_VERSION = 1

export interface OrderedEvidence {
  /** Of the entry that brought it. */
  readonly index: number
  /** As `encodeEvidence` makes it. */
  readonly evidence: Uint8Array
}

/** Takes the evidence of an entry of kind `evidence` into the state. Verified before it was ordered. */
export function recordEvidence(state: StatePort, sha256: Sha256, { index, body }: Entry): void {
  forEachRequest(body, (start, end) => {
    const evidence = body.slice(start, end)
    const key = evidenceKey(evidenceId(sha256, decodeEvidence(evidence)))
    if (state.get(key) !== undefined) return
    state.put(key, new ByteWriter(16 + evidence.length).u8(RECORD_VERSION).u64(index).bytes(evidence).finish())
  })
}

/** Key of a piece that was ordered; `id` has 32 bytes. */
export function evidenceKey(id: Uint8Array): string {
  return EVIDENCE_SPACE + binaryString(id)
}

/** Throws `Corrupt`. */
export function decodeOrderedEvidence(value: Uint8Array): OrderedEvidence {
  const reader = new ByteReader(value)
  if (reader.u8() !== RECORD_VERSION) throw new KnhkError('Corrupt', 'an evidence record is malformed')
  const index = reader.u64()
  const evidence = reader.bytes()
  reader.end()
  return { index, evidence }
}
