/**
 * Shows that a log follows its base: compaction drops whole segments and nothing that is needed, a reset
 * gives an empty log behind the base, a crash at any file operation leaves the old log or the new one,
 * and a log without its base file is damaged.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import type { StoreRecord } from '../../src/consensus/core.js'
import { type Entry, makeEntry } from '../../src/consensus/entry.js'
import { encodeMembership, type Membership } from '../../src/consensus/membership.js'
import type { LogBase } from '../../src/consensus/snapshot.js'
import { logIndex, nodeId } from '../../src/consensus/types.js'
import { GENESIS_BASE } from '../../src/storage/base-codec.js'
import { inspectLog } from '../../src/storage/log-inspect.js'
import { verifyLog } from '../../src/storage/log-verify.js'
import type { MemoryFiles } from '../../src/storage/memory-files.js'
import type { SegmentedLog } from '../../src/storage/segmented-log.js'
import { seededRandom } from '../random.js'
import {
  baseAt,
  contentOf,
  freshFiles,
  LOG,
  LOOK,
  makeBody,
  makeEntries,
  open,
  segmentPath,
  sha256,
  storeBase,
  storeEntries,
  storeVote,
} from './journal-fixture.js'

const SMALL = { segmentBytesMax: 1500 }

const segments = async (files: MemoryFiles): Promise<string[]> =>
  (await files.readdir(LOG)).filter((name) => name.endsWith('.seg'))
const indexes = (entries: readonly Entry[]): number[] => entries.map((entry) => entry.index)
const at = (entries: readonly Entry[], index: number): Entry => entries[index - 1] as Entry

async function filled(count = 20): Promise<{ files: MemoryFiles; log: SegmentedLog; entries: Entry[] }> {
  const files = await freshFiles()
  const log = await open(files, SMALL)
  const entries = makeEntries(null, count)
  await log.append([storeVote(3, 'n2')])
  for (const entry of entries) await log.append([storeEntries([entry])])
  return { files, log, entries }
}

test('compaction drops whole segments, and the log begins at the base for everybody', async () => {
  const { files, log, entries } = await filled()
  const before = await segments(files)
  const bytesBefore = log.bytesOnDisk
  const membership: Membership = {
    joint: false,
    members: [
      {
        id: nodeId('n1'),
        publicKey: new Uint8Array(32).fill(1),
        address: 'a:1',
        zone: 'z',
        role: 'voter',
        wasVoter: false,
        promote: false,
      },
    ],
  }
  const base = baseAt(at(entries, 11), { index: logIndex(4), membership })
  await log.append([storeBase(base)])
  expect([log.firstIndex, log.lastIndex]).toEqual([12, 20])
  expect(await log.read(logIndex(11), 1000)).toEqual([])
  expect(indexes(await contentOf(log))).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20])
  const after = await segments(files)
  expect(after.length).toBeLessThan(before.length)
  expect(log.bytesOnDisk).toBeLessThan(bytesBefore)
  expect(log.bytesOnDisk).toBe(after.reduce((sum, name) => sum + files.content(`${LOG}/${name}`).length, 0))
  expect(await inspectLog(files, LOG, LOOK)).toMatchObject({ firstIndex: 12, lastIndex: 20 })
  expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, firstIndex: 12, lastIndex: 20, entries: 9 })
  files.crash()
  const again = await open(files, SMALL)
  expect(again.restored).toMatchObject({ base, lastIndex: 20, mayVote: true, hardState: { term: 3, votedFor: 'n2' } })
  expect(again.restored.termRuns[0]?.first).toBe(12)
  expect(indexes(again.restored.tail)).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20])
  await again.append([storeBase(baseAt(at(entries, 20)))])
  expect([again.firstIndex, again.lastIndex]).toEqual([21, 20])
  await again.append([storeEntries(makeEntries(at(entries, 20), 2))])
  await again.close()
  const last = await open(files, SMALL)
  expect(last.restored).toMatchObject({ base: { index: 20 }, lastIndex: 22, mayVote: true, hardState: { term: 3 } })
})

test('what precedes a base in its append is written first, what follows joins it', async () => {
  const { files, log, entries } = await filled(6)
  const more = makeEntries(at(entries, 6), 6, 2)
  await log.append([
    storeEntries(more.slice(0, 3)),
    storeBase(baseAt(at(more, 2))),
    storeVote(5, null),
    storeEntries(more.slice(3)),
  ])
  expect(indexes(await contentOf(log))).toEqual([9, 10, 11, 12])
  files.crash()
  expect((await open(files)).restored).toMatchObject({ base: { index: 8 }, lastIndex: 12, hardState: { term: 5 } })
})

test.each([
  ['beyond the end', 40],
  ['inside, of another history', 7],
] as const)('a base %s gives an empty log behind it', async (_, index) => {
  const { files, log } = await filled(12)
  const other = makeEntries(null, index + 3, 4, (seed) => makeBody(seed + 100))
  const base = baseAt(at(other, index))
  const reading = log.read(logIndex(2), 100_000)
  await log.append([storeBase(base), storeEntries(other.slice(index, index + 1))])
  await reading
  expect(await segments(files)).toHaveLength(1)
  expect(indexes(await contentOf(log))).toEqual([index + 1])
  expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, firstIndex: index + 1, lastIndex: index + 1 })
  files.crash()
  const again = await open(files)
  expect(again.restored).toMatchObject({ base, lastIndex: index + 1, mayVote: true, hardState: { term: 3 } })
  await again.append([storeEntries(other.slice(index + 1))])
  expect(again.lastIndex).toBe(index + 3)
})

test('entries and truncations from before the base do not confuse a start', async () => {
  const { files, log, entries } = await filled(10)
  // Index 8 was written twice, and the base lies between the two endings.
  const fork = makeEntries(at(entries, 7), 4, 2, (seed) => makeBody(seed + 50))
  await log.append([{ kind: 'truncate', from: logIndex(8) }, storeEntries(fork)])
  await log.append([storeBase(baseAt(fork[1] as Entry))])
  await log.close()
  const again = await open(files, SMALL)
  expect(again.restored).toMatchObject({ base: { index: 9 }, lastIndex: 11, mayVote: true })
  expect((await contentOf(again)).map((entry) => entry.term)).toEqual([2, 2])
  expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, firstIndex: 10 })
})

test('configurations after the base are found at a start and go with a truncation', async () => {
  const files = await freshFiles()
  const log = await open(files, SMALL)
  const voter = {
    publicKey: new Uint8Array(32).fill(1),
    zone: 'z',
    role: 'voter',
    wasVoter: false,
    promote: false,
  } as const
  const membership = (count: number): Membership => ({
    joint: false,
    members: Array.from({ length: count }, (_, i) => ({ ...voter, id: nodeId(`n${i}`), address: `host:${i}` })),
  })
  const entries = makeEntries(null, 3)
  const append = async (count: number): Promise<void> => {
    const previous = entries.at(-1) as Entry
    const fields = { ...previous, index: logIndex(previous.index + 1), kind: 'membership' as const }
    const body = encodeMembership(membership(count))
    entries.push(
      makeEntry(
        sha256,
        { ...fields, batchDigest: computeBatchDigest(sha256, fields.kind, body), previousChain: previous.chain },
        body,
      ),
    )
    entries.push(...makeEntries(entries.at(-1) as Entry, 1))
  }
  await append(1)
  await append(2)
  await append(3)
  await log.append([storeEntries(entries)])
  await log.append([storeBase(baseAt(at(entries, 5), { index: logIndex(4), membership: membership(1) }))])
  const both = await open(files)
  expect(both.restored.base.membership).toEqual({ index: 4, membership: membership(1) })
  expect(both.restored.memberships).toEqual([
    { index: 6, membership: membership(2) },
    { index: 8, membership: membership(3) },
  ])
  await both.append([{ kind: 'truncate', from: logIndex(8) }])
  expect((await open(files)).restored.memberships).toEqual([{ index: 6, membership: membership(2) }])
})

test('a missing or damaged base file without the first segment is corruption; a reset begins anew', async () => {
  for (const damage of ['missing', 'damaged'] as const) {
    const { files, log, entries } = await filled()
    await log.append([storeBase(baseAt(at(entries, 15)))])
    if (damage === 'missing') await files.unlink(`${LOG}/base`)
    else files.flipBit(`${LOG}/base`, 30, 2)
    expect((await verifyLog(files, LOG, LOOK)).problems[0]?.kind).toBe(
      damage === 'missing' ? 'segmentMissing' : 'baseFile',
    )
    const lost = await open(files)
    expect(lost.restored).toMatchObject({ mayVote: false, base: GENESIS_BASE, lastIndex: 0, hardState: { term: 3 } })
    // What the leader sends instead: a snapshot.
    const later = makeEntries(null, 30)
    await lost.append([storeBase(baseAt(at(later, 28))), storeEntries(later.slice(28))])
    await lost.close()
    const again = await open(files)
    expect(again.restored).toMatchObject({ mayVote: false, base: { index: 28 }, lastIndex: 30 })
    expect(again.report.problems).toMatchObject([{ kind: 'damageResumed' }])
    await again.markRepaired()
    await again.close()
    expect((await open(files)).restored).toMatchObject({ mayVote: true, lastIndex: 30, hardState: { term: 3 } })
    expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, firstIndex: 29 })
  }
})

test('the first segment that the base names must be there', async () => {
  const { files, log, entries } = await filled()
  await log.append([storeBase(baseAt(at(entries, 12)))])
  const [first] = await segments(files)
  await files.unlink(`${LOG}/${first as string}`)
  expect((await verifyLog(files, LOG, LOOK)).problems[0]).toMatchObject({ kind: 'segmentMissing', segment: first })
  const lost = await open(files, SMALL)
  expect(lost.restored).toMatchObject({ mayVote: false, base: { index: 12 }, lastIndex: 12, commitIndex: 0 })
  await lost.append([storeEntries(entries.slice(12))])
  await lost.markRepaired()
  await lost.close()
  expect((await open(files)).restored).toMatchObject({ mayVote: true, lastIndex: 20, hardState: { term: 3 } })
})

test('the base tells of its term where everything else is lost', async () => {
  const files = await freshFiles()
  const entries = makeEntries(null, 12, 5)
  const log = await open(files)
  await log.append([storeVote(5, 'n2'), storeEntries(entries)])
  await log.append([storeBase(baseAt(at(entries, 12)))])
  const path = segmentPath(1)
  files.replace(path, new Uint8Array(files.content(path).length))
  const lost = await open(files)
  expect(lost.restored).toMatchObject({ mayVote: false, base: { index: 12 }, lastIndex: 12, hardState: { term: 5 } })
  await lost.markRepaired()
  await lost.close()
  expect((await open(files)).restored).toMatchObject({ mayVote: true, lastIndex: 12, hardState: { term: 5 } })
})

test('a log that lost entries below its base is damaged', async () => {
  const { files, log, entries } = await filled(4)
  const path = segmentPath(1)
  const size = files.content(path).length
  const more = makeEntries(at(entries, 4), 2)
  const one = await freshFiles()
  const whole = await open(one)
  await whole.append([storeEntries(entries)])
  const end = one.content(path).length
  await whole.append([storeEntries(more)])
  await whole.append([storeBase(baseAt(more[1] as Entry))])
  one.replace(path, one.content(path).slice(0, end))
  expect((await verifyLog(one, LOG, LOOK)).problems).toMatchObject([{ kind: 'provenLost' }])
  const short = await open(one)
  expect(short.restored).toMatchObject({ mayVote: false, base: { index: 6 }, lastIndex: 6 })
  await short.append([storeEntries(makeEntries(more[1] as Entry, 2))])
  expect((await open(one)).restored).toMatchObject({ mayVote: false, base: { index: 6 }, lastIndex: 8 })
  expect(size).toBeGreaterThan(0)
  await log.close()
})

/** Which of the two logs a start finds; fails where it is neither. */
async function expectOneOf(
  files: MemoryFiles,
  logs: readonly { base: LogBase; entries: readonly Entry[] }[],
  note: string,
): Promise<number> {
  const verified = await verifyLog(files, LOG, LOOK)
  expect([note, verified.problems]).toEqual([note, []])
  const log = await open(files, SMALL)
  expect([note, log.report.problems]).toEqual([note, []])
  const found = JSON.stringify([log.restored.base.index, (await contentOf(log)).map((entry) => [...entry.chain])])
  const which = logs.findIndex(
    ({ base, entries }) => JSON.stringify([base.index, entries.map((entry) => [...entry.chain])]) === found,
  )
  expect([note, which >= 0]).toEqual([note, true])
  expect(log.restored.hardState).toMatchObject({ term: 3, votedFor: 'n2' })
  // It goes on from there, and only what belongs to it is left.
  const last = logs[which] as { base: LogBase; entries: readonly Entry[] }
  const more = makeEntries(last.entries.at(-1) ?? last.base, 2)
  await log.append([storeEntries(more)])
  files.kill()
  const again = await open(files)
  expect([note, again.restored.mayVote, again.lastIndex]).toEqual([note, true, more[1]?.index])
  expect((await verifyLog(files, LOG, LOOK)).ok).toBe(true)
  return which
}

