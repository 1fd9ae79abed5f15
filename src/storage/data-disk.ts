/**
 * The disk below a data directory: how much the directory takes, how much the file system has left, and the ballast:
 * a file that is given up when the disk is full, so that a node that had to stop can start again, and make room.
 */
import { randomBytes } from 'node:crypto'
import { hasCode } from '../base/error.js'
import type { DiskGauge, DiskSettings, DiskUsage } from '../node/ports.js'
import { reserveBytes } from './disk-quota.js'
import { type FileSystem, systemErrorCode } from './files.js'
import { SEGMENT_BYTES_MAX } from './segment-header.js'

export const BALLAST_FILE = 'ballast'
/** Noise, written piece by piece: file systems that compress would keep zeros for nothing. */
const BALLAST_PIECE_BYTES = 256 << 10
/** What a ballast takes of the room above the reserve is at most this share. */
const BALLAST_SHARE = 0.25
/** Without a quota nobody decides by what the directory takes: it is summed up once in so many measurements. */
const SUM_EVERY = 30

/** Segments go as a whole: a quota has room for so many. */
const SEGMENTS_IN_QUOTA = 16

export const DEFAULT_DISK: DiskSettings = { quotaBytes: null, reserveBytes: null, ballastBytes: 16 << 20 }

/** How large segments of the log become, so that compaction can free something within a quota. */
export function segmentBytesFor({ quotaBytes }: DiskSettings): number {
  return quotaBytes === null
    ? SEGMENT_BYTES_MAX
    : Math.min(SEGMENT_BYTES_MAX, Math.floor(quotaBytes / SEGMENTS_IN_QUOTA))
}

export class DataDisk implements DiskGauge {
  readonly settings: DiskSettings
  readonly #files: FileSystem
  readonly #directory: string
  /** Null until somebody has looked. */
  #ballastBytes: number | null = null
  #usedBytes = 0
  #measured = 0
  /** The ballast was given up for good: this process ends. */
  #isGivenUp = false

  constructor(files: FileSystem, directory: string, settings: DiskSettings) {
    this.#files = files
    this.#directory = directory
    this.settings = settings
  }

  get ballastBytes(): number {
    return this.#ballastBytes ?? 0
  }

  async measure(): Promise<DiskUsage> {
    if (this.settings.quotaBytes !== null || this.#measured % SUM_EVERY === 0) {
      this.#usedBytes = await this.#sum(this.#directory)
    }
    this.#measured++
    return { usedBytes: this.#usedBytes, ...(await this.#files.space(this.#directory)) }
  }

  /**
   * Before a node opens its files: where the disk is as good as full, the ballast is what it starts with. What goes
   * wrong here, opening them tells better.
   */
  async prepareStart(): Promise<void> {
    try {
      const { freeBytes, totalBytes } = await this.#files.space(this.#directory)
      if (freeBytes <= reserveBytes(this.settings, totalBytes)) await this.#remove()
    } catch {
      return
    }
  }

  async keepBallast(): Promise<void> {
    const { ballastBytes } = this.settings
    if (this.#isGivenUp || this.#ballastBytes === ballastBytes) return
    const found = (await this.#files.stat(this.#path))?.size ?? null
    // One that was not finished, or of another size.
    if (found !== null && found !== ballastBytes) await this.#remove()
    this.#ballastBytes = found === ballastBytes ? ballastBytes : 0
    if (this.#ballastBytes !== ballastBytes && (await this.#hasPlenty())) await this.#write(ballastBytes)
  }

  /** This process ends for an error. Where it is want of room, the next start gets what was kept for it. */
  async leave(error: unknown): Promise<void> {
    if (!hasCode(error, 'DiskFull')) return
    this.#isGivenUp = true
    // The disk is in trouble, and the process ends anyway.
    await this.#remove().catch(() => undefined)
  }

  get #path(): string {
    return `${this.#directory}/${BALLAST_FILE}`
  }

  async #hasPlenty(): Promise<boolean> {
    const { freeBytes, totalBytes } = await this.#files.space(this.#directory)
    const room = freeBytes - reserveBytes(this.settings, totalBytes)
    return this.settings.ballastBytes <= room * BALLAST_SHARE
  }

  async #write(bytes: number): Promise<void> {
    const handle = await this.#files.open(this.#path, 'create')
    try {
      for (let left = bytes; left > 0 && !this.#isGivenUp; left -= BALLAST_PIECE_BYTES) {
        await handle.append([randomBytes(Math.min(left, BALLAST_PIECE_BYTES))])
      }
      await handle.datasync()
      this.#ballastBytes = handle.size
    } finally {
      await handle.close()
    }
  }

  async #remove(): Promise<void> {
    if ((await this.#files.stat(this.#path)) !== null) await this.#files.unlink(this.#path)
    this.#ballastBytes = 0
  }

  /** Of the files below a directory, but for the ballast. Files come and go meanwhile. */
  async #sum(directory: string): Promise<number> {
    let bytes = 0
    for (const name of await this.#namesIn(directory)) {
      const path = `${directory}/${name}`
      if (path === this.#path) continue
      const status = await this.#files.stat(path)
      if (status?.kind === 'directory') bytes += await this.#sum(path)
      else bytes += status?.size ?? 0
    }
    return bytes
  }

  async #namesIn(directory: string): Promise<readonly string[]> {
    try {
      return await this.#files.readdir(directory)
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return []
      throw error
    }
  }
}
