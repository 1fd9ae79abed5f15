/**
 * The small file interface under the journal and the data directory. The production node gets
 * `real-files.ts`, tests and the simulator get `memory-files.ts`, so every disk fault is injected
 * under the production code. docs/data-directory.md says what we assume of a disk behind it.
 */
import { KnhkError } from '../base/error.js'

/** One open file. Operations on a handle are never issued at the same time, reads excepted. */
export interface FileHandle {
  /** Bytes in the file as this handle knows it: at open, plus what it appended, less what it cut. */
  readonly size: number
  /** Writes all parts, in order, at the end of the file. Short writes are continued; an error may leave a part of the bytes. */
  append(parts: readonly Uint8Array[]): Promise<void>
  /** Makes data and size durable. */
  datasync(): Promise<void>
  /** `append` and `datasync` in one: resolves when the bytes are durable. */
  appendDurably(parts: readonly Uint8Array[]): Promise<void>
  /** Writes over bytes that are in the file already. */
  rewrite(bytes: Uint8Array, position: number): Promise<void>
  /** Fills `target` from `position`; returns how many bytes there were, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** `read`: must exist. `append`: must exist. `create`: must not exist. */
export type OpenMode = 'read' | 'append' | 'create'

export interface FileStatus {
  readonly kind: 'file' | 'directory'
  readonly size: number
  /** When the content last changed; 0 where that is unknown. */
  readonly modifiedMs: number
}

/** Of a file system. */
export interface DiskSpace {
  /** To this process. */
  readonly freeBytes: number
  readonly totalBytes: number
}

/** Paths use `/`. Errors are the operating system's, with its `code` (ENOENT, EIO, ENOSPC, …). */
export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<FileHandle>
  /** Atomic within a file system; replaces the target. Durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Names in a directory, sorted. */
  readdir(path: string): Promise<string[]>
  /** Creates a directory and its missing parents, durably; fine where it exists. */
  mkdir(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  /** Null where nothing has this name. */
  stat(path: string): Promise<FileStatus | null>
  /** Of the file system that holds `path`. */
  space(path: string): Promise<DiskSpace>
}

/** The operating system's code of an error, '' where it has none. */
export function systemErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** The disk has no room left, or a limit of the operating system is reached; a database says so in words. */
function tellsFullDisk(error: unknown): boolean {
  const code = systemErrorCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return true
  if (!(error instanceof Error)) return false
  return /No space left on device|quota exceeded/i.test(error.message) || tellsFullDisk(error.cause)
}

/** Turns the error of a write or a sync into the final `StorageFailed`; errors of ours pass. */
export function storageFailed(what: string, error: unknown): KnhkError {
  if (error instanceof KnhkError) return error
  const code = systemErrorCode(error)
  const message = `${what} failed${code === '' ? '' : ` (${code})`}`
  return tellsFullDisk(error)
    ? new KnhkError('DiskFull', message, { cause: error, hint: 'Free space on this disk, then start the node again.' })
    : new KnhkError('StorageFailed', message, { cause: error })
}

/** Reads a whole file of at most `bytesMax` bytes; null where it does not exist. Larger is `InvalidFile`. */
export async function readWholeFile(files: FileSystem, path: string, bytesMax: number): Promise<Uint8Array | null> {
  const status = await files.stat(path)
  if (status === null) return null
  if (status.size > bytesMax)
    throw new KnhkError('InvalidFile', `${path} has ${status.size} bytes, more than ${bytesMax}`)
  const handle = await files.open(path, 'read')
  try {
    const content = new Uint8Array(status.size)
    return content.subarray(0, await handle.read(content, 0))
  } finally {
    await handle.close()
  }
}

/**
 * Replaces `directory/name` as a whole: temporary file, sync, rename, sync of the directory. After a
 * crash the old content is there or the new one, never a mixture.
 */
export async function writeFileAtomic(
  files: FileSystem,
  directory: string,
  name: string,
  content: Uint8Array,
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`
  if ((await files.stat(temporary)) !== null) await files.unlink(temporary)
  const handle = await files.open(temporary, 'create')
  try {
    await handle.append([content])
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await files.rename(temporary, `${directory}/${name}`)
  await files.syncDirectory(directory)
}
