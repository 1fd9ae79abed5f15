/**
 * Shows that snapshot files are the same bytes for the same state, come back as they were, survive
 * crashes at any file operation as a whole or not at all, and that damage and half transfers are found.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import type { Entry } from '../../src/consensus/entry.js'
import type { SnapshotInfo, StatePair } from '../../src/node/ports.js'
import type { FileSystem } from '../../src/storage/files.js'
import type { MemoryFiles } from '../../src/storage/memory-files.js'
import { realFiles } from '../../src/storage/real-files.js'
import { type FileSnapshotStore, openSnapshotStore } from '../../src/storage/snapshot-store.js'
import { inspectSnapshot, verifySnapshot } from '../../src/storage/snapshot-tools.js'
import { seededRandom } from '../random.js'
import { baseAt, IDENTITY, makeEntries, memoryFiles, sha256 } from './journal-fixture.js'

const DIRECTORY = 'data/snapshots'
const entries = makeEntries(null, 40)
const base = (index: number) => baseAt(entries[index - 1] as Entry)
const { clusterId } = IDENTITY
const digests = async () => ({ stateDigest: new Uint8Array(32).fill(1), dataDigest: new Uint8Array(32).fill(2) })

function openSnapshots(files: FileSystem, syncStepBytes = 1000, directory = DIRECTORY): Promise<FileSnapshotStore> {
  const nextTurn = (callback: () => void): void => void setImmediate(callback)
  return openSnapshotStore({ files, directory, clusterId, nextTurn, syncStepBytes })
}
/** As a walk gives them, in pieces of many lengths. */
async function* inPieces(pairs: readonly StatePair[]): AsyncGenerator<readonly StatePair[]> {
  for (let at = 0, length = 0; at < pairs.length; at += length, length = (length + 7) % 300) {
    yield pairs.slice(at, at + length)
  }
}
async function collect(pairs: AsyncIterable<StatePair>): Promise<StatePair[]> {
  const found: StatePair[] = []
  for await (const pair of pairs) found.push(pair)
  return found
}
/** Cheap to compare. */
const summary = ({ key, value }: StatePair): string => `${key} ${value.length} ${toHex(sha256(value))}`
function makePairs(count: number, bytes: number, seed = 0): StatePair[] {
  return Array.from({ length: count }, (_, i) => ({
    key: `\x01${String.fromCharCode(seed)}${String(i).padStart(6, '0')}`,
    value: new Uint8Array(bytes).fill(i + seed),
  }))
}
const take = (store: FileSnapshotStore, index: number, pairs: readonly StatePair[]): Promise<SnapshotInfo> =>
  store.create({ base: base(index), clusterId }, inPieces(pairs), digests)
const fileOf = ({ base: { index }, id }: SnapshotInfo): string =>
  `${DIRECTORY}/${index.toString(16).padStart(16, '0')}-${toHex(id).slice(0, 16)}.snap`