test.each(['compaction', 'reset'] as const)(
  'a crash at any file operation of a %s leaves the old log or the new one',
  async (kind) => {
    const outcomes = new Set<number>()
    let operations = 1
    for (let stopAt = 1; stopAt <= operations; stopAt++) {
      for (const death of ['crash', 'crash again', 'kill'] as const) {
        let counted = Number.NEGATIVE_INFINITY
        const files = await freshFiles({
          random: seededRandom(stopAt * 7 + death.length),
          fault: (operation) => {
            if (operation === 'read' || operation === 'stat') return undefined
            return ++counted >= stopAt ? { kind: 'error', code: 'EIO', keptBytes: stopAt % 50 } : undefined
          },
        })
        const log = await open(files, SMALL)
        const entries = makeEntries(null, 12)
        await log.append([storeVote(3, 'n2')])
        for (const entry of entries) await log.append([storeEntries([entry])])
        const other = makeEntries(null, 30, 2, (seed) => makeBody(seed + 90))
        const base = kind === 'compaction' ? baseAt(at(entries, 9)) : baseAt(at(other, 25))
        const after = { base, entries: kind === 'compaction' ? entries.slice(9) : [] }
        counted = 0
        const done = await log.append([storeBase(base)]).then(
          () => true,
          () => false,
        )
        operations = Math.max(operations, counted + (done ? 0 : 1))
        counted = Number.NEGATIVE_INFINITY
        if (death === 'kill') files.kill()
        else files.crash()
        const note = `${kind}, operation ${stopAt}, ${death}`
        const which = await expectOneOf(files, [{ base: GENESIS_BASE, entries }, after], note)
        if (done) expect([note, which]).toEqual([note, 1])
        outcomes.add(which)
      }
      if (stopAt > 60) break
    }
    expect([...outcomes].sort()).toEqual([0, 1])
  },
)

