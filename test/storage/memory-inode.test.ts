/** Shows what the simulated disk keeps of a file after a failed sync. */
import { expect, it } from 'vitest'
import { MemoryInode } from '../../src/storage/memory-inode.js'

it('a truncation that a failed sync lost comes with the next one that works: the system knows how long the file is', () => {
  const inode = MemoryInode.of(new Uint8Array(10))
  inode.write(10, new Uint8Array(100))
  inode.truncate(10)
  const fates = [0.1, 0.9]
  inode.failSync(() => fates.shift() as number)
  inode.write(10, new Uint8Array(3))
  inode.sync()
  inode.crash(() => 0)
  expect(inode.size).toBe(13)
})
