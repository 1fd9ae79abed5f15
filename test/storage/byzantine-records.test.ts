/**
 * Shows that the log keeps what Byzantine protocols must know again: certificates stay with their
 * entries, slots and blocks come back above the last entry, the newest safety record and aborts outlive
 * every segment, and a crash at any write of a compaction or a reset loses none of what is live.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import type { PendingRecord, RestoredLog, StoreRecord } from '../../src/consensus/core.js'
import type { Entry } from '../../src/consensus/entry.js'
import { logIndex } from '../../src/consensus/types.js'
import { verifyLog } from '../../src/storage/log-verify.js'
import type { MemoryFiles } from '../../src/storage/memory-files.js'
import { PENDING_RECORDS_MAX } from '../../src/storage/pending-records.js'
import type { SegmentedLog } from '../../src/storage/segmented-log.js'
import { seededRandom } from '../random.js'
import {
  baseAt,
  certified,
  contentOf,
  freshFiles,
  LOG,
  LOOK,
  makeBody,
  makeEntries,
  open,
  segmentPath,
  storeAbort,
  storeBase,
  storeEntries,
  storeSafety,
  storeSlot,
  storeVote,
} from './journal-fixture.js'

const SMALL = { segmentBytesMax: 1500 }
const certificates = (entries: readonly Entry[]): (number | null)[] =>
  entries.map(({ certificate }) => certificate?.[0] ?? null)
const told = (entries: readonly Entry[]): string[] =>
  entries.map(({ header, body, certificate }) =>
    [header, body, certificate].map((part) => (part === null ? 'none' : toHex(part))).join(' '),
  )
const pendingOf = ({ pending }: RestoredLog): [number, number][] =>
  pending.map(({ index, payload }) => [index, payload[0] as number])
const abortsOf = ({ aborts }: RestoredLog): [number, number][] =>
  aborts.map(({ epoch, payload }) => [epoch, payload[0] as number])
const segments = async (files: MemoryFiles): Promise<string[]> =>
  (await files.readdir(LOG)).filter((name) => name.endsWith('.seg'))

test('a certificate comes back with its entry, wherever entries are read, and counts in their size', async () => {
  const files = await freshFiles()
  const log = await open(files, SMALL)
  const plain = makeEntries(null, 6)
  const entries = [...plain.slice(0, 2), ...certified(plain.slice(2, 5)), { ...plain[5] } as Entry]
  await log.append([storeEntries(entries.slice(0, 4))])
  await log.append([storeSlot(6, 1), storeEntries(entries.slice(4))])
  const expected = [null, null, 3, 4, 5, null]
  expect(certificates(await log.read(logIndex(1), 1 << 20))).toEqual(expected)
  files.kill()
  const again = await open(files)
  expect(certificates(again.restored.tail)).toEqual(expected)
  expect(told(again.restored.tail)).toEqual(told(entries))
  expect(certificates(await again.read(logIndex(4), 1))).toEqual([4])
  const one = 176 + (plain[0] as Entry).body.length
  const withCertificate = one + 8 + 8 + 50
  for (const which of [log, again]) {
    expect(which.countBack(logIndex(5), 10, 2 * withCertificate)).toBe(2)
    expect(which.countBack(logIndex(5), 10, 2 * withCertificate - 1)).toBe(1)
    expect(which.countBack(logIndex(2), 10, 2 * one)).toBe(2)
  }
  expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, entries: 6, certificates: 3 })
  await again.append([{ kind: 'truncate', from: logIndex(4) }])
  expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, entries: 3, certificates: 1 })
})

test('an entry and its certificate are one: no cut of a long append and no torn write parts them', async () => {
  const MIB = 1024 * 1024
  for (let seed = 1; seed <= 6; seed++) {
    let armed = false
    const files = await freshFiles({
      random: seededRandom(seed),
      fault: (operation) => (operation === 'datasync' && armed ? { kind: 'error', code: 'EIO' } : undefined),
    })
    const log = await open(files)
    const body = (index: number): Uint8Array => makeBody(index, 1, 5 * MIB)
    const entries = certified(makeEntries(null, 3, 1, body), 4 * MIB)
    await log.append([storeEntries(entries.slice(0, 2))])
    armed = true
    await expect(log.append([storeEntries(entries.slice(2))])).rejects.toMatchObject({ code: 'StorageFailed' })
    armed = false
    files.crash()
    const again = await open(files)
    expect([seed, again.report.problems]).toEqual([seed, []])
    const found = await again.read(logIndex(again.lastIndex), 1)
    expect([seed, certificates(found)]).toEqual([seed, [again.lastIndex]])
    expect(again.lastIndex).toBeGreaterThanOrEqual(2)
  }
})

test('slots and blocks come back above the last entry, in write order, the same bytes once', async () => {
  const files = await freshFiles()
  const log = await open(files, SMALL)
  const entries = makeEntries(null, 6)
  await log.append([storeSlot(1, 1), storeSlot(3, 3), storeSlot(2, 2, 40, 'block'), storeSlot(3, 4)])
  await log.append([storeEntries(entries.slice(0, 1)), storeSlot(1, 9), storeSlot(5, 5)])
  files.crash()
  const again = await open(files, SMALL)
  expect(pendingOf(again.restored)).toEqual([
    [3, 3],
    [2, 2],
    [3, 4],
    [5, 5],
  ])
  expect(again.restored.pending[1]).toEqual(storeSlot(2, 2, 40, 'block'))
  await again.append([storeSlot(3, 3), storeEntries(entries.slice(1, 2))])
  const third = await open(files)
  expect(pendingOf(third.restored)).toEqual([
    [3, 4],
    [5, 5],
    [3, 3],
  ])
  await third.append([storeEntries(entries.slice(2))])
  await third.close()
  expect((await open(files)).restored.pending).toEqual([])
})

test('of slots and blocks only those count that a live record names, wherever a crash cuts the append', async () => {
  const files = await freshFiles()
  const log = await open(files, SMALL)
  await log.append([storeSlot(1, 1), storeSlot(2, 2), storeSlot(1, 3)])
  await log.append([storeSlot(2, 2), storeSlot(3, 4), { kind: 'live', count: 2 }, storeSlot(1, 5)])
  const left = [
    [2, 2],
    [3, 4],
    [1, 5],
  ]
  files.crash()
  const again = await open(files, SMALL)
  expect(pendingOf(again.restored)).toEqual(left)
  await again.append([{ kind: 'live', count: 0 }])
  await again.close()
  expect((await open(files)).restored.pending).toEqual([])
})

test('a log takes any number of slots that are renewed now and then', async () => {
  const log = await open(await freshFiles())
  const many = Array.from({ length: 20_000 }, (_, at) => storeSlot(1 + (at % 50), at % 251, 20 + (at % 13)))
  for (let round = 0; round < 5; round++) await log.append([...many, storeSlot(1, round), { kind: 'live', count: 1 }])
  await log.close()
})

test('the newest safety record and aborts are in every segment, however many are dropped', async () => {
  const files = await freshFiles()
  let log = await open(files, SMALL)
  expect(log.restored).toMatchObject({ safety: null, aborts: [], pending: [] })
  await log.append([storeVote(4, 'n2'), storeAbort(1, 1), storeAbort(2, 2), storeSafety(1), storeAbort(2, 3)])
  await log.append([storeAbort(3, 4), storeSafety(2)])
  const entries = certified(makeEntries(null, 30))
  for (const entry of entries) await log.append([storeEntries([entry])])
  await log.append([storeBase(baseAt(entries[27] as Entry))])
  expect(await files.stat(segmentPath(1))).toBeNull()
  for (let i = 0; i < 3; i++) {
    log = await open(files, SMALL)
    const { restored } = log
    expect(restored).toMatchObject({ hardState: { term: 4, votedFor: 'n2' }, safety: new Uint8Array(60).fill(2) })
    // Of the two newest epochs, the newest of each.
    expect(abortsOf(restored)).toEqual([
      [2, 3],
      [3, 4],
    ])
    await log.append([{ kind: 'base', base: baseAt(makeEntries(null, 40 + i)[39 + i] as Entry) }])
    await log.close()
    expect(await segments(files)).toHaveLength(1)
  }
})

test('a clean stop in a segment without frames leaves what stands in it', async () => {
  let appends = 0
  const files = await freshFiles({
    // The header of the second segment gets there, its first frame does not.
    fault: (operation, path) =>
      operation === 'append' && path === segmentPath(2) && ++appends === 2 ? { kind: 'error', code: 'EIO' } : undefined,
  })
  const log = await open(files, SMALL)
  const entries = makeEntries(null, 4)
  await log.append([storeVote(7, 'n3'), storeSafety(5)])
  await expect(log.append([storeBase(baseAt(entries[3] as Entry))])).rejects.toMatchObject({ code: 'StorageFailed' })
  files.kill()
  await (await open(files, SMALL)).close()
  const again = await open(files)
  await again.append([storeEntries(entries), storeBase(baseAt(entries[1] as Entry))])
  expect(await segments(files)).toEqual(['0000000000000002.seg'])
  expect((await open(files)).restored).toMatchObject({
    hardState: { term: 7, votedFor: 'n3' },
    safety: new Uint8Array(60).fill(5),
  })
})

test('a compaction keeps what the same append wrote again, though it went over several segments', async () => {
  const files = await freshFiles()
  const log = await open(files, SMALL)
  const entries = makeEntries(null, 12)
  for (const entry of entries) await log.append([storeEntries([entry])])
  const live = Array.from({ length: 40 }, (_, i) => storeSlot(13 + i, i, 300_000))
  // More than one frame, so more than one segment of this size.
  await log.append([...live, storeSafety(3), storeBase(baseAt(entries[11] as Entry))])
  expect((await segments(files)).length).toBeGreaterThan(1)
  files.crash()
  const { pending, safety, base } = (await open(files, SMALL)).restored
  expect([base.index, pending.length, safety?.[0]]).toEqual([12, 40, 3])
  expect(pending.map(({ index }) => index)).toEqual(live.map(({ index }) => index))
})

/** A disk that fails for good at the operation number `stopAt` after `arm`. */
async function fallible(seed: number, stopAt: number) {
  const state = { counted: Number.NEGATIVE_INFINITY }
  const files = await freshFiles({
    random: seededRandom(seed),
    fault: (operation, _, bytes) => {
      if (operation === 'read' || operation === 'stat') return undefined
      return ++state.counted >= stopAt
        ? { kind: 'error', code: 'EIO', keptBytes: Math.floor((bytes * (stopAt % 5)) / 4) }
        : undefined
    },
  })
  return { files, state }
}

