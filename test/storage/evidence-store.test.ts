/**
 * Shows that evidence is there as a whole or not at all after a crash at any file operation, stays once
 * it was reported as kept, is bounded, and that a damaged piece is set aside and can be taken in again.
 */
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import { EVIDENCE_FILES_MAX, type FileEvidenceStore, openEvidenceStore } from '../../src/storage/evidence-store.js'
import { seededRandom } from '../random.js'
import { memoryFiles, sha256 } from './journal-fixture.js'

const DIRECTORY = 'data/evidence'
const piece = (seed: number): Uint8Array => new Uint8Array(200 + seed).fill(seed)
const idOf = (seed: number): Uint8Array => sha256(piece(seed))
const fileOf = (seed: number): string => `${DIRECTORY}/${toHex(idOf(seed))}`
const keep = (store: FileEvidenceStore, seed: number): Promise<boolean> => store.put(idOf(seed), piece(seed))

test('evidence is kept once, listed in order, and read back after a restart', async () => {
  const files = memoryFiles()
  const store = await openEvidenceStore(files, DIRECTORY)
  expect(store.list()).toEqual([])
  // At the same time, as when several members tell of it.
  expect(await Promise.all([keep(store, 1), keep(store, 2), keep(store, 1)])).toEqual([true, true, true])
  files.crash()
  const again = await openEvidenceStore(files, DIRECTORY)
  expect(again.list().map(toHex)).toEqual([1, 2].map((seed) => toHex(idOf(seed))).sort())
  expect([again.has(idOf(2)), again.has(idOf(3))]).toEqual([true, false])
  expect(await again.read(idOf(2))).toEqual(piece(2))
  expect(await again.read(idOf(3))).toBeNull()
})

test('a crash at any file operation leaves a whole piece or none, and what was reported as kept', async () => {
  const outcomes = new Set<number>()
  let done = false
  for (let stopAt = 1; !done; stopAt++) {
    for (let seed = 1; seed <= 8; seed++) {
      let counted = Number.NEGATIVE_INFINITY
      const files = memoryFiles({
        random: seededRandom(seed * 50 + stopAt),
        fault: () => (++counted >= stopAt ? { kind: 'error', code: 'EIO', keptBytes: seed * 20 } : undefined),
      })
      const store = await openEvidenceStore(files, DIRECTORY)
      await keep(store, 1)
      counted = 0
      done = await keep(store, 2).catch((error: { code: string }) => {
        expect(error.code).toBe('StorageFailed')
        return false
      })
      counted = Number.NEGATIVE_INFINITY
      if (seed % 2 === 0) files.kill()
      else files.crash()
      const again = await openEvidenceStore(files, DIRECTORY)
      const note = `operation ${stopAt}, seed ${seed}`
      expect([note, again.damaged, await again.read(idOf(1))]).toEqual([note, [], piece(1)])
      if (done) expect([note, again.has(idOf(2))]).toEqual([note, true])
      if (again.has(idOf(2))) expect([note, await again.read(idOf(2))]).toEqual([note, piece(2)])
      outcomes.add(again.list().length)
      // What is listed is durable from then on, and what failed can be tried again.
      const before = again.list().length
      files.crash()
      const third = await openEvidenceStore(files, DIRECTORY)
      expect([note, third.list().length]).toEqual([note, before])
      expect(await keep(third, 2)).toBe(true)
      expect((await files.readdir(DIRECTORY)).every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true)
    }
  }
  expect([...outcomes].sort()).toEqual([1, 2])
})

test('a failed write is tried again by the next call', async () => {
  let failing = true
  const files = memoryFiles({
    fault: (operation) => (operation === 'datasync' && failing ? { kind: 'error', code: 'ENOSPC' } : undefined),
  })
  const store = await openEvidenceStore(files, DIRECTORY)
  await expect(keep(store, 1)).rejects.toMatchObject({ code: 'DiskFull' })
  expect(store.has(idOf(1))).toBe(false)
  failing = false
  expect(await keep(store, 1)).toBe(true)
})

test('a damaged piece is set aside at open, whichever byte it is, and can come again', async () => {
  const files = memoryFiles()
  await keep(await openEvidenceStore(files, DIRECTORY), 1)
  const whole = files.content(fileOf(1))
  for (let offset = 0; offset < whole.length; offset += 5) {
    files.replace(fileOf(1), whole)
    files.flipBit(fileOf(1), offset, offset % 8)
    const store = await openEvidenceStore(files, DIRECTORY)
    expect([offset, store.list(), store.damaged]).toEqual([offset, [], [toHex(idOf(1))]])
    expect((await files.stat(`${fileOf(1)}.damaged`))?.size).toBe(whole.length)
    expect(await keep(store, 1)).toBe(true)
  }
  const store = await openEvidenceStore(files, DIRECTORY)
  files.flipBit(fileOf(1), 40, 1)
  await expect(store.read(idOf(1))).rejects.toMatchObject({ code: 'Corrupt' })
})

test('the number of pieces is bounded: the first ones are kept', async () => {
  const files = memoryFiles()
  const store = await openEvidenceStore(files, DIRECTORY)
  const ids = Array.from({ length: EVIDENCE_FILES_MAX + 1 }, (_, i) => sha256(new Uint8Array([i & 255, i >> 8])))
  for (const id of ids.slice(0, EVIDENCE_FILES_MAX)) expect(await store.put(id, piece(0))).toBe(true)
  expect(await store.put(ids.at(-1) as Uint8Array, piece(0))).toBe(false)
  expect(await store.put(ids[0] as Uint8Array, piece(0))).toBe(true)
  const again = await openEvidenceStore(files, DIRECTORY)
  expect(again.list()).toHaveLength(EVIDENCE_FILES_MAX)
  expect(again.has(ids.at(-1) as Uint8Array)).toBe(false)
})
