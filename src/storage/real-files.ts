/**
 * The file interface over node:fs. A journal handle is opened with O_DSYNC where the system honours
 * it (Linux): one trip to the thread pool writes and syncs, instead of two. Elsewhere a write is
 * followed by fdatasync, which libuv maps to F_FULLFSYNC on macOS, where O_DSYNC would stop at the
 * drive's cache.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { DiskSpace, FileHandle, FileStatus, FileSystem, OpenMode } from './files.js'
import { systemErrorCode } from './files.js'

const HAS_SYNC_WRITES = process.platform === 'linux'
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_DSYNC } = fs.constants
const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  append: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
}

/** Runs one callback-style call of node:fs as a promise. */
function call<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)))
  })
}

class RealFile implements FileHandle {
  readonly #path: string
  readonly #descriptor: number
  /** A second descriptor whose writes are durable when they return; opened on first use. */
  #durableDescriptor = -1
  #size: number

  constructor(filePath: string, descriptor: number, size: number) {
    this.#path = filePath
    this.#descriptor = descriptor
    this.#size = size
  }

  get size(): number {
    return this.#size
  }

  append(parts: readonly Uint8Array[]): Promise<void> {
    return this.#write(this.#descriptor, parts)
  }

  datasync(): Promise<void> {
    return call((done) => fs.fdatasync(this.#descriptor, (error) => done(error, undefined)))
  }

  async appendDurably(parts: readonly Uint8Array[]): Promise<void> {
    if (!HAS_SYNC_WRITES) {
      await this.#write(this.#descriptor, parts)
      return this.datasync()
    }
    if (this.#durableDescriptor < 0) {
      this.#durableDescriptor = await call((done) => fs.open(this.#path, O_RDWR | O_DSYNC, done))
    }
    return this.#write(this.#durableDescriptor, parts)
  }

  async rewrite(bytes: Uint8Array, position: number): Promise<void> {
    let written = 0
    while (written < bytes.length) {
      const at = written
      written += await call<number>((done) =>
        fs.write(this.#descriptor, bytes, at, bytes.length - at, position + at, (error, count) => done(error, count)),
      )
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const at = filled
      const count = await call<number>((done) =>
        fs.read(this.#descriptor, target, at, target.length - at, position + at, (error, read) => done(error, read)),
      )
      if (count === 0) break
      filled += count
    }
    return filled
  }

  async truncate(length: number): Promise<void> {
    await call((done) => fs.ftruncate(this.#descriptor, length, (error) => done(error, undefined)))
    this.#size = length
  }

  async close(): Promise<void> {
    await call((done) => fs.close(this.#descriptor, (error) => done(error ?? null, undefined)))
    if (this.#durableDescriptor < 0) return
    await call((done) => fs.close(this.#durableDescriptor, (error) => done(error ?? null, undefined)))
  }

  #write(descriptor: number, parts: readonly Uint8Array[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let rest = parts
      let length = 0
      for (const part of parts) length += part.length
      const next = (): void => {
        fs.writev(descriptor, rest, this.#size, (error, written) => {
          if (error !== null) return reject(error)
          this.#size += written
          length -= written
          if (length === 0) return resolve()
          rest = dropBytes(rest, written)
          return next()
        })
      }
      if (length === 0) resolve()
      else next()
    })
  }
}

/** What is left of `parts` after a short write of `count` bytes. */
function dropBytes(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let drop = count
  for (const part of parts) {
    if (drop >= part.length) {
      drop -= part.length
    } else {
      rest.push(drop === 0 ? part : part.subarray(drop))
      drop = 0
    }
  }
  return rest
}

class RealFiles implements FileSystem {
  async open(filePath: string, mode: OpenMode): Promise<FileHandle> {
    const descriptor = await call<number>((done) => fs.open(filePath, OPEN_FLAGS[mode], 0o600, done))
    const { size } = await call<fs.Stats>((done) => fs.fstat(descriptor, done))
    return new RealFile(filePath, descriptor, size)
  }

  rename(from: string, to: string): Promise<void> {
    return fs.promises.rename(from, to)
  }

  unlink(filePath: string): Promise<void> {
    return fs.promises.unlink(filePath)
  }

  async readdir(directory: string): Promise<string[]> {
    return (await fs.promises.readdir(directory)).sort()
  }

  /** A directory is durable when its parent was synced; so each new level syncs the one above it. */
  async mkdir(directory: string): Promise<void> {
    const first = await fs.promises.mkdir(directory, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    for (let level = path.resolve(directory); level.length >= path.resolve(first).length; level = path.dirname(level)) {
      await this.syncDirectory(path.dirname(level))
    }
  }

  async syncDirectory(directory: string): Promise<void> {
    const descriptor = await call<number>((done) => fs.open(directory, O_RDONLY, done))
    try {
      await call((done) => fs.fsync(descriptor, (error) => done(error, undefined)))
    } finally {
      await call((done) => fs.close(descriptor, (error) => done(error ?? null, undefined)))
    }
  }

  async stat(filePath: string): Promise<FileStatus | null> {
    try {
      const stats = await fs.promises.stat(filePath)
      return {
        kind: stats.isDirectory() ? 'directory' : 'file',
        size: stats.size,
        modifiedMs: Math.floor(stats.mtimeMs),
      }
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return null
      throw error
    }
  }

  async space(filePath: string): Promise<DiskSpace> {
    const { bavail, blocks, bsize } = await fs.promises.statfs(filePath)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  }
}

/** The files of this machine. */
export function realFiles(): FileSystem {
  return new RealFiles()
}
