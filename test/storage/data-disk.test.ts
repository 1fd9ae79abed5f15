/**
 * Shows when a disk counts as full and when it does no more, what a data directory is said to take, and that the
 * ballast is there while there is plenty of room and gone when a node ends for want of it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import type { DiskSettings, DiskUsage } from '../../src/node/ports.js'
import { BALLAST_FILE, DataDisk, segmentBytesFor } from '../../src/storage/data-disk.js'
import { DiskQuota, reserveBytes } from '../../src/storage/disk-quota.js'
import { storageFailed } from '../../src/storage/files.js'
import { MemoryFiles } from '../../src/storage/memory-files.js'
import { realFiles } from '../../src/storage/real-files.js'

const MIB = 1 << 20
const GIB = 1 << 30
const NONE: DiskSettings = { quotaBytes: null, reserveBytes: null, ballastBytes: 0 }

function usage(usedMiB: number, freeMiB: number): DiskUsage {
  return { usedBytes: usedMiB * MIB, freeBytes: freeMiB * MIB, totalBytes: 100 * GIB }
}

test('what is kept free is 256 MiB, of a small disk a twentieth, or what was said', () => {
  expect(reserveBytes(NONE, 100 * GIB)).toBe(256 * MIB)
  expect(reserveBytes(NONE, 1000 * MIB)).toBe(50 * MIB)
  expect(reserveBytes({ ...NONE, reserveBytes: 7 }, 100 * GIB)).toBe(7)
})

test('a quota is near from four fifths on, reached at its end, and clear again only below nine tenths', () => {
  const quota = new DiskQuota({ ...NONE, quotaBytes: 100 * MIB })
  const standings = [79, 80, 99, 100, 120, 95, 90, 89, 95, 70, 100].map((used) => quota.note(usage(used, 5000)))
  const [below, ...rest] = standings
  expect(below).toBe('roomy')
  expect(rest).toEqual(['near', 'near', 'full', 'full', 'full', 'full', 'near', 'near', 'roomy', 'full'])
})

test('free space is near at two reserves, out at one, and there again above one and a quarter', () => {
  const quota = new DiskQuota({ ...NONE, reserveBytes: 100 * MIB })
  const standings = [201, 200, 101, 100, 101, 125, 126, 102, 201].map((free) => quota.note(usage(1, free)))
  expect(standings).toEqual(['roomy', 'near', 'near', 'full', 'full', 'full', 'near', 'near', 'roomy'])
})

test('without a reserve a disk is full when nothing is left', () => {
  const quota = new DiskQuota({ ...NONE, reserveBytes: 0 })
  expect([1, 0, 1].map((free) => quota.note(usage(1, free)))).toEqual(['roomy', 'full', 'roomy'])
})

test('either limit makes a disk full, and both have to be clear again', () => {
  const quota = new DiskQuota({ ...NONE, quotaBytes: 100 * MIB, reserveBytes: 100 * MIB })
  expect(quota.note(usage(100, 5000))).toBe('full')
  expect(quota.note(usage(10, 110))).toBe('full')
  expect(quota.note(usage(10, 5000))).toBe('roomy')
  expect(quota.roomBytes(usage(60, 120))).toBe(20 * MIB)
  expect(quota.roomBytes(usage(60, 5000))).toBe(40 * MIB)
})

test('a quota has room for several segments of the log', () => {
  expect(segmentBytesFor(NONE)).toBe(64 * MIB)
  expect(segmentBytesFor({ ...NONE, quotaBytes: 16 * MIB })).toBe(MIB)
  expect(segmentBytesFor({ ...NONE, quotaBytes: 100 * GIB })).toBe(64 * MIB)
})

async function write(files: MemoryFiles, path: string, bytes: number): Promise<void> {
  const handle = await files.open(path, 'create')
  await handle.append([new Uint8Array(bytes)])
  await handle.close()
}

/** A disk of 10 MiB with a data directory that takes 3,000 bytes. */
async function world(ballastBytes: number) {
  const files = new MemoryFiles({ random: () => 0.5, totalBytes: 10 * MIB })
  await files.mkdir('/data/log')
  await files.mkdir('/data/state/lost')
  await write(files, '/data/log/1', 1000)
  await write(files, '/data/state/2', 1500)
  await write(files, '/data/state/lost/3', 500)
  const settings = { quotaBytes: 8 * MIB, reserveBytes: MIB, ballastBytes }
  const sizeOfBallast = async () => (await files.stat(`/data/${BALLAST_FILE}`))?.size ?? null
  return { files, disk: new DataDisk(files, '/data', settings), settings, sizeOfBallast }
}

