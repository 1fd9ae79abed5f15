/**
 * Looks for the highest hard state in all frames that can still be read, sound order or not. An entry
 * tells of its term too: no node has taken it in before it had entered that.
 */
import { readU32, readU64 } from '../base/bytes.js'
import type { HardState } from '../consensus/core.js'
import { ENTRY_HEADER_BYTES } from '../consensus/entry.js'
import { comparePositions, type Epoch, type LogIndex, type Term } from '../consensus/types.js'
import { decodeHardState, forEachRecord, recordKindName } from './records.js'
import type { FrameView, FrameVisitor } from './scan-types.js'

export class HardStateCollector implements FrameVisitor {
  readonly nextIndex = 0
  highest: HardState

  constructor(start: HardState) {
    this.highest = start
  }

  onIdentity(): void {
    // The opening scan checked it.
  }

  onGap(): void {
    // Gaps do not matter here: the highest of what is left is what counts.
  }

  onResumption(): void {
    // Nor does where the journal goes on.
  }

  visit(frame: FrameView): void {
    const { bytes, payloadStart, payloadEnd, header } = frame
    forEachRecord(bytes, payloadStart, payloadEnd, header.recordCount, (kind, start, end) => {
      const name = recordKindName(kind)
      if (name === 'hardState') this.note(decodeHardState(bytes.subarray(start, end)))
      else if (name === 'entry' && isEntry(bytes, start, end)) this.note(entered(bytes, start))
    })
  }

  note(found: HardState): void {
    if (isHigher(found, this.highest)) this.highest = found
  }
}

function isEntry(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= ENTRY_HEADER_BYTES && readU32(bytes, start + 12) <= 0x1f_ffff
}

function entered(bytes: Buffer, start: number): HardState {
  const [epoch, term] = [readU32(bytes, start + 4) as Epoch, readU64(bytes, start + 8) as Term]
  return { epoch, term, votedFor: null }
}

/** In the same term, a vote that was cast outweighs none. */
function isHigher(a: HardState, b: HardState): boolean {
  const index = 0 as LogIndex
  const order = comparePositions({ ...a, index }, { ...b, index })
  return order > 0 || (order === 0 && a.votedFor !== null && b.votedFor === null)
}
