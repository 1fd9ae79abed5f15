/**
 * The file interface of a simulated node, looked at on its way: where the failpoints of the disk are,
 * and what is synced. It knows for sure which bytes are durable, whatever the node believes.
 */
import { KnhkError } from '../base/error.js'
import type { DiskSpace, FileHandle, FileStatus, FileSystem, OpenMode } from '../storage/files.js'
import type { Failpoints } from './failpoints.js'

/** What is known of a file's appends. */
interface AppendState {
  /** Bytes that no sync has covered yet. */
  unsynced: boolean
  /** Where the last synced append began. */
  lastSyncedStart: number
  start: number
}

export class WatchedFiles implements FileSystem {
  readonly #files: FileSystem
  readonly #failpoints: Failpoints
  readonly #snapshots: string
  readonly #appends = new Map<string, AppendState>()
  /** Counts the lives of the process. */
  #life = 0
  /** Where the newest append that a sync has covered begins; null before the first. */
  lastSynced: { readonly path: string; readonly start: number } | null = null

  /** `snapshots`: the directory whose steps count as steps of a snapshot. */
  constructor(files: FileSystem, failpoints: Failpoints, snapshots: string) {
    this.#files = files
    this.#failpoints = failpoints
    this.#snapshots = snapshots
  }

  /** True while bytes below the directory are written and not synced. */
  hasUnsynced(directory: string): boolean {
    for (const [path, { unsynced }] of this.#appends) if (unsynced && path.startsWith(`${directory}/`)) return true
    return false
  }

  /**
   * Bytes at the beginning of a file behind which a synced append of this life of the node follows: damage in them cannot
   * be taken for a torn tail. 0 where nothing is known.
   */
  certainBytes(path: string): number {
    return this.#appends.get(path)?.lastSyncedStart ?? 0
  }

  /** A crash: what was unsynced is decided. */
  forgetUnsynced(): void {
    this.#life++
    for (const state of this.#appends.values()) state.unsynced = false
    this.lastSynced = null
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    if (mode === 'create') this.#step(path, 'before')
    const handle = await this.#files.open(path, mode)
    if (mode === 'create') this.#step(path, 'after')
    return mode === 'read' ? handle : new WatchedFile(handle, path, this)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step(to, 'before')
    await this.#files.rename(from, to)
    this.#step(to, 'after')
  }

  async unlink(path: string): Promise<void> {
    this.#step(path, 'before')
    await this.#files.unlink(path)
    this.#appends.delete(path)
    this.#step(path, 'after')
  }

  readdir(path: string): Promise<string[]> {
    return this.#files.readdir(path)
  }

  mkdir(path: string): Promise<void> {
    return this.#files.mkdir(path)
  }

  async syncDirectory(path: string): Promise<void> {
    const life = this.#life
    this.#failpoints.pass('beforeDirectorySync')
    // What ended at this very point does nothing more to the disk.
    if (life !== this.#life) throw new KnhkError('StorageFailed', 'the process ended')
    await this.#files.syncDirectory(path)
    this.#failpoints.pass('afterDirectorySync')
  }

  stat(path: string): Promise<FileStatus | null> {
    return this.#files.stat(path)
  }

  space(path: string): Promise<DiskSpace> {
    return this.#files.space(path)
  }

  /** For `WatchedFile`. */
  async append(path: string, offset: number, work: () => Promise<void>): Promise<void> {
    this.#step(path, 'before')
    this.#failpoints.pass('beforeAppend')
    const state = this.#appends.get(path) ?? { unsynced: false, lastSyncedStart: 0, start: 0 }
    this.#appends.set(path, state)
    await work()
    if (!state.unsynced) state.start = offset
    state.unsynced = true
    this.#failpoints.pass('afterAppend')
    this.#step(path, 'after')
  }

  /** For `WatchedFile`. */
  async sync(path: string, work: () => Promise<void>): Promise<void> {
    this.#failpoints.pass('beforeSync')
    await work()
    const state = this.#appends.get(path)
    // A sync with nothing before it, as after a start, says nothing of an append that a crash took.
    if (state?.unsynced === true) {
      state.unsynced = false
      state.lastSyncedStart = state.start
      if (!path.startsWith(`${this.#snapshots}/`)) this.lastSynced = { path, start: state.start }
    }
    this.#failpoints.pass('afterSync')
  }

  /** For `WatchedFile`. What followed the bytes before is gone: nothing is certain of them. */
  async truncate(path: string, length: number, work: () => Promise<void>): Promise<void> {
    const state = this.#appends.get(path)
    if (state !== undefined && length <= state.lastSyncedStart) state.lastSyncedStart = 0
    await work()
  }

  #step(path: string, when: 'before' | 'after'): void {
    if (path.startsWith(`${this.#snapshots}/`)) this.#failpoints.pass(`${when}SnapshotStep`)
  }
}

class WatchedFile implements FileHandle {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #watch: WatchedFiles

  constructor(handle: FileHandle, path: string, watch: WatchedFiles) {
    this.#handle = handle
    this.#path = path
    this.#watch = watch
  }

  get size(): number {
    return this.#handle.size
  }

  append(parts: readonly Uint8Array[]): Promise<void> {
    return this.#watch.append(this.#path, this.#handle.size, () => this.#handle.append(parts))
  }

  datasync(): Promise<void> {
    return this.#watch.sync(this.#path, () => this.#handle.datasync())
  }

  async appendDurably(parts: readonly Uint8Array[]): Promise<void> {
    await this.append(parts)
    await this.datasync()
  }

  async rewrite(bytes: Uint8Array, position: number): Promise<void> {
    await this.#handle.rewrite(bytes, position)
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#handle.read(target, position)
  }

  truncate(length: number): Promise<void> {
    return this.#watch.truncate(this.#path, length, () => this.#handle.truncate(length))
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
