/**
 * Looks for the records that stand in all frames that can still be read, sound order or not: the highest
 * hard state, the newest safety record, the aborts of the newest epochs. An entry tells of its term too:
 * no node has taken it in before it had entered that.
 */
import { readU32, readU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { HardState } from '../consensus/core.js'
import { ENTRY_HEADER_BYTES } from '../consensus/entry.js'
import { comparePositions, type Epoch, type LogIndex, type Term } from '../consensus/types.js'
import { decodeContent, forEachRecord, recordKindName } from './records.js'
import type { FrameView, FrameVisitor } from './scan-types.js'
import type { Place } from './segment-header.js'
import { StandingRecords } from './standing-records.js'

const NOWHERE: Place = { segment: 0, offset: 0 }

export class StandingCollector implements FrameVisitor {
  readonly nextIndex = 0
  readonly standing = new StandingRecords()
  /** Where the frames with the newest of each kind said that they lie: there is one write at a time, so later is newer. */
  #safetyAt = NOWHERE
  readonly #abortsAt = new Map<Epoch, Place>()

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
      if (name === 'entry') {
        if (isEntry(bytes, start, end)) this.enter(enteredAt(bytes, start))
      } else if (name === 'hardState' || name === 'safety' || name === 'abort') {
        // A copy: the window is used again.
        this.#record(name, new Uint8Array(bytes.subarray(start, end)), {
          segment: header.segment,
          offset: header.offset,
        })
      }
    })
  }

  /** This epoch and term were entered, whoever was voted for in it. */
  enter(found: HardState): void {
    if (isHigher(found, this.standing.hardState)) this.standing.hardState = found
  }

  #record(kind: 'hardState' | 'safety' | 'abort', content: Uint8Array, place: Place): void {
    const record = decodeOrNull(kind, content)
    if (record === null) return
    if (record.kind === 'hardState') this.enter(record.hardState)
    else if (record.kind === 'safety' && !isBefore(place, this.#safetyAt)) {
      this.#safetyAt = place
      this.standing.note(record)
    } else if (record.kind === 'abort' && !isBefore(place, this.#abortsAt.get(record.epoch) ?? NOWHERE)) {
      this.#abortsAt.set(record.epoch, place)
      this.standing.note(record)
    }
  }
}

/** A frame with a right checksum and content that makes no sense is no help, and no reason to give up. */
function decodeOrNull(
  kind: 'hardState' | 'safety' | 'abort',
  content: Uint8Array,
): ReturnType<typeof decodeContent> | null {
  try {
    return decodeContent(kind, content)
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
}

function isEntry(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= ENTRY_HEADER_BYTES && readU32(bytes, start + 12) <= 0x1f_ffff
}

function enteredAt(bytes: Buffer, start: number): HardState {
  const [epoch, term] = [readU32(bytes, start + 4) as Epoch, readU64(bytes, start + 8) as Term]
  return { epoch, term, votedFor: null }
}

/** In the same term, a vote that was cast outweighs none. */
function isHigher(a: HardState, b: HardState): boolean {
  const index = 0 as LogIndex
  const order = comparePositions({ ...a, index }, { ...b, index })
  return order > 0 || (order === 0 && a.votedFor !== null && b.votedFor === null)
}

function isBefore(a: Place, b: Place): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset)
}
