/**
 * Files in memory with the faults of a real disk, for tests and the simulator. At a crash each write
 * that was not synced is lost, kept or torn by sectors, each on its own, and each directory change
 * that was not synced is lost or kept: harsher than any journaling file system, on purpose. The same
 * random function gives the same disk.
 */
import type { DiskSpace, FileHandle, FileStatus, FileSystem, OpenMode } from './files.js'
import { MemoryInode } from './memory-inode.js'

export type FileOperation =
  | 'open'
  | 'append'
  | 'rewrite'
  | 'datasync'
  | 'read'
  | 'truncate'
  | 'rename'
  | 'unlink'
  | 'syncDirectory'
  | 'stat'
  | 'readdir'

export type Fault =
  /** The operation fails; of an append the first `keptBytes` get into the file. */
  | { readonly kind: 'error'; readonly code: 'EIO' | 'ENOSPC'; readonly keptBytes?: number }
  /** The operation goes on when `until` resolves: a slow or hung disk. */
  | { readonly kind: 'wait'; readonly until: Promise<void> }
  /** An append that is reported as done and never reaches the file; zeros are read instead. */
  | { readonly kind: 'lostWrite' }
  /** An append that lands `shiftBytes` before its place. */
  | { readonly kind: 'misdirectedWrite'; readonly shiftBytes: number }

export interface MemoryFilesOptions {
  /** Uniform in [0, 1); decides what a crash leaves. */
  readonly random: () => number
  /** Asked before each operation; `bytes` of an append. */
  readonly fault?: (operation: FileOperation, path: string, bytes: number) => Fault | undefined
  /** What it tells to whoever asks; nothing is refused for it. More than anybody writes if absent. */
  readonly totalBytes?: number
}

/** What a power failure took; for the figures of a simulation. */
export interface CrashLosses {
  readonly lostWrites: number
  readonly tornWrites: number
  readonly lostEntries: number
}

const PLENTY_BYTES = 2 ** 40
/** Above `/log` and its like; always there. */
const ROOT = ''

/** A change of directory entries that is atomic by itself: a rename changes two. */
type EntryChange = readonly { readonly path: string; readonly inode: MemoryInode | null }[]

export class MemoryFiles implements FileSystem {
  readonly #options: MemoryFilesOptions
  readonly #directories = new Set<string>()
  #entries = new Map<string, MemoryInode>()
  readonly #durableEntries = new Map<string, MemoryInode>()
  #pendingEntries: EntryChange[] = []
  /** Counts crashes: a handle of an earlier run is dead. */
  #run = 0

  constructor(options: MemoryFilesOptions) {
    this.#options = options
  }

