/**
 * What an append comes to: runs of journal records, cut into frames, and changes of the base between
 * them. A change of the base is a file of its own, so everything before it is written first.
 */
import { assert } from '../base/assert.js'
import type { StoreRecord } from '../consensus/core.js'
import type { LogBase } from '../consensus/snapshot.js'
import { FRAME_BYTES_MAX, frameBytes } from './frame.js'
import { type JournalRecord, recordBytes } from './records.js'

/** A frame is cut at about this size; a longer append becomes several frames, synced one after the other. */
const FRAME_TARGET_BYTES = 8 * 1024 * 1024
/** Room for the repeated hard state at the start of a segment. */
export const HARD_STATE_RECORD_BYTES_MAX = 96

export type AppendStep =
  | { readonly kind: 'records'; readonly records: readonly JournalRecord[] }
  | { readonly kind: 'base'; readonly base: LogBase }

export function planAppend(records: readonly StoreRecord[]): AppendStep[] {
  const steps: AppendStep[] = []
  let run: JournalRecord[] = []
  for (const record of records) {
    if (record.kind === 'entries') for (const entry of record.entries) run.push({ kind: 'entry', entry })
    else if (record.kind !== 'base') run.push(record)
    else {
      steps.push({ kind: 'records', records: run }, { kind: 'base', base: record.base })
      run = []
    }
  }
  steps.push({ kind: 'records', records: run })
  return steps
}

/** Cuts a long run into frames. A crash between two of them leaves a prefix, as between two appends. */
export function splitFrames(records: readonly JournalRecord[]): JournalRecord[][] {
  const frames: JournalRecord[][] = []
  let frame: JournalRecord[] = []
  let bytes = 0
  for (const record of records) {
    const length = recordBytes(record)
    assert(frameBytes(length + HARD_STATE_RECORD_BYTES_MAX) <= FRAME_BYTES_MAX, 'a record fits into a frame')
    if (frame.length > 0 && bytes + length > FRAME_TARGET_BYTES) {
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

/** The chain value of `index` if it was appended earlier in the same run. */
export function chainInRun(records: readonly JournalRecord[], before: number, index: number): Uint8Array | undefined {
  for (let i = before - 1; i >= 0; i--) {
    const record = records[i] as JournalRecord
    if (record.kind === 'entry' && record.entry.index === index) return record.entry.chain
    if (record.kind === 'truncate' && record.from <= index) return undefined
  }
  return undefined
}
