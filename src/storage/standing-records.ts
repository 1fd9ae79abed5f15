/**
 * The records that stand until a newer one replaces them: the hard state, the safety record, the abort
 * histories. The first frame of every segment repeats them, so that older segments can be dropped; what
 * they may take together is a reserve in every frame.
 */
import type { AbortRecord, HardState } from '../consensus/core.js'
import type { Epoch, Term } from '../consensus/types.js'
import { type JournalRecord, RECORD_HEADER_BYTES } from './records.js'

/** An epoch that was left, and the one before it, of which stragglers may still ask. */
const ABORT_EPOCHS_MAX = 2
export const SAFETY_BYTES_MAX = 8 * 1024 * 1024
export const ABORT_BYTES_MAX = 8 * 1024 * 1024
/** Two numbers, a flag and a name of at most 64 bytes with its length. */
const HARD_STATE_BYTES_MAX = 4 + 8 + 1 + 4 + 64

/** What the repetition at the start of a segment takes at most. */
export const STANDING_BYTES_MAX =
  RECORD_HEADER_BYTES +
  HARD_STATE_BYTES_MAX +
  (RECORD_HEADER_BYTES + SAFETY_BYTES_MAX) +
  ABORT_EPOCHS_MAX * (RECORD_HEADER_BYTES + 4 + ABORT_BYTES_MAX)

export const NO_HARD_STATE: HardState = { epoch: 0 as Epoch, term: 0 as Term, votedFor: null }

export class StandingRecords {
  hardState: HardState = NO_HARD_STATE
  safety: Uint8Array | null = null
  #aborts: readonly AbortRecord[] = []

  /** The newest payload of each of the newest epochs, epochs ascending. */
  get aborts(): readonly AbortRecord[] {
    return this.#aborts
  }

  /** Takes what stands from here on; byte fields must stay as they are. */
  note(record: JournalRecord): void {
    if (record.kind === 'hardState') this.hardState = record.hardState
    else if (record.kind === 'safety') this.safety = record.safety
    else if (record.kind === 'abort') {
      const others = this.#aborts.filter(({ epoch }) => epoch !== record.epoch)
      this.#aborts = [...others, record].sort((a, b) => a.epoch - b.epoch).slice(-ABORT_EPOCHS_MAX)
    }
  }

  /** What the first frame of a segment begins with. */
  records(): JournalRecord[] {
    const { hardState, safety } = this
    const first: JournalRecord[] = [{ kind: 'hardState', hardState }]
    if (safety !== null) first.push({ kind: 'safety', safety })
    return [...first, ...this.#aborts]
  }
}
