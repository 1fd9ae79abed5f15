/** Shows that the in-memory log answers like a plain array of entries while it truncates and evicts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../src/consensus/entry.js'
import { DEFAULT_RAFT_LIMITS } from '../../src/consensus/raft/index.js'
import { entryBytes, RaftLog } from '../../src/consensus/raft/log.js'
import { epoch, logIndex, term } from '../../src/consensus/types.js'
import { Disk } from './disk.js'
import { entriesOf } from './engine.js'

function logOf(terms: readonly number[], tailEntriesMax: number): RaftLog {
  const disk = new Disk()
  disk.entries = entriesOf(terms)
  return new RaftLog(disk.restored(Number.POSITIVE_INFINITY), { ...DEFAULT_RAFT_LIMITS, tailEntriesMax })
}

const at = (value: number) => ({ epoch: epoch(0), term: term(value) })

describe('the log in memory', () => {
  it('agrees with an array under any series of appends, truncations and evictions', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), step: fc.nat(2), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('truncate' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant('evict' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const log = logOf([], 4)
        let model: Entry[] = []
        let evicted = 0
        let salt = 0
        for (const op of operations) {
          if (op.kind === 'append') {
            const first = model.length
            const last = (model.at(-1)?.term ?? 1) + op.step
            const terms = [...model.map((entry) => entry.term as number), ...Array<number>(op.count).fill(last)]
            const made = entriesOf(terms, ++salt).slice(first)
            for (const entry of made) log.append(entry)
            model = [...model, ...made]
          } else if (op.kind === 'truncate' && model.length > evicted) {
            const from = evicted + 1 + Math.floor(op.share * (model.length - evicted - 1))
            log.truncate(logIndex(from))
            model = model.slice(0, from - 1)
          } else if (op.kind === 'evict' && model.length > 0) {
            const upTo = Math.floor(op.share * model.length)
            log.evict(logIndex(upTo))
            evicted = Math.max(evicted, log.tailFirst - 1)
            expect(log.tailFirst).toBeLessThanOrEqual(Math.max(upTo + 1, evicted + 1))
          }
          expect(log.lastIndex).toBe(model.length)
          const memory = model.slice(log.tailFirst - 1)
          expect(log.tailBytes).toBe(memory.reduce((sum, entry) => sum + entryBytes(entry), 0))
          for (let index = 0; index <= model.length + 1; index++) {
            const entry = model[index - 1]
            expect(log.entry(logIndex(index))).toBe(index >= log.tailFirst ? entry : undefined)
            expect(log.termAt(logIndex(index))?.term).toBe(index === 0 ? 0 : entry?.term)
          }
        }
      }),
      { numRuns: 200 },
    )
  })

  it('keeps the last entry, and what is not executed, whatever the limits say', () => {
    const log = logOf([1, 1, 1, 1, 1, 1], 2)
    log.evict(logIndex(3))
    expect(log.tailFirst).toBe(4)
    log.evict(logIndex(6))
    expect(log.tailFirst).toBe(5)
    const one = logOf([1], 1)
    one.evict(logIndex(1))
    expect(one.entry(logIndex(1))).toBeDefined()
  })

  it('limits memory by bytes too', () => {
    const disk = new Disk()
    disk.entries = entriesOf(Array<number>(10).fill(1))
    const log = new RaftLog(disk.restored(10), {
      ...DEFAULT_RAFT_LIMITS,
      tailBytesMax: 3 * entryBytes(disk.entries[0] as Entry),
    })
    log.evict(logIndex(10))
    expect(log.tailFirst).toBe(8)
  })

  it('stays correct over many evictions, when the array is copied', () => {
    const disk = new Disk()
    disk.entries = entriesOf(Array<number>(5000).fill(1))
    const log = new RaftLog(disk.restored(5000), { ...DEFAULT_RAFT_LIMITS, tailEntriesMax: 10 })
    for (let upTo = 1; upTo <= 5000; upTo += 7) log.evict(logIndex(upTo))
    for (let index = log.tailFirst; index <= 5000; index++) expect(log.entry(logIndex(index))?.index).toBe(index)
  })

  it('skips whole terms on a conflict, never below the base', () => {
    const log = logOf([1, 1, 2, 2, 2, 5, 5], 100)
    expect(log.skipConflict(logIndex(7), at(5))).toBe(7)
    expect(log.skipConflict(logIndex(7), at(4))).toBe(5)
    expect(log.skipConflict(logIndex(4), at(1))).toBe(2)
    expect(log.skipConflict(logIndex(7), at(0))).toBe(0)
    expect(log.skipConflict(logIndex(99), at(9))).toBe(7)
  })

  it('cuts slices by bytes and by entries, at least one', () => {
    const log = logOf([1, 1, 1, 1], 100)
    const bytes = entryBytes(log.entry(logIndex(1)) as Entry)
    expect(log.slice(logIndex(2), 1, 10).map((entry) => entry.index)).toEqual([2])
    expect(log.slice(logIndex(2), 2 * bytes, 10).map((entry) => entry.index)).toEqual([2, 3])
    expect(log.slice(logIndex(1), 1e9, 3).map((entry) => entry.index)).toEqual([1, 2, 3])
  })
})
