/**
 * Small file helpers of this room: writing a file so that it is there whole or not at all, and telling
 * a missing file from an unreadable one.
 */
import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KnhkError } from '../base/error.js'

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Writes `text` to a temporary name, syncs it, renames it into place and syncs the directory. */
export async function writeFileAtomically(path: string, text: string, mode = 0o644): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'w', mode)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw fileError(path, 'written', cause)
  }
}

/** The text of a file, null when there is none; `InvalidFile` when it cannot be read. */
export async function readTextIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return null
    throw fileError(path, 'read', cause)
  }
}

export function errnoOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code
}

/** `NotFound` for what is not there, `InvalidFile` for what is there but cannot be used. */
export function fileError(path: string, what: string, cause: unknown): KnhkError {
  if (errnoOf(cause) === 'ENOENT') {
    return new KnhkError('NotFound', `there is no ${path}`, { cause, hint: 'Check the path.', details: { path } })
  }
  return new KnhkError('InvalidFile', `${path} cannot be ${what} (${errnoOf(cause) ?? 'unknown reason'})`, {
    cause,
    details: { path },
  })
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } catch (error) {
    // Some systems have no sync for directories; there the rename itself is the guarantee.
    if (!['EINVAL', 'EPERM', 'EISDIR'].includes(errnoOf(error) ?? '')) throw error
  } finally {
    await directory.close()
  }
}
