/**
 * The disk of a replica in tests: the log of `Disk`, the newest safety record, and the slot or block
 * records. A `base` record drops every older segment, as the real log does: what was not written again
 * in the same write is gone.
 */
import type { AbortRecord, PendingRecord, RestoredLog, StoreRecord } from '../../../src/consensus/core.js'
import type { LogIndex } from '../../../src/consensus/types.js'
import { Disk } from '../disk.js'

export class ByzantineDisk extends Disk {
  safety: Uint8Array | null = null
  /** The log was damaged, and is not repaired yet. */
  damaged = false
  /** The applied state and all snapshots are gone. */
  stateLost = false
  pending: PendingRecord[] = []
  aborts: AbortRecord[] = []
  /** Ids of the snapshots that are there. */
  files: Uint8Array[] = []
  /** Digest of the applied state by index: the last known states, which a restart continues from. */
  readonly states = new Map<number, Uint8Array>()

  /** Everything ever written as safety, slot or block record, where a test asks to keep it. */
  written: Uint8Array[] | null = null

  override write(records: readonly StoreRecord[]): void {
    const fresh: PendingRecord[] = []
    let safety: Uint8Array | null = null
    for (const record of records) {
      if (record.kind === 'safety') this.written?.push(record.safety)
      if (record.kind === 'slot' || record.kind === 'block') this.written?.push(record.payload)
      if (record.kind === 'slot' || record.kind === 'block') fresh.push(record)
      else if (record.kind === 'safety') safety = record.safety
      else if (record.kind === 'live') {
        this.pending = [...this.pending, ...fresh.splice(0)].slice(-record.count)
      } else if (record.kind === 'abort')
        this.aborts = [...this.aborts.filter(({ epoch }) => epoch !== record.epoch), record].slice(-2)
      else if (record.kind === 'base') {
        this.pending = []
        this.safety = null
        super.write([record])
      } else super.write([record])
    }
    this.pending = [...this.pending, ...fresh].filter(({ index }) => index > this.lastIndex)
    this.safety = safety ?? this.safety
  }

  /** What stood is repeated behind a cut, and a crash takes nothing of it. */
  override writePart(records: readonly StoreRecord[]): void {
    const { safety } = this
    this.write(records)
    this.safety ??= safety
  }

  override restored(tailMax: number): RestoredLog {
    const restored = super.restored(tailMax, !this.damaged)
    return {
      ...restored,
      // Of a damaged log nothing is certain.
      commitIndex: this.damaged ? (0 as LogIndex) : restored.commitIndex,
      safety: this.safety,
      pending: [...this.pending],
      aborts: [...this.aborts],
      stateLost: this.stateLost,
      snapshotIds: [...this.files],
    }
  }
}
