/** What tests of the core share: the fixed identity of their cluster, seeded randomness, and a disk. */
import { createHash } from 'node:crypto'
import type { HardState, RestoredLog, StoreRecord } from '../../src/consensus/core.js'
import { type Entry, GENESIS_CHAIN } from '../../src/consensus/entry.js'
import { epoch, logIndex, term } from '../../src/consensus/types.js'

export const sha256 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(data).digest())
export const CLUSTER_ID = new Uint8Array(16).fill(7)
export const CONFIG_HASH = new Uint8Array(32).fill(9)
export const SETTINGS = { electionTimeoutMinMs: 150, electionTimeoutMaxMs: 300, heartbeatIntervalMs: 50 }

/** mulberry32: 32 bits of state, good enough to shuffle faults. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const GENESIS: RestoredLog['base'] = { index: logIndex(0), term: term(0), epoch: epoch(0), chain: GENESIS_CHAIN }

/** What is on a node's disk. */
export class Disk {
  hardState: HardState = { epoch: epoch(0), term: term(0), votedFor: null }
  entries: Entry[] = []
  /** Applied and durable before a restart. */
  executed = 0

  write(records: readonly StoreRecord[]): void {
    for (const record of records) {
      if (record.kind === 'hardState') this.hardState = record.hardState
      else if (record.kind === 'truncate') this.entries.length = record.from - 1
      else {
        for (const entry of record.entries) {
          if (entry.index !== this.entries.length + 1) throw new Error(`gap on disk before ${entry.index}`)
          this.entries.push(entry)
        }
      }
    }
  }

  restored(tailMax: number, mayVote = true): RestoredLog {
    const runs: RestoredLog['termRuns'][number][] = []
    for (const entry of this.entries) {
      if (runs.at(-1)?.term !== entry.term) runs.push({ first: entry.index, epoch: entry.epoch, term: entry.term })
    }
    return {
      hardState: this.hardState,
      base: GENESIS,
      lastIndex: logIndex(this.entries.length),
      termRuns: runs,
      tail: this.entries.slice(-Math.max(1, tailMax)),
      commitIndex: logIndex(this.executed),
      mayVote,
    }
  }
}
