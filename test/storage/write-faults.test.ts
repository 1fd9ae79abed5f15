/**
 * Shows that any failed write is final, and that after any crash of a disk that loses, tears and
 * reorders unsynced writes the log holds everything that was acknowledged.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StoreRecord } from '../../src/consensus/core.js'
import type { Entry } from '../../src/consensus/entry.js'
import { logIndex } from '../../src/consensus/types.js'
import type { Fault } from '../../src/storage/memory-files.js'
import { seededRandom } from '../random.js'
import { freshFiles, makeBody, makeEntries, open, segmentPath, storeEntries, storeVote } from './journal-fixture.js'

const FAULTS: readonly { name: string; operation: 'append' | 'datasync'; fault: Fault }[] = [
  { name: 'EIO on write', operation: 'append', fault: { kind: 'error', code: 'EIO' } },
  { name: 'ENOSPC after a short write', operation: 'append', fault: { kind: 'error', code: 'ENOSPC', keptBytes: 300 } },
  { name: 'EIO on sync', operation: 'datasync', fault: { kind: 'error', code: 'EIO' } },
]

test.each(FAULTS)(
  '$name is final for the log, and a restart finds what was acknowledged',
  async ({ operation, fault }) => {
    let armed = false
    const code = 'code' in fault && fault.code === 'ENOSPC' ? 'DiskFull' : 'StorageFailed'
    const files = await freshFiles({ fault: (name) => (armed && name === operation ? fault : undefined) })
    const log = await open(files)
    const entries = makeEntries(null, 6)
    await log.append([storeEntries(entries.slice(0, 3)), storeVote(2, 'n2')])
    armed = true
    await expect(log.append([storeEntries(entries.slice(3, 5))])).rejects.toMatchObject({ code })
    armed = false
    await expect(log.append([storeEntries(entries.slice(3, 5))])).rejects.toMatchObject({ code })
    // Nor what would fit in whatever the failed write has left: a vote may not be given on such a disk.
    await expect(log.append([storeVote(3, 'n3')])).rejects.toMatchObject({ code })
    expect(log.lastIndex).toBe(3)
    expect((await log.read(logIndex(1), 10_000)).map((entry) => entry.index)).toEqual([1, 2, 3])
    await log.close()
    files.crash()
    const again = await open(files)
    expect(again.restored).toMatchObject({ mayVote: true, hardState: { term: 2, votedFor: 'n2' } })
    expect(again.lastIndex).toBeGreaterThanOrEqual(3)
  },
)

test('a lost or misdirected write that the disk reported as done is found as corruption, not read as data', async () => {
  for (const fault of [{ kind: 'lostWrite' }, { kind: 'misdirectedWrite', shiftBytes: 200 }] as const) {
    let armed = false
    const files = await freshFiles({ fault: (name) => (armed && name === 'append' ? fault : undefined) })
    const log = await open(files)
    const entries = makeEntries(null, 6)
    await log.append([storeEntries(entries.slice(0, 2))])
    armed = true
    await log.append([storeEntries(entries.slice(2, 4))])
    armed = false
    await log.append([storeEntries(entries.slice(4))])
    const again = await open(files)
    expect(again.restored.mayVote).toBe(false)
    expect(again.lastIndex).toBeLessThanOrEqual(2)
  }
})

test('what a misdirected write has changed since the start is not read back as the entry that it was', async () => {
  for (const shiftBytes of [40, 100, 200]) {
    let armed = false
    const fault = { kind: 'misdirectedWrite', shiftBytes } as const
    const files = await freshFiles({ fault: (name) => (armed && name === 'append' ? fault : undefined) })
    const log = await open(files)
    await log.append([storeEntries(makeEntries(null, 2))])
    expect(await log.read(logIndex(1), 10_000)).toHaveLength(2)
    armed = true
    await log.append([storeVote(2, 'n2')])
    armed = false
    await log.append([storeVote(3, 'n2')])
    // Whoever this was read for would store it, and outvote those that hold the right one.
    await expect(log.read(logIndex(2), 10_000)).rejects.toMatchObject({ code: 'Corrupt' })
    const again = await open(files)
    expect(again.restored.mayVote).toBe(false)
  }
})

test('two appends at a time, a gap and a broken chain are refused as bugs', async () => {
  const entries = makeEntries(null, 5)
  const both = await open(await freshFiles())
  const first = both.append([storeEntries(entries.slice(0, 1))])
  await expect(both.append([storeEntries(entries.slice(1, 2))])).rejects.toMatchObject({ code: 'Bug' })
  await first
  const gap = await open(await freshFiles())
  await expect(gap.append([storeEntries(entries.slice(1))])).rejects.toMatchObject({ code: 'Bug' })
  const broken = await open(await freshFiles())
  const other = makeEntries(null, 3, 1, (index) => makeBody(index + 100))
  await expect(broken.append([storeEntries([entries[0] as Entry, other[1] as Entry])])).rejects.toMatchObject({
    code: 'Bug',
  })
})

test('what a read found in places that a truncation replaced meanwhile is not given out', async () => {
  let release = (): void => undefined
  let held = false
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  const files = await freshFiles({
    fault: (name) => {
      if (!held || name !== 'read') return undefined
      held = false
      return { kind: 'wait', until }
    },
  })
  const log = await open(files)
  const entries = makeEntries(null, 6)
  await log.append([storeEntries(entries)])
  held = true
  const reading = log.read(logIndex(2), 100_000)
  await expect.poll(() => held).toBe(false)
  await log.append([{ kind: 'truncate', from: logIndex(4) }, storeEntries(makeEntries(entries[2] as Entry, 2, 2))])
  release()
  expect((await reading).map((entry) => [entry.index, entry.term])).toEqual([
    [2, 1],
    [3, 1],
  ])
  expect((await log.read(logIndex(2), 100_000)).map((entry) => [entry.index, entry.term])).toEqual([
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
  ])
})

/** One random append and what the log must hold after it. */
interface Model {
  entries: Entry[]
  term: number
  votedFor: string | null
}

