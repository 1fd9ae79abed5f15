/** How fast a directory takes small synced writes: what a node does for every entry. */
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'

const WRITES = 100
const WRITE_BYTES = 4096

export interface DiskSpeed {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly freeBytes: number
}

/** Writes to a file of its own in `directory` and removes it. Rejects with the error of the file system. */
export async function measureDisk(directory: string): Promise<DiskSpeed> {
  const path = join(directory, `.knhk-check-${process.pid}`)
  const file = await open(path, 'wx', 0o600)
  const timesMs: number[] = []
  try {
    const bytes = Buffer.alloc(WRITE_BYTES, 1)
    for (let i = 0; i < WRITES; i++) {
      const beginMs = performance.now()
      await file.write(bytes)
      await file.datasync()
      timesMs.push(performance.now() - beginMs)
    }
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
  timesMs.sort((a, b) => a - b)
  const { bavail, bsize } = await statfs(directory)
  return { p50Ms: at(timesMs, 0.5), p99Ms: at(timesMs, 0.99), freeBytes: bavail * bsize }
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}