test('what was written comes back, on real files, with keys and values of any bytes and lengths', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'knhk-snapshots-'))
  try {
    const files = realFiles()
    const store = await openSnapshots(files, 1000, directory)
    const pairs = [
      { key: '', value: new Uint8Array(0) },
      { key: '\x00\xff', value: new Uint8Array(300_000).fill(7) },
      ...makePairs(3000, 200, 1),
      { key: '\xfe', value: new Uint8Array(262_144) },
      { key: '\xff', value: new Uint8Array([1]) },
    ]
    const info = await take(store, 9, pairs)
    expect(info.createdMs).toBeGreaterThan(0)
    await store.close()
    const again = await openSnapshots(files, 1000, directory)
    expect(again.list()).toEqual([info])
    expect((await collect(again.pairs(info.id))).map(summary)).toEqual(pairs.map(summary))
    const file = `${directory}/${path.basename(fileOf(info))}`
    expect(await verifySnapshot(files, file)).toEqual({ ok: true, id: toHex(info.id), problems: [] })
    const inspected = await inspectSnapshot(files, file)
    expect(inspected).toMatchObject({ pairs: 3004, bytes: info.bytes, base: { index: 9 }, id: toHex(info.id) })
    expect(inspected.keySpaces.map(({ prefix, pairs: count }) => [prefix, count])).toEqual([
      ['', 1],
      ['\x00', 1],
      ['\x01', 3000],
      ['\xfe', 1],
      ['\xff', 1],
    ])
    await expect(inspectSnapshot(files, `${directory}/none.snap`)).rejects.toMatchObject({ code: 'NotFound' })
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('the same state at the same index is the same file on every node', async () => {
  const pairs = makePairs(2000, 333)
  const [one, two] = [memoryFiles(), memoryFiles()]
  const first = await take(await openSnapshots(one), 7, pairs)
  const second = await take(await openSnapshots(two), 7, pairs)
  expect(second).toEqual(first)
  expect(Buffer.compare(two.content(fileOf(second)), one.content(fileOf(first)))).toBe(0)
  expect((await take(await openSnapshots(memoryFiles()), 7, makePairs(2000, 333, 1))).id).not.toEqual(first.id)
})

test('pairs of any sizes survive the cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.string({ unit: 'binary-ascii', maxLength: 20 }), { maxLength: 12 }),
      fc.array(fc.constantFrom(0, 1, 255, 262_100, 262_136, 262_144, 600_000), { minLength: 12, maxLength: 12 }),
      async (keys, sizes) => {
        const pairs = keys
          .sort((a, b) => (a < b ? -1 : 1))
          .map((key, i) => ({ key, value: new Uint8Array(sizes[i] ?? 0).fill(i) }))
        const store = await openSnapshots(memoryFiles(), 500_000)
        const { id } = await take(store, 3, pairs)
        const found = await collect(store.pairs(id))
        expect(found.map((pair) => [pair.key, pair.value.length, pair.value.at(-1)])).toEqual(
          pairs.map((pair) => [pair.key, pair.value.length, pair.value.at(-1)]),
        )
      },
    ),
    { numRuns: 20 },
  )
})

test('several snapshots are listed oldest first, and let go', async () => {
  const files = memoryFiles()
  const store = await openSnapshots(files)
  const infos = [
    await take(store, 20, makePairs(5, 5)),
    await take(store, 4, makePairs(3, 5)),
    await take(store, 12, []),
  ]
  expect(store.list().map((info) => info.base.index)).toEqual([4, 12, 20])
  await store.retain((info) => info.base.index === 12)
  expect(await files.readdir(DIRECTORY)).toEqual([path.basename(fileOf(infos[2] as SnapshotInfo))])
  expect(await store.read((infos[0] as SnapshotInfo).id, 0, 10)).toBeNull()
  await expect(collect(store.pairs((infos[0] as SnapshotInfo).id))).rejects.toMatchObject({ code: 'NotFound' })
  expect((await openSnapshots(files)).list()).toEqual([infos[2]])
})

test('a damaged snapshot is set aside at open, whichever byte it is, and verify says so', async () => {
  const files = memoryFiles()
  const info = await take(await openSnapshots(files), 5, makePairs(4, 30))
  const whole = files.content(fileOf(info))
  for (let offset = 0; offset < whole.length; offset += 7) {
    files.replace(fileOf(info), whole)
    files.flipBit(fileOf(info), offset, offset % 8)
    const verdict = await verifySnapshot(files, fileOf(info)).catch((error: { code: string }) => error.code)
    if (typeof verdict === 'string') expect(verdict).toBe('UnsupportedFormat')
    else expect([offset, verdict.ok]).toEqual([offset, false])
    const store = await openSnapshots(files)
    expect([offset, store.list(), store.problems.length]).toEqual([offset, [], 1])
    if (typeof verdict !== 'string') expect((await files.stat(`${fileOf(info)}.damaged`))?.size).toBe(whole.length)
  }
  for (const length of [0, 10, 100, whole.length - 1]) {
    files.replace(fileOf(info), whole.slice(0, length))
    expect((await openSnapshots(files)).list()).toEqual([])
  }
})

async function transfer(
  from: FileSnapshotStore,
  to: FileSnapshotStore,
  info: SnapshotInfo,
  until = info.bytes,
  step = 700,
): Promise<SnapshotInfo | null> {
  const reception = await to.receive(info)
  while (reception.offset < until) {
    const bytes = await from.read(info.id, reception.offset, Math.min(step, until - reception.offset))
    await reception.write(bytes as Uint8Array)
  }
  return until === info.bytes ? reception.finish() : null
}

