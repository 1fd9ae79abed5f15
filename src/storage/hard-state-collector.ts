/** Looks for the highest hard state in all frames that can still be read, sound order or not. */

import type { HardState } from '../consensus/core.js'
import { comparePositions, type LogIndex } from '../consensus/types.js'
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
      if (recordKindName(kind) !== 'hardState') return
      const found = decodeHardState(bytes.subarray(start, end))
      if (isHigher(found, this.highest)) this.highest = found
    })
  }
}

/** In the same term, a vote that was cast outweighs none. */
function isHigher(a: HardState, b: HardState): boolean {
  const index = 0 as LogIndex
  const order = comparePositions({ ...a, index }, { ...b, index })
  return order > 0 || (order === 0 && a.votedFor !== null && b.votedFor === null)
}