test.each(['compaction', 'reset'] as const)(
  'a crash at any write of a %s loses neither the newest safety record nor a live slot',
  async (kind) => {
    const outcomes = new Set<string>()
    let done = false
    for (let stopAt = 1; !done; stopAt++) {
      for (let seed = 1; seed <= 6; seed++) {
        const { files, state } = await fallible(seed * 100 + stopAt, stopAt)
        const log = await open(files, SMALL)
        const entries = certified(makeEntries(null, 12))
        const slots = [13, 14, 15, 16].map((index) => storeSlot(index, index, 250))
        await log.append([storeVote(3, 'n2'), storeSafety(1), storeAbort(1, 1), ...slots])
        for (const entry of entries) await log.append([storeEntries([entry])])
        const other = makeEntries(null, 14, 1, (index) => makeBody(index + 90))
        const base = baseAt((kind === 'compaction' ? entries[9] : other[13]) as Entry)
        const live = slots.filter(({ index }) => kind === 'compaction' || index > 14)
        state.counted = 0
        done = await log.append([...live, storeSafety(2), storeBase(base)]).then(
          () => true,
          () => false,
        )
        state.counted = Number.NEGATIVE_INFINITY
        if (seed % 3 === 0) files.kill()
        else files.crash()
        const note = `${kind}, operation ${stopAt}, seed ${seed}`
        for (let start = 0; start < 2; start++) {
          const { restored, report } = await open(files, SMALL)
          expect([note, report.problems, restored.mayVote]).toEqual([note, [], true])
          const isNew = restored.base.index === base.index
          const kept = restored.pending.map(({ index }) => index as number)
          const wanted = isNew && kind === 'reset' ? [15, 16] : [13, 14, 15, 16]
          expect([note, [...kept].sort()]).toEqual([note, wanted])
          for (const { index, payload } of restored.pending)
            expect([note, payload]).toEqual([note, new Uint8Array(250).fill(index)])
          const safety = restored.safety?.[0]
          if (done || isNew) expect([note, safety]).toEqual([note, 2])
          expect([note, restored.safety?.length, safety === 1 || safety === 2]).toEqual([note, 60, true])
          expect([note, abortsOf(restored)]).toEqual([note, [[1, 1]]])
          expect([note, restored.hardState.votedFor]).toEqual([note, 'n2'])
          if (done) expect([note, isNew]).toEqual([note, true])
          outcomes.add(`${isNew} ${safety}`)
          // What the first start found is durable for the second.
          files.crash()
        }
      }
    }
    expect([...outcomes].sort()).toEqual(['false 1', 'false 2', 'true 2'])
  },
  60_000,
)

