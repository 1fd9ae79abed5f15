/**
 * The disk under a core in a story: what was completed is on it, what was not is gone at a crash. This
 * one keeps plain values; `journal-disk.ts` has the production journal behind the same interface, for
 * the stories in which the bytes matter.
 */
import { assert } from '../../base/assert.js'
import { KnhkError } from '../../base/error.js'
import type { HardState, RestoredLog, StoreRecord } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import { decodeMembership } from '../../consensus/membership.js'
import type { LogBase, SnapshotOffer } from '../../consensus/snapshot.js'
import { epoch, type LogIndex, logIndex, term } from '../../consensus/types.js'
import { GENESIS_BASE, termRunsOf } from './entries.js'

export const NO_HARD_STATE: HardState = { epoch: epoch(0), term: term(0), votedFor: null }

/** How a story can hurt a disk. */
export type Damage =
  /** One bit of an entry's header or body turns. */
  | { readonly kind: 'header' | 'body'; readonly index: number }
  /** Somebody removed everything. */
  | { readonly kind: 'wipe' }

export interface ScenarioDisk {
  /** Resolves when the records are durable. */
  write(records: readonly StoreRecord[]): Promise<void>
  /** Half of the records' bytes reach the disk, then the power fails. */
  tear(records: readonly StoreRecord[]): Promise<void>
  /** What a start finds. Throws what the log throws where it refuses. */
  open(facts: StartFacts): Promise<RestoredLog>
  /** The process ends. */
  close(): void
  read(from: LogIndex, limit: number): Promise<readonly Entry[]>
  damage(damage: Damage): Promise<void>
  markRepaired(): Promise<void>
}

/** What a node keeps beside its log. */
export interface StartFacts {
  /** Applied, and the state on disk says so; 0 where it was lost. */
  readonly appliedIndex: number
  readonly snapshot: SnapshotOffer | null
}

/** A log with its hard state as plain values; also what a core has said but not yet stored. */
export class PlainLog {
  hardState: HardState = NO_HARD_STATE
  base: LogBase = GENESIS_BASE
  entries: Entry[] = []

  get lastIndex(): number {
    return this.base.index + this.entries.length
  }

  entry(index: number): Entry | undefined {
    return this.entries[index - this.base.index - 1]
  }

  write(records: readonly StoreRecord[]): void {
    for (const record of records) {
      if (record.kind === 'hardState') this.hardState = record.hardState
      else if (record.kind === 'truncate') this.entries.length = Math.max(0, record.from - this.base.index - 1)
      else if (record.kind === 'base') this.#begin(record.base)
      else if (record.kind === 'entries') for (const entry of record.entries) this.#append(entry)
    }
  }

  copy(): PlainLog {
    const copy = new PlainLog()
    copy.hardState = this.hardState
    copy.base = this.base
    copy.entries = [...this.entries]
    return copy
  }

  #append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'a log on disk has no gaps')
    this.entries.push(entry)
  }

  #begin(base: LogBase): void {
    const held = this.entry(base.index)
    const isHeld = held?.chain.every((byte, i) => byte === base.chain[i]) === true
    this.entries = isHeld ? this.entries.slice(base.index - this.base.index) : []
    this.base = base
  }
}

export class MemoryDisk implements ScenarioDisk {
  readonly log: PlainLog

  constructor(log: PlainLog) {
    this.log = log
  }

  async write(records: readonly StoreRecord[]): Promise<void> {
    this.log.write(records)
  }

  /** A frame is taken as a whole or not at all. */
  async tear(): Promise<void> {}

  async open({ appliedIndex, snapshot }: StartFacts): Promise<RestoredLog> {
    const { hardState, base, entries, lastIndex } = this.log
    return {
      hardState,
      base,
      lastIndex: logIndex(lastIndex),
      termRuns: termRunsOf(entries),
      memberships: entries
        .filter(({ kind }) => kind === 'membership')
        .map(({ index, body }) => ({ index, membership: decodeMembership(body) })),
      snapshot,
      tail: [...entries],
      commitIndex: logIndex(Math.min(appliedIndex, lastIndex)),
      mayVote: true,
      safety: null,
      pending: [],
      aborts: [],
    }
  }

  close(): void {}

  async read(from: LogIndex, limit: number): Promise<readonly Entry[]> {
    const at = from - this.log.base.index - 1
    return at < 0 ? [] : this.log.entries.slice(at, at + limit)
  }

  async damage(): Promise<void> {
    throw new KnhkError('InvalidArgument', 'damage needs `storage: journal`')
  }

  async markRepaired(): Promise<void> {}
}