test('a data directory takes what its files take, without the ballast', async () => {
  const { files, disk } = await world(MIB)
  expect(await disk.measure()).toEqual({ usedBytes: 3000, freeBytes: 10 * MIB - 3000, totalBytes: 10 * MIB })
  await disk.keepBallast()
  await write(files, '/data/log/4', 7)
  expect(await disk.measure()).toMatchObject({ usedBytes: 3007, freeBytes: 9 * MIB - 3007 })
})

test('the ballast is made once, and made anew where it was not finished', async () => {
  const { files, disk, settings, sizeOfBallast } = await world(MIB)
  await disk.keepBallast()
  expect(disk.ballastBytes).toBe(MIB)
  expect(await sizeOfBallast()).toBe(MIB)
  const before = files.content(`/data/${BALLAST_FILE}`)
  // A later run finds it as it is.
  const later = new DataDisk(files, '/data', settings)
  await later.keepBallast()
  expect(later.ballastBytes).toBe(MIB)
  expect(Buffer.from(files.content(`/data/${BALLAST_FILE}`)).equals(before)).toBe(true)
  files.replace(`/data/${BALLAST_FILE}`, new Uint8Array(5))
  await new DataDisk(files, '/data', settings).keepBallast()
  expect(await sizeOfBallast()).toBe(MIB)
  // Nobody wants one any more.
  await new DataDisk(files, '/data', { ...settings, ballastBytes: 0 }).keepBallast()
  expect(await sizeOfBallast()).toBeNull()
})

test('where a ballast would take much of the room that is left there is none', async () => {
  const { disk, sizeOfBallast } = await world(3 * MIB)
  await disk.keepBallast()
  expect(await sizeOfBallast()).toBeNull()
  expect(disk.ballastBytes).toBe(0)
})

test('a node that ends for a full disk gives its ballast up, and makes none again; one that ends otherwise keeps it', async () => {
  const { disk, sizeOfBallast } = await world(MIB)
  await disk.keepBallast()
  await disk.leave(new KnhkError('StorageFailed', 'an EIO'))
  expect(await sizeOfBallast()).toBe(MIB)
  await disk.leave(new KnhkError('DiskFull', 'an ENOSPC'))
  expect(await sizeOfBallast()).toBeNull()
  await disk.keepBallast()
  expect(await sizeOfBallast()).toBeNull()
})

test('a start on a disk without room begins by giving the ballast up, one with room keeps it', async () => {
  const { files, disk, settings, sizeOfBallast } = await world(MIB)
  await disk.keepBallast()
  await new DataDisk(files, '/data', settings).prepareStart()
  expect(await sizeOfBallast()).toBe(MIB)
  await write(files, '/data/log/5', 8 * MIB)
  await new DataDisk(files, '/data', settings).prepareStart()
  expect(await sizeOfBallast()).toBeNull()
})

test('a start on a directory that is not there leaves it to others to say so', async () => {
  const files = new MemoryFiles({ random: () => 0.5 })
  files.space = async () => Promise.reject(new Error('ENOENT'))
  await expect(new DataDisk(files, '/data', NONE).prepareStart()).resolves.toBeUndefined()
})

test('a real directory is measured, and holds a real ballast', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'knhk-disk-'))
  try {
    await writeFile(join(directory, 'one'), new Uint8Array(4321))
    const disk = new DataDisk(realFiles(), directory, { ...NONE, reserveBytes: 0, ballastBytes: MIB })
    await disk.keepBallast()
    expect(await readFile(join(directory, BALLAST_FILE))).toHaveLength(MIB)
    const { usedBytes, freeBytes, totalBytes } = await disk.measure()
    expect(usedBytes).toBe(4321)
    expect(freeBytes).toBeGreaterThan(0)
    expect(totalBytes).toBeGreaterThan(freeBytes)
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a full disk is known by its code, and by the words of a database', () => {
  const coded = Object.assign(new Error('no'), { code: 'ENOSPC' })
  const worded = new Error('the batch failed', { cause: new Error('IO error: 000005.log: No space left on device') })
  expect(storageFailed('x', coded).code).toBe('DiskFull')
  expect(storageFailed('x', worded).code).toBe('DiskFull')
  expect(storageFailed('x', new Error('IO error: 000005.log: Input/output error')).code).toBe('StorageFailed')
})
