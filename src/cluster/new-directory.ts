/**
 * A directory that is there whole or not at all: made beside its place under another name and renamed
 * when everything in it is durable. What an interrupted attempt left goes with the next one.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KnhkError } from '../base/error.js'
import { errnoOf, fileError } from './files.js'
import { withLock } from './lock.js'

const LOCK_TIMEOUT_MS = 10_000

/**
 * Runs `make` on an empty directory that becomes `path`. Throws `Refused` where `path` holds anything,
 * and what `make` throws; `path` is as it was then.
 */
export async function makeDirectoryWhole<T>(path: string, make: (staging: string) => Promise<T>): Promise<T> {
  await requireEmpty(path)
  const staging = `${path}.unfinished`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((cause) => {
    throw fileError(dirname(path), 'made', cause)
  })
  return withLock(`${staging}.lock`, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
    try {
      await rm(staging, { recursive: true, force: true })
      await mkdir(staging, { mode: 0o700 })
      const made = await make(staging)
      // Another process may have put something there meanwhile: renaming onto it fails.
      await rename(staging, path)
      await syncDirectory(dirname(path))
      return made
    } catch (error) {
      await rm(staging, { recursive: true, force: true }).catch(() => undefined)
      if (error instanceof KnhkError || errnoOf(error) === undefined) throw error
      throw fileError(path, 'made', error)
    }
  })
}

/** Throws `Refused` where `path` is there and is no empty directory. */
export async function requireEmpty(path: string): Promise<void> {
  const names = await readdir(path).catch((error) => {
    if (errnoOf(error) === 'ENOENT') return []
    if (errnoOf(error) === 'ENOTDIR') return [path]
    throw fileError(path, 'read', error)
  })
  if (names.length === 0) return
  throw new KnhkError('Refused', `${path} is not empty`, {
    hint: 'A new cluster needs a directory of its own: name one that does not exist yet.',
    details: { path },
  })
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  await directory.sync().finally(() => directory.close())
}