interface Model {
  entries: Entry[]
  base: number
  safety: number
  aborts: Map<number, number>
  live: PendingRecord[]
}

/** What one turn of a Byzantine protocol may write; the model says what must be there afterwards. */
function randomTurn(random: () => number, model: Model): StoreRecord[] {
  const records: StoreRecord[] = []
  const last = (): number => model.entries.length
  for (let i = 0; i < 1 + Math.floor(random() * 4); i++) {
    const choice = random()
    if (choice < 0.35) {
      const kind = random() < 0.5 ? 'slot' : 'block'
      const slot = storeSlot(last() + 1 + Math.floor(random() * 6), Math.floor(random() * 250), 30, kind)
      records.push(slot)
      model.live = [...model.live.filter((other) => !sameRecord(other, slot)), slot]
    } else if (choice < 0.55) records.push(storeSafety(++model.safety % 250))
    else if (choice < 0.6) {
      const epoch = 1 + Math.floor(random() * 3)
      const newest = Math.max(0, ...model.aborts.keys())
      if (epoch >= newest) {
        model.aborts.set(epoch, model.safety % 250)
        records.push(storeAbort(epoch, model.safety % 250))
      }
    } else if (choice < 0.9) {
      const more = certified(makeEntries(model.entries.at(-1) ?? null, 1 + Math.floor(random() * 3)), 1 + last())
      model.entries.push(...more)
      model.live = model.live.filter(({ index }) => index > last())
      records.push(storeEntries(more))
    } else if (last() > model.base + 1) {
      model.base += 1 + Math.floor(random() * (last() - model.base))
      // The rule of the core: what is live is written again before the base.
      records.push(...model.live, storeSafety(model.safety % 250))
      records.push(storeBase(baseAt(model.entries[model.base - 1] as Entry)))
    }
  }
  return records
}

