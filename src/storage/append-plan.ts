/**
 * What an append comes to: runs of journal records, cut into frames, and changes of the base between
 * them. A change of the base is a file of its own, so everything before it is written first.
 */
import { assert } from '../base/assert.js'
import type { PendingRecord, StoreRecord } from '../consensus/core.js'
import type { LogBase } from '../consensus/snapshot.js'
import { FRAME_BYTES_MAX, frameBytes } from './frame.js'
import { type JournalRecord, recordBytes } from './records.js'
import { ABORT_BYTES_MAX, SAFETY_BYTES_MAX, STANDING_BYTES_MAX } from './standing-records.js'

/** A frame is cut at about this size; a longer append becomes several frames, synced one after the other. */
const FRAME_TARGET_BYTES = 8 * 1024 * 1024

export type AppendStep =
  | { readonly kind: 'records'; readonly records: readonly JournalRecord[] }
  /** `live`: what the same append wrote before, because it is to be there behind the new base too. */
  | { readonly kind: 'base'; readonly base: LogBase; readonly live: readonly PendingRecord[] }

export function planAppend(records: readonly StoreRecord[]): AppendStep[] {
  const steps: AppendStep[] = []
  const live: PendingRecord[] = []
  let run: JournalRecord[] = []
  for (const record of records) {
    if (record.kind === 'entries') {
      for (const entry of record.entries) {
        run.push({ kind: 'entry', entry })
        const { index, certificate } = entry
        if (certificate !== null) run.push({ kind: 'certificate', index, certificate })
      }
    } else if (record.kind === 'base') {
      steps.push({ kind: 'records', records: run }, { kind: 'base', base: record.base, live: [...live] })
      run = []
    } else {
      run.push(record)
      if (record.kind === 'slot' || record.kind === 'block') live.push(record)
    }
  }
  steps.push({ kind: 'records', records: run })
  return steps
}

/**
 * Cuts a long run into frames, never between an entry and its certificate. A crash between two of them
 * leaves a prefix, as between two appends.
 */
export function splitFrames(records: readonly JournalRecord[]): JournalRecord[][] {
  const frames: JournalRecord[][] = []
  let frame: JournalRecord[] = []
  let bytes = 0
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as JournalRecord
    const length = recordBytes(record)
    const whole = length + certificateBytes(records[i + 1])
    assert(frameBytes(whole + STANDING_BYTES_MAX) <= FRAME_BYTES_MAX, 'a record fits into a frame')
    assert(record.kind !== 'safety' || record.safety.length <= SAFETY_BYTES_MAX, 'a safety record is small')
    assert(record.kind !== 'abort' || record.payload.length <= ABORT_BYTES_MAX, 'an abort record is not large')
    if (frame.length > 0 && bytes + whole > FRAME_TARGET_BYTES && record.kind !== 'certificate') {
      frames.push(frame)
      frame = []
      bytes = 0
    }
    frame.push(record)
    bytes += length
  }
  if (frame.length > 0) frames.push(frame)
  return frames
}

/** What an entry's certificate, if this is one, adds to it. */
export function certificateBytes(next: JournalRecord | undefined): number {
  return next?.kind === 'certificate' ? recordBytes(next) : 0
}

/** The chain value of `index` if it was appended earlier in the same run. */
export function chainInRun(records: readonly JournalRecord[], before: number, index: number): Uint8Array | undefined {
  for (let i = before - 1; i >= 0; i--) {
    const record = records[i] as JournalRecord
    if (record.kind === 'entry' && record.entry.index === index) return record.entry.chain
    if (record.kind === 'truncate' && record.from <= index) return undefined
  }
  return undefined
}
