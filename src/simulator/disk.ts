/**
 * The disk of a simulated node: how long a sync takes, and what goes wrong next. The faults themselves
 * are in `storage/memory-files.ts`; this decides when they strike.
 */
import type { Millis } from '../consensus/types.js'
import type { Fault, FileOperation } from '../storage/memory-files.js'
import { SEGMENT_HEADER_BYTES } from '../storage/segment-header.js'
import type { EventQueue } from './event-queue.js'
import type { SeededRandom } from './random.js'

export type DiskError = 'EIO' | 'ENOSPC'

export const QUICK_SYNC = { minMs: 0.1, maxMs: 0.5 } as const

export class SimulatedDisk {
  /** How long a sync takes. */
  sync: { readonly minMs: Millis; readonly maxMs: Millis } = QUICK_SYNC
  /** Errors that were returned so far, and syncs that were made to take long. */
  readonly counts = { EIO: 0, ENOSPC: 0, slow: 0, hung: 0 }
  readonly #queue: EventQueue
  readonly #random: SeededRandom
  #failure: { readonly operation: 'append' | 'datasync'; readonly code: DiskError } | null = null
  #hungUntilMs: Millis = 0
  #onSync: (() => void) | null = null
  /** A sync that covers a new frame of the log has come back. */
  onSynced: () => void = () => {}
  /** The segment whose last append no sync has been asked to cover; null where there is none. */
  #framePath: string | null = null
  #misdirected: { readonly shiftBytes: number; readonly strikes: (path: string) => boolean } | null = null

  constructor(queue: EventQueue, random: SeededRandom) {
    this.#queue = queue
    this.#random = random
  }

  /** The next append, or the next sync, fails. A full disk shows when writing, never when syncing. */
  failNext(code: DiskError): void {
    const operation = code === 'EIO' && this.#random.chance(0.5) ? 'datasync' : 'append'
    this.#failure = { operation, code }
  }

  /** No sync comes back before so much time has passed. */
  hang(durationMs: Millis): void {
    this.#hungUntilMs = this.#queue.nowMs + durationMs
  }

  /** Calls back once, when the next sync begins: the moment when most is at stake. */
  atNextSync(callback: () => void): void {
    this.#onSync = callback
  }

  /** The next append to the log lands so many bytes before its place, and is reported as done; unless `strikes` says no, given its file. */
  misdirectNext(shiftBytes: number, strikes: (path: string) => boolean): void {
    this.#misdirected = { shiftBytes, strikes }
  }

  /** Quick again. */
  calm(): void {
    this.sync = QUICK_SYNC
  }

  /** Healthy again, and quick. */
  repair(): void {
    this.calm()
    this.#failure = null
    this.#hungUntilMs = 0
    this.#onSync = null
    this.#misdirected = null
  }

  /** For `MemoryFiles`. */
  readonly fault = (operation: FileOperation, path: string, bytes: number): Fault | undefined => {
    if (this.#failure?.operation === operation) {
      const { code } = this.#failure
      this.#failure = null
      this.counts[code]++
      return { kind: 'error', code, keptBytes: Math.floor(this.#random.next() * bytes) }
    }
    const { isFrame, isCovered } = this.#look(operation, path, bytes)
    const misdirected = this.#misdirected
    if (isFrame && misdirected !== null) {
      this.#misdirected = null
      if (misdirected.strikes(path)) return { kind: 'misdirectedWrite', shiftBytes: misdirected.shiftBytes }
    }
    return operation === 'datasync' ? { kind: 'wait', until: this.#syncTime(isCovered) } : undefined
  }

  /** Only frames of the log count. The header of a segment comes first: a write before it has nowhere to go. */
  #look(operation: FileOperation, path: string, bytes: number): { isFrame: boolean; isCovered: boolean } {
    const isFrame =
      operation === 'append' && bytes !== SEGMENT_HEADER_BYTES && path.startsWith('/log/') && path.endsWith('.seg')
    const isCovered = operation === 'datasync' && path === this.#framePath
    if (isFrame) this.#framePath = path
    else if (operation === 'append' || isCovered) this.#framePath = null
    return { isFrame, isCovered }
  }

  #syncTime(isOfFrame: boolean): Promise<void> {
    const onSync = this.#onSync
    this.#onSync = null
    if (onSync !== null) this.#queue.after(0, onSync)
    const { minMs, maxMs } = this.sync
    const usualMs = minMs + this.#random.next() * (maxMs - minMs)
    const hungMs = this.#hungUntilMs - this.#queue.nowMs
    if (hungMs > usualMs) this.counts.hung++
    else if (this.sync !== QUICK_SYNC) this.counts.slow++
    const waitMs = Math.max(usualMs, hungMs)
    return new Promise((resolve) => {
      this.#queue.after(waitMs, () => {
        resolve()
        if (isOfFrame) this.onSynced()
      })
    })
  }
}