const sameRecord = (a: PendingRecord, b: PendingRecord): boolean =>
  a.kind === b.kind && a.index === b.index && a.payload[0] === b.payload[0]

test('turns of a Byzantine protocol, compactions and crashes in any order agree with a model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1 << 30 }), async (seed) => {
      const random = seededRandom(seed)
      const files = await freshFiles({ random })
      const model: Model = { entries: [], base: 0, safety: 0, aborts: new Map(), live: [] }
      for (let run = 0; run < 4; run++) {
        const log: SegmentedLog = await open(files, { segmentBytesMax: 900 + Math.floor(random() * 2000) })
        const { restored } = log
        expect([seed, run, log.report.problems, log.lastIndex]).toEqual([seed, run, [], model.entries.length])
        expect([seed, run, restored.safety?.[0] ?? 0]).toEqual([seed, run, model.safety % 250])
        expect([seed, run, restored.pending]).toEqual([seed, run, model.live])
        const aborts = [...model.aborts].sort((a, b) => a[0] - b[0]).slice(-2)
        expect([seed, run, abortsOf(restored)]).toEqual([seed, run, aborts])
        expect([seed, run, told(await contentOf(log))]).toEqual([seed, run, told(model.entries.slice(model.base))])
        for (let i = 0; i < 2 + Math.floor(random() * 10); i++) await log.append(randomTurn(random, model))
        if (random() < 0.3) await log.close()
        if (random() < 0.3) files.kill()
        else files.crash()
        expect([seed, run, (await verifyLog(files, LOG, LOOK)).problems]).toEqual([seed, run, []])
      }
    }),
    { numRuns: 120 },
  )
}, 60_000)

