/** Shows that a log gives back after a restart what was appended, on memory and on real files. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { logIndex } from '../../src/consensus/types.js'
import type { FileSystem } from '../../src/storage/files.js'
import { createLog, openLog } from '../../src/storage/open-log.js'
import { realFiles } from '../../src/storage/real-files.js'
import { IDENTITY, LOG, makeBody, makeEntries, memoryFiles, storeEntries, storeVote } from './journal-fixture.js'

const directories: string[] = []
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true })
})

async function realDisk(): Promise<{ files: FileSystem; directory: string }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'knhk-log-'))
  directories.push(directory)
  return { files: realFiles(), directory: `${directory}/log` }
}

const disks = {
  'memory files': async (): Promise<{ files: FileSystem; directory: string }> => ({
    files: memoryFiles(),
    directory: LOG,
  }),
  'real files': realDisk,
}

describe.each(Object.entries(disks))('on %s', (_, disk) => {
  test('entries, truncations and votes come back after a restart, over several segments', async () => {
    const { files, directory } = await disk()
    await files.mkdir(directory)
    await createLog(files, directory, IDENTITY)
    const options = { files, directory, identity: IDENTITY, segmentBytesMax: 8192 }
    const log = await openLog(options)
    const old = makeEntries(null, 60)
    for (const entry of old.slice(0, 50)) await log.append([storeEntries([entry])])
    await log.append([storeVote(2, 'n2'), storeEntries(old.slice(50))])
    const replaced = makeEntries(old[39] ?? null, 30, 2, (index) => makeBody(index, 2, index === 45 ? 6000 : 100))
    await log.append([
      { kind: 'truncate', from: logIndex(41) },
      storeEntries(replaced.slice(0, 10)),
      storeVote(3, null),
    ])
    await log.append([storeEntries(replaced.slice(10))])
    const expected = [...old.slice(0, 40), ...replaced]
    for (const cleanly of [false, true]) {
      const reopened = await openLog(options)
      expect(reopened.restored).toMatchObject({ lastIndex: 70, mayVote: true, hardState: { term: 3, votedFor: null } })
      expect(reopened.report).toEqual({ problems: [], cutTail: null, repaired: [] })
      expect(reopened.restored.termRuns.map((run) => [run.first, run.term])).toEqual([
        [1, 1],
        [41, 2],
      ])
      expect(reopened.restored.tail).toHaveLength(70)
      const read = []
      while (read.length < 70) read.push(...(await reopened.read(logIndex(read.length + 1), 3000)))
      expect(read.map((entry) => Buffer.from(entry.header).toString('hex'))).toEqual(
        expected.map((entry) => Buffer.from(entry.header).toString('hex')),
      )
      expect(read.every((entry, i) => Buffer.compare(entry.body, expected[i]?.body as Uint8Array) === 0)).toBe(true)
      if (cleanly) await reopened.close()
    }
    expect((await files.readdir(directory)).length).toBeGreaterThan(4)
    await log.close().catch(() => undefined)
  })

  test('headers count bytes and operations and stop at the limit', async () => {
    const { files, directory } = await disk()
    await files.mkdir(directory)
    await createLog(files, directory, IDENTITY)
    const log = await openLog({ files, directory, identity: IDENTITY })
    const entries = makeEntries(null, 10, 1, (index) => makeBody(index, index))
    await log.append([storeEntries(entries)])
    const headers = await log.headers(logIndex(3), logIndex(9), 5)
    expect(headers.map((found) => [found.header.index, found.operations])).toEqual([
      [3, 3],
      [4, 4],
      [5, 5],
      [6, 6],
      [7, 7],
    ])
    expect(headers[0]?.bytes).toBe(176 + (entries[2]?.body.length ?? 0))
    expect(await log.read(logIndex(11), 1000)).toEqual([])
    await log.close()
  })
})