test('a transfer goes on where it was durable, after the loss of a link, a kill or a power failure', async () => {
  const source = await openSnapshots(memoryFiles())
  const info = await take(source, 8, makePairs(100, 90))
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed)
    const files = memoryFiles({ random })
    const sent = Math.floor(random() * info.bytes)
    const target = await openSnapshots(files)
    await transfer(source, target, info, sent)
    expect((await target.receive(info)).offset).toBe(sent)
    if (seed % 2 === 0) files.kill()
    else files.crash()
    const again = await openSnapshots(files)
    expect(again.list()).toEqual([])
    const reception = await again.receive(info)
    expect(reception.offset % 1000).toBe(0)
    if (seed % 2 === 0) expect(reception.offset).toBeGreaterThan(sent - 1001)
    const found = await transfer(source, again, info)
    expect(found).toEqual(info)
    files.crash()
    const last = await openSnapshots(files)
    expect([seed, last.list(), last.problems]).toEqual([seed, [info], []])
    expect((await last.receive(info)).offset).toBe(info.bytes)
    expect(await collect(last.pairs(info.id))).toEqual(makePairs(100, 90))
  }
})

test('bytes that are not the snapshot on offer are refused, and nothing of them is kept', async () => {
  const source = await openSnapshots(memoryFiles())
  const info = await take(source, 8, makePairs(50, 90))
  const files = memoryFiles()
  const target = await openSnapshots(files)
  for (const offset of [3, 60, 1500, info.bytes - 10]) {
    const reception = await target.receive(info)
    const bytes = ((await source.read(info.id, 0, info.bytes)) as Uint8Array).slice()
    bytes[offset] = (bytes[offset] as number) ^ 1
    await reception.write(bytes)
    await expect(reception.finish()).rejects.toMatchObject({ code: 'Corrupt' })
    expect(await files.readdir(DIRECTORY)).toEqual([])
  }
  const lying = { ...info, base: base(9) }
  await expect(transfer(source, target, lying)).rejects.toMatchObject({ code: 'Corrupt' })
  const long = await target.receive(info)
  await expect(long.write(new Uint8Array(info.bytes + 1))).rejects.toMatchObject({ code: 'Corrupt' })
  const other = await take(source, 9, makePairs(2, 90))
  expect(await transfer(source, target, other)).toEqual(other)
  expect(await files.readdir(DIRECTORY)).toEqual([path.basename(fileOf(other))])
})

test('a crash or a failed write at any file operation leaves a whole snapshot or none', async () => {
  const outcomes = new Set<number>()
  const run = async (files: MemoryFiles, count: { value: number }): Promise<boolean> => {
    const store = await openSnapshots(files)
    await take(store, 3, makePairs(5, 5))
    count.value = 0
    return take(store, 8, makePairs(40, 50)).then(
      () => true,
      (error: { code: string }) => {
        expect(error.code).toBe('DiskFull')
        return false
      },
    )
  }
  let done = false
  for (let stopAt = 1; !done; stopAt++) {
    const count = { value: Number.NEGATIVE_INFINITY }
    const files = memoryFiles({
      random: seededRandom(stopAt),
      fault: () => (++count.value >= stopAt ? { kind: 'error', code: 'ENOSPC', keptBytes: 9 } : undefined),
    })
    done = await run(files, count)
    count.value = Number.NEGATIVE_INFINITY
    files.crash()
    const again = await openSnapshots(files)
    expect([stopAt, again.problems]).toEqual([stopAt, []])
    const found = again.list().map((info) => info.base.index)
    expect([stopAt, found[0], found.length === 1 || found[1] === 8]).toEqual([stopAt, 3, true])
    if (done) expect(found).toEqual([3, 8])
    outcomes.add(found.length)
    expect((await files.readdir(DIRECTORY)).every((name) => name.endsWith('.snap'))).toBe(true)
  }
  expect([...outcomes].sort()).toEqual([1, 2])
})

test('relies on a file only once its name is durable, whoever renamed it', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    // Killed between the rename and the sync of the directory: the name is there, and not durable.
    let renamed = false
    const files = memoryFiles({
      random: seededRandom(seed),
      fault: (operation) => {
        if (operation === 'rename') renamed = true
        return renamed && operation === 'syncDirectory' ? { kind: 'error', code: 'EIO' } : undefined
      },
    })
    const store = await openSnapshots(files)
    await expect(take(store, 9, makePairs(10, 10))).rejects.toThrow()
    files.kill()
    renamed = false
    const again = await openSnapshots(files)
    expect(again.list().map(({ base: { index } }) => index)).toEqual([9])
    files.crash()
    expect((await openSnapshots(files)).list().map(({ base: { index } }) => index)).toEqual([9])
  }
})