function randomAppend(random: () => number, model: Model): { records: StoreRecord[]; after: Model } {
  const records: StoreRecord[] = []
  const after = { ...model, entries: [...model.entries] }
  if (random() < 0.3) {
    after.term += 1 + Math.floor(random() * 2)
    after.votedFor = random() < 0.5 ? 'n2' : null
    records.push(storeVote(after.term, after.votedFor))
  }
  if (after.entries.length > 0 && random() < 0.25) {
    const from = 1 + Math.floor(random() * after.entries.length)
    records.push({ kind: 'truncate', from: logIndex(from) })
    after.entries.length = from - 1
  }
  if (records.length === 0 || random() < 0.8) {
    const body = (index: number): Uint8Array => makeBody(index, 1, random() < 0.1 ? 5000 : 50)
    const more = makeEntries(after.entries.at(-1) ?? null, 1 + Math.floor(random() * 4), after.term, body)
    records.push(storeEntries(more))
    after.entries.push(...more)
  }
  return { records, after }
}

const digests = (entries: readonly Entry[]): string[] =>
  entries.map((entry) => Buffer.from(entry.header).toString('hex'))

test('everything acknowledged is there after each of many crashes; the hard state never goes back', async () => {
  let torn = 0
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1 << 30 }), async (seed) => {
      const random = seededRandom(seed)
      let failNext = false
      const files = await freshFiles({
        random,
        fault: (name) => {
          if (!failNext || (name !== 'append' && name !== 'datasync' && name !== 'syncDirectory')) return undefined
          if (random() < 0.6) return undefined
          return { kind: 'error', code: 'EIO', keptBytes: Math.floor(random() * 600) }
        },
      })
      let model: Model = { entries: [], term: 0, votedFor: null }
      for (let run = 0; run < 4; run++) {
        const log = await open(files, { segmentBytesMax: 3000 + Math.floor(random() * 4000) })
        let attempted: Model = model
        const appends = 1 + Math.floor(random() * 12)
        for (let i = 0; i < appends; i++) {
          const { records, after } = randomAppend(random, model)
          attempted = after
          failNext = i === appends - 1 && random() < 0.7
          const done = await log.append(records).then(
            () => true,
            () => false,
          )
          if (!done) break
          model = after
        }
        failNext = false
        if (random() < 0.2) await log.close()
        if (random() < 0.3) files.kill()
        else files.crash()
        const again = await open(files)
        if (again.report.cutTail !== null) torn++
        expect(again.report.problems).toEqual([])
        const content: Entry[] = []
        while (content.length < again.lastIndex) content.push(...(await again.read(logIndex(content.length + 1), 4000)))
        // The last append may have made it without being acknowledged; nothing else may differ.
        const { term, votedFor } = again.restored.hardState
        const found = JSON.stringify([term, votedFor, digests(content)])
        const expected = [model, attempted].find(
          (state) => JSON.stringify([state.term, state.votedFor, digests(state.entries)]) === found,
        )
        expect(expected, `seed ${seed}, run ${run}`).toBeDefined()
        model = expected as Model
        await again.close()
      }
    }),
    { numRuns: 120 },
  )
  expect(torn).toBeGreaterThan(5)
}, 60_000)

test('a full segment is sealed only after the next one is durable', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed)
    let operations = 0
    const stopAt = 8 + Math.floor(random() * 12)
    const files = await freshFiles({
      random,
      fault: (name) => {
        if (name !== 'append' && name !== 'datasync' && name !== 'syncDirectory') return undefined
        return ++operations >= stopAt
          ? { kind: 'error', code: 'EIO', keptBytes: Math.floor(random() * 200) }
          : undefined
      },
    })
    const log = await open(files, { segmentBytesMax: 1200 })
    let acknowledged = 0
    for (const entry of makeEntries(null, 10)) {
      const done = await log.append([storeEntries([entry])]).then(
        () => true,
        () => false,
      )
      if (!done) break
      acknowledged = entry.index
    }
    operations = Number.NEGATIVE_INFINITY
    files.crash()
    const again = await open(files)
    expect([seed, again.restored.mayVote]).toEqual([seed, true])
    expect(again.lastIndex).toBeGreaterThanOrEqual(acknowledged)
    expect((await files.stat(segmentPath(1)))?.kind).toBe('file')
  }
})