test('a damaged log restores the newest safety record of all that can be read, and goes on with it', async () => {
  const files = await freshFiles()
  const log = await open(files)
  const entries = certified(makeEntries(null, 8))
  const ends: number[] = []
  for (let i = 0; i < 8; i++) {
    await log.append([storeSafety(i + 1), storeSlot(20, i), storeAbort(1, i), storeEntries(entries.slice(i, i + 1))])
    ends.push(files.content(segmentPath(1)).length)
  }
  files.flipBit(segmentPath(1), (ends[2] as number) + 70, 1)
  // The last frame holds the newest, but is damaged too: the one before it counts.
  files.flipBit(segmentPath(1), (ends[6] as number) + 70, 1)
  for (let start = 0; start < 2; start++) {
    const { restored } = await open(files)
    expect(restored).toMatchObject({ mayVote: false, lastIndex: 3, safety: new Uint8Array(60).fill(7) })
    expect(abortsOf(restored)).toEqual([[1, 6]])
    expect(pendingOf(restored)).toEqual([
      [20, 0],
      [20, 1],
      [20, 2],
    ])
  }
  const damaged = await open(files)
  await damaged.append([storeEntries(entries.slice(3))])
  await damaged.close()
  const later = await open(files)
  expect(later.restored).toMatchObject({ mayVote: false, lastIndex: 8, safety: new Uint8Array(60).fill(7) })
  await later.append([storeSafety(50)])
  await later.markRepaired()
  files.crash()
  const whole = await open(files)
  expect(whole.restored).toMatchObject({ mayVote: true, lastIndex: 8, safety: new Uint8Array(60).fill(50) })
  expect(certificates(whole.restored.tail)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
})

test('more pending records than a start can hand back are refused, and what was taken is handed back', async () => {
  const files = await freshFiles()
  const log = await open(files)
  const slots = Array.from({ length: PENDING_RECORDS_MAX }, (_, i) => storeSlot(2 + (i % 256), i % 251, 1 + (i >> 8)))
  await log.append(slots)
  await expect(log.append([storeSlot(9, 252, 7)])).rejects.toMatchObject({ code: 'ResourceExhausted' })
  files.kill()
  const again = await open(files)
  expect(again.restored.pending).toHaveLength(PENDING_RECORDS_MAX)
  // Progress makes room.
  const [first, second] = makeEntries(null, 2)
  await again.append([storeEntries([first as Entry, second as Entry])])
  await again.append([storeSlot(9, 252, 7)])
  expect((await open(files)).restored.pending).toHaveLength(PENDING_RECORDS_MAX - 256 + 1)
})