interface Model {
  base: LogBase
  /** After the base. */
  entries: Entry[]
  term: number
}

function randomAppend(random: () => number, model: Model): { records: StoreRecord[]; after: Model } {
  const records: StoreRecord[] = []
  const after = { ...model, entries: [...model.entries] }
  const steps = 1 + Math.floor(random() * 3)
  for (let i = 0; i < steps; i++) {
    const choice = random()
    const last = after.entries.at(-1) ?? after.base
    if (choice < 0.15) records.push(storeVote(++after.term, null))
    else if (choice < 0.35 && after.entries.length > 0) {
      const kept = Math.floor(random() * after.entries.length)
      records.push({ kind: 'truncate', from: logIndex(after.base.index + kept + 1) })
      after.entries.length = kept
    } else if (choice < 0.55 && after.entries.length > 0) {
      const count = 1 + Math.floor(random() * after.entries.length)
      after.base = baseAt(after.entries[count - 1] as Entry)
      after.entries = after.entries.slice(count)
      records.push(storeBase(after.base))
    } else if (choice < 0.62) {
      const skipped = makeEntries(last, 1 + Math.floor(random() * 5), ++after.term, (seed) => makeBody(seed + 77))
      after.base = baseAt(skipped.at(-1) as Entry)
      after.entries = []
      records.push(storeBase(after.base))
    } else {
      const body = (index: number): Uint8Array => makeBody(index, 1, random() < 0.2 ? 900 : 50)
      const more = makeEntries(last, 1 + Math.floor(random() * 4), after.term, body)
      records.push(storeEntries(more))
      after.entries.push(...more)
    }
  }
  return { records, after }
}

