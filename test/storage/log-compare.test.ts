/**
 * Shows where two logs part: nowhere, at an entry, at an entry of which only the term differs, before the
 * base of a compacted log; and that a log which only goes on further is no other one.
 */
import { expect, test } from 'vitest'
import { hasCode } from '../../src/base/error.js'
import type { Entry } from '../../src/consensus/entry.js'
import { compareLogs } from '../../src/storage/log-compare.js'
import type { MemoryFiles } from '../../src/storage/memory-files.js'
import { createLog, openLog } from '../../src/storage/open-log.js'
import { baseAt, IDENTITY, makeBody, makeEntries, memoryFiles, storeBase, storeEntries } from './journal-fixture.js'

async function logOf(files: MemoryFiles, directory: string, entries: readonly Entry[], base: Entry | null = null) {
  await files.mkdir(directory)
  await createLog(files, directory, IDENTITY)
  const log = await openLog({ files, directory, identity: IDENTITY })
  if (entries.length > 0) await log.append([storeEntries(entries)])
  if (base !== null) await log.append([storeBase(baseAt(base))])
  await log.close()
}

const common = makeEntries(null, 20)

async function compare(
  a: readonly [readonly Entry[], Entry?],
  b: readonly [readonly Entry[], Entry?],
): ReturnType<typeof compareLogs> {
  const files = memoryFiles()
  await logOf(files, 'a', a[0], a[1] ?? null)
  await logOf(files, 'b', b[0], b[1] ?? null)
  return compareLogs(files, 'a', 'b')
}

test('equal logs, and one that goes on further', async () => {
  expect(await compare([common], [common])).toMatchObject({ from: 0, to: 20, partsAt: null })
  const shorter = await compare([common.slice(0, 12)], [common])
  expect(shorter).toMatchObject({ to: 12, partsAt: null, a: { lastIndex: 12 }, b: { lastIndex: 20 } })
})

test('the first entry that differs', async () => {
  const other = makeEntries(common[6] as Entry, 13, 1, (seed) => makeBody(seed + 100))
  const found = await compare([common], [[...common.slice(0, 7), ...other]])
  expect(found).toMatchObject({ partsAt: 8, differs: ['chain', 'batchDigest'], beforeCommonRange: false })
})

test('an entry of the same content in another term', async () => {
  const later = makeEntries(common[6] as Entry, 13, 2)
  const found = await compare([common], [[...common.slice(0, 7), ...later]])
  expect(found).toMatchObject({ partsAt: 8, differs: ['term'] })
})

test('a compacted log is compared from its base on', async () => {
  const base = common[9] as Entry
  expect(await compare([common, base], [common])).toMatchObject({
    from: 10,
    to: 20,
    partsAt: null,
    a: { baseIndex: 10 },
  })
  // Nothing but the base is in both.
  expect(await compare([common, common[19] as Entry], [common])).toMatchObject({ from: 20, to: 20, partsAt: null })
  const other = makeEntries(null, 20, 1, (seed) => makeBody(seed + 100))
  expect(await compare([common, base], [other])).toMatchObject({ partsAt: 10, beforeCommonRange: true })
})

test('no index in common', async () => {
  const failed = await compare([common, common[14] as Entry], [common.slice(0, 5)]).catch((error: unknown) => error)
  expect(hasCode(failed, 'NotFound')).toBe(true)
})