  /** The power fails: every handle dies, what was not synced is lost, kept or torn. */
  crash(): CrashLosses {
    const { random } = this.#options
    const losses = { lostWrites: 0, tornWrites: 0, lostEntries: 0 }
    this.#run++
    for (const change of this.#pendingEntries) {
      if (random() < 0.5) this.#settle(change)
      else losses.lostEntries++
    }
    this.#pendingEntries = []
    this.#entries = new Map(this.#durableEntries)
    for (const inode of new Set(this.#entries.values())) {
      const { lost, torn } = inode.crash(random)
      losses.lostWrites += lost
      losses.tornWrites += torn
    }
    return losses
  }

  /** The process dies and the system stays: nothing is lost but the handles. */
  kill(): void {
    this.#run++
  }

  /** Bit rot: turns one bit of a stored byte. */
  flipBit(path: string, offset: number, bit: number): void {
    this.#inode(path).flipBit(offset, bit)
  }

  /** A copy of what a reader sees. */
  content(path: string): Uint8Array {
    return this.#inode(path).content()
  }

  /** Replaces a file's content, durably: what somebody did to it from outside. */
  replace(path: string, content: Uint8Array): void {
    const inode = MemoryInode.of(content)
    this.#entries.set(path, inode)
    this.#durableEntries.set(path, inode)
  }

  /** Removes a directory with everything below it, durably. */
  wipe(directory: string): void {
    for (const entries of [this.#entries, this.#durableEntries]) {
      for (const path of entries.keys()) if (isBelow(path, directory)) entries.delete(path)
    }
    for (const path of this.#directories)
      if (path === directory || isBelow(path, directory)) this.#directories.delete(path)
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    await this.enter('open', path, 0, this.#run)
    let inode = this.#entries.get(path)
    if (mode === 'create') {
      if (inode !== undefined) throw systemError('EEXIST', path)
      if (!this.#directories.has(parentOf(path))) throw systemError('ENOENT', path)
      inode = new MemoryInode()
      this.#change([{ path, inode }])
    }
    if (inode === undefined) throw systemError('ENOENT', path)
    return new MemoryFile(this, path, inode, this.#run)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.enter('rename', from, 0, this.#run)
    const inode = this.#inode(from)
    this.#change([
      { path: from, inode: null },
      { path: to, inode },
    ])
  }

  async unlink(path: string): Promise<void> {
    await this.enter('unlink', path, 0, this.#run)
    this.#inode(path)
    this.#change([{ path, inode: null }])
  }

  async readdir(path: string): Promise<string[]> {
    await this.enter('readdir', path, 0, this.#run)
    if (path !== ROOT && !this.#directories.has(path)) throw systemError('ENOENT', path)
    const names = [...this.#entries.keys(), ...this.#directories].filter(
      (name) => parentOf(name) === path && name !== path,
    )
    return names.map((name) => name.slice(name.lastIndexOf('/') + 1)).sort()
  }

  async mkdir(path: string): Promise<void> {
    for (let level = path; level !== ''; level = parentOf(level)) this.#directories.add(level)
  }

  async syncDirectory(path: string): Promise<void> {
    await this.enter('syncDirectory', path, 0, this.#run)
    const rest: EntryChange[] = []
    for (const change of this.#pendingEntries) {
      if (change.some((entry) => parentOf(entry.path) === path)) this.#settle(change)
      else rest.push(change)
    }
    this.#pendingEntries = rest
  }

  async stat(path: string): Promise<FileStatus | null> {
    await this.enter('stat', path, 0, this.#run)
    if (this.#directories.has(path)) return { kind: 'directory', size: 0, modifiedMs: 0 }
    const inode = this.#entries.get(path)
    return inode === undefined ? null : { kind: 'file', size: inode.size, modifiedMs: 0 }
  }

  async space(): Promise<DiskSpace> {
    const totalBytes = this.#options.totalBytes ?? PLENTY_BYTES
    let usedBytes = 0
    for (const inode of new Set(this.#entries.values())) usedBytes += inode.size
    return { freeBytes: Math.max(0, totalBytes - usedBytes), totalBytes }
  }

  /** What stands before every operation: the injected fault, and death after a crash. For `MemoryFile`. */
  async enter(operation: FileOperation, path: string, bytes: number, run: number): Promise<Fault | undefined> {
    const fault = this.#options.fault?.(operation, path, bytes)
    if (fault?.kind === 'wait') await fault.until
    if (run !== this.#run) throw systemError('EBADF', path)
    if (fault?.kind === 'error' && operation !== 'append' && operation !== 'datasync')
      throw systemError(fault.code, path)
    return fault
  }

  get random(): () => number {
    return this.#options.random
  }

  #inode(path: string): MemoryInode {
    const inode = this.#entries.get(path)
    if (inode === undefined) throw systemError('ENOENT', path)
    return inode
  }

  #change(change: EntryChange): void {
    applyChange(this.#entries, change)
    this.#pendingEntries.push(change)
  }

  #settle(change: EntryChange): void {
    applyChange(this.#durableEntries, change)
  }
}

class MemoryFile implements FileHandle {
  readonly #files: MemoryFiles
  readonly #path: string
  readonly #inode: MemoryInode
  readonly #run: number
  #size: number

  constructor(files: MemoryFiles, path: string, inode: MemoryInode, run: number) {
    this.#files = files
    this.#path = path
    this.#inode = inode
    this.#run = run
    this.#size = inode.size
  }

  get size(): number {
    return this.#size
  }

  async append(parts: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(parts)
    const fault = await this.#files.enter('append', this.#path, bytes.length, this.#run)
    if (fault?.kind === 'error') {
      this.#inode.write(this.#size, bytes.subarray(0, fault.keptBytes ?? 0))
      throw systemError(fault.code, this.#path)
    }
    if (fault?.kind === 'lostWrite') this.#inode.write(this.#size, new Uint8Array(bytes.length))
    else this.#inode.write(this.#size - (fault?.kind === 'misdirectedWrite' ? fault.shiftBytes : 0), bytes)
    this.#size += bytes.length
  }

  async datasync(): Promise<void> {
    const fault = await this.#files.enter('datasync', this.#path, 0, this.#run)
    if (fault?.kind === 'error') {
      this.#inode.failSync(this.#files.random)
      throw systemError(fault.code, this.#path)
    }
    this.#inode.sync()
  }

  async appendDurably(parts: readonly Uint8Array[]): Promise<void> {
    await this.append(parts)
    await this.datasync()
  }

  async rewrite(bytes: Uint8Array, position: number): Promise<void> {
    await this.#files.enter('rewrite', this.#path, bytes.length, this.#run)
    this.#inode.write(position, bytes)
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    await this.#files.enter('read', this.#path, 0, this.#run)
    return this.#inode.read(target, position)
  }

  async truncate(length: number): Promise<void> {
    await this.#files.enter('truncate', this.#path, 0, this.#run)
    this.#inode.truncate(length)
    this.#size = length
  }

  async close(): Promise<void> {
    // Nothing to give back: a handle is only a view.
  }
}

function applyChange(entries: Map<string, MemoryInode>, change: EntryChange): void {
  for (const { path, inode } of change) {
    if (inode === null) entries.delete(path)
    else entries.set(path, inode)
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`)
}

function systemError(code: string, path: string): Error {
  const error = new SystemError(`${code}: ${path}`)
  error.code = code
  return error
}

/** Looks like an error of the operating system: `code` is its name. */
class SystemError extends Error {
  code = ''
}