test('appends, truncations, compactions, resets and crashes in any order agree with a model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1 << 30 }), async (seed) => {
      const random = seededRandom(seed)
      const files = await freshFiles({ random })
      let model: Model = { base: GENESIS_BASE, entries: [], term: 1 }
      for (let run = 0; run < 4; run++) {
        const log = await open(files, { segmentBytesMax: 1200 + Math.floor(random() * 3000) })
        expect([seed, run, log.report.problems]).toEqual([seed, run, []])
        expect([seed, run, log.restored.base]).toEqual([seed, run, model.base])
        expect([seed, run, log.restored.hardState.term]).toEqual([seed, run, run === 0 ? 0 : model.term])
        const check = async (): Promise<void> => {
          const found = (await contentOf(log)).map((entry) => Buffer.from(entry.chain).toString('hex'))
          const expected = model.entries.map((entry) => Buffer.from(entry.chain).toString('hex'))
          expect([seed, run, found]).toEqual([seed, run, expected])
          expect(log.lastIndex).toBe(model.base.index + model.entries.length)
        }
        await check()
        for (let i = 0; i < 1 + Math.floor(random() * 10); i++) {
          const { records, after } = randomAppend(random, model)
          await log.append([storeVote(after.term, null), ...records, storeVote(after.term, null)])
          model = after
        }
        await check()
        if (random() < 0.3) await log.close()
        if (random() < 0.3) files.kill()
        else files.crash()
        expect([seed, run, (await verifyLog(files, LOG, LOOK)).problems]).toEqual([seed, run, []])
      }
    }),
    { numRuns: 150 },
  )
}, 60_000)

