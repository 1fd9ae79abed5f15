/**
 * One `up` or `down` at a time on a directory: a lock file that holds the process id of its owner, so
 * that a lock whose owner died is taken over. It only orders convenience commands; what protects the
 * data is the lock that each node holds on its own data directory.
 */
import { mkdir, open, readFile, rm, rmdir, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../base/error.js'
import { errnoOf, fileError } from './files.js'
import { isAlive } from './processes.js'

const POLL_MS = 50
/** A take-over takes two file operations; one this old was left behind by a crash. */
const TAKEOVER_MS_MAX = 10_000

export interface LockOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** Runs `work` while holding the lock at `path`. Throws `DeadlineExceeded` when another process keeps it. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const expiresAtMs = performance.now() + options.timeoutMs
  while (!(await tryLock(path))) {
    options.signal?.throwIfAborted()
    if (performance.now() > expiresAtMs) {
      throw new KnhkError('DeadlineExceeded', `another knhk process works on ${path}`, {
        hint: 'Wait for it, or stop it.',
        details: { path, owner: await ownerOf(path) },
      })
    }
    await delay(POLL_MS)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    await file.writeFile(String(process.pid)).finally(() => file.close())
    return true
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw fileError(path, 'written', error)
  }
  const owner = await ownerOf(path)
  if (owner !== null && isAlive(owner)) return false
  await removeStale(path, owner)
  return false
}

/** The process id in the lock; null while it is being written or when it is gone. */
async function ownerOf(path: string): Promise<number | null> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const pid = Number(text)
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null
}

/** Removes the lock of a dead owner; making a directory decides which of several does it. */
async function removeStale(path: string, owner: number | null): Promise<void> {
  const claim = `${path}.takeover`
  try {
    await mkdir(claim)
  } catch {
    const age = await stat(claim).then(
      (stats) => Date.now() - stats.mtimeMs,
      () => 0,
    )
    if (age > TAKEOVER_MS_MAX) await rmdir(claim).catch(() => undefined)
    return
  }
  try {
    const age = await stat(path).then(
      (stats) => Date.now() - stats.mtimeMs,
      () => 0,
    )
    const unchanged = (await ownerOf(path)) === owner
    // An empty lock may belong to a process that is just about to write its id.
    if (unchanged && (owner !== null || age > TAKEOVER_MS_MAX)) await rm(path, { force: true })
  } finally {
    await rmdir(claim)
  }
}
