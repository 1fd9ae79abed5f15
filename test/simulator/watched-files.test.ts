/** What the simulator knows for sure of a file: only what a sync of this very life has covered. */
import { expect, test } from 'vitest'
import { Failpoints } from '../../src/simulator/failpoints.js'
import { WatchedFiles } from '../../src/simulator/watched-files.js'
import { MemoryFiles } from '../../src/storage/memory-files.js'

const PATH = '/log/segment'

function watched(): { files: MemoryFiles; watch: WatchedFiles } {
  const files = new MemoryFiles({ random: () => 0 })
  return { files, watch: new WatchedFiles(files, new Failpoints(), '/snapshots') }
}

/** A file with two appends, each synced, the second one at byte 4. */
async function twoAppends(watch: WatchedFiles) {
  await watch.mkdir('/log')
  const handle = await watch.open(PATH, 'create')
  await watch.syncDirectory('/log')
  for (let append = 0; append < 2; append++) {
    await handle.append([Uint8Array.of(1, 2, 3, 4)])
    await handle.datasync()
  }
  return handle
}

test('what stands before the last synced append is certain', async () => {
  const { watch } = watched()
  await twoAppends(watch)
  expect(watch.certainBytes(PATH)).toBe(4)
  expect(watch.lastSynced).toEqual({ path: PATH, start: 4 })
})

test('a sync after a restart makes nothing certain of an append that the crash took', async () => {
  const { files, watch } = watched()
  const handle = await twoAppends(watch)
  await handle.append([Uint8Array.of(5, 6, 7, 8)])
  expect(watch.hasUnsynced('/log')).toBe(true)
  files.crash()
  watch.forgetUnsynced()
  const again = await watch.open(PATH, 'append')
  await again.datasync()
  expect(watch.certainBytes(PATH)).toBe(4)
  expect(watch.lastSynced).toBeNull()
})

test('a file that is cut at its last synced append has nothing certain left', async () => {
  const { watch } = watched()
  const handle = await twoAppends(watch)
  await handle.truncate(6)
  expect(watch.certainBytes(PATH)).toBe(4)
  await handle.truncate(4)
  expect(watch.certainBytes(PATH)).toBe(0)
})
