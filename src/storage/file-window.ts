/**
 * A sliding view of a file: sequential readers ask for ranges and mostly find them in memory. One
 * buffer is reused, so a view of it is valid until the next `load`.
 */
import type { FileHandle } from './files.js'

export const WINDOW_BYTES = 4 * 1024 * 1024

export class FileWindow {
  readonly #handle: FileHandle
  #buffer: Buffer
  #start = 0
  #end = 0

  constructor(handle: FileHandle, bytes = WINDOW_BYTES) {
    this.#handle = handle
    this.#buffer = Buffer.allocUnsafeSlow(bytes)
  }

  /** The bytes in memory; `indexOf` says where a file offset lies in them. */
  get bytes(): Buffer {
    return this.#buffer
  }

  indexOf(offset: number): number {
    return offset - this.#start
  }

  /** File offset behind the last byte in memory. */
  get end(): number {
    return this.#end
  }

  covers(offset: number, length: number): boolean {
    return offset >= this.#start && offset + length <= this.#end
  }

  /** Brings the range into memory; false where the file ends before it does. */
  async load(offset: number, length: number): Promise<boolean> {
    if (this.covers(offset, length)) return true
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length)
    this.#start = offset
    this.#end = offset
    this.#end = offset + (await this.#handle.read(this.#buffer, offset))
    return offset + length <= this.#end
  }

  /** Forgets what was read: the file may have grown. */
  reset(): void {
    this.#start = 0
    this.#end = 0
  }
}