test('the tools read a log that is compacted under them', async () => {
  const { files, log, entries } = await filled(4)
  let last = at(entries, 4)
  let writing = true
  const writer = (async (): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      const more = makeEntries(last, 5)
      last = more[4] as Entry
      await log.append([storeEntries(more)])
      await log.append([storeBase(baseAt(more[2] as Entry))])
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    writing = false
  })()
  const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  let looks = 0
  for (; writing; looks++) {
    expect((await verifyLog(files, LOG, { pause })).problems).toEqual([])
    const { entries: seen } = await inspectLog(files, LOG, { pause })
    expect(seen.every((entry, i) => entry.index === (seen[0]?.index ?? 0) + i)).toBe(true)
    await pause()
  }
  await writer
  expect(looks).toBeGreaterThan(2)
})

test('a snapshot counts as part of the log only where the log holds the entry that it follows', async () => {
  const { files, log, entries } = await filled()
  await log.append([storeBase(baseAt(at(entries, 5)))])
  await log.close()
  // A leader gave the second one, and the crash came before it took the place of a branch that lost.
  const own = { base: baseAt(at(entries, 8)), id: new Uint8Array(32).fill(1), bytes: 1 }
  const others = { base: { ...baseAt(at(entries, 12)), chain: new Uint8Array(32).fill(2) }, id: own.id, bytes: 1 }
  const { restored } = await open(files, { ...SMALL, snapshots: [own, others] })
  expect(restored.snapshot).toBe(own)
  expect(restored.commitIndex).toBe(8)
  const behind = { ...others, base: { ...others.base, index: logIndex(5) } }
  expect((await open(files, { ...SMALL, snapshots: [behind] })).restored.snapshot).toBeNull()
})
