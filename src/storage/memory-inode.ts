/**
 * The content of one file in memory, twice: as readers see it and as it is on the disk, with the
 * writes in between that no sync has covered yet.
 */
const SECTOR_BYTES = 512

type PendingWrite = { readonly offset: number; readonly bytes: Uint8Array } | { readonly truncateTo: number }

/** A byte array that grows. */
class GrowingBytes {
  bytes = new Uint8Array(0)
  length = 0

  write(offset: number, data: Uint8Array): void {
    const end = offset + data.length
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.bytes.length * 2, 1024))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    this.bytes.set(data, offset)
    this.length = Math.max(this.length, end)
  }

  truncate(length: number): void {
    if (length < this.length) this.bytes.fill(0, length, this.length)
    this.length = Math.min(this.length, length)
  }

  copyFrom(other: GrowingBytes): void {
    this.bytes = other.bytes.slice(0, other.length)
    this.length = other.length
  }
}

export class MemoryInode {
  readonly #seen = new GrowingBytes()
  readonly #durable = new GrowingBytes()
  #pending: PendingWrite[] = []

  /** A file whose content is on the disk already. */
  static of(content: Uint8Array): MemoryInode {
    const inode = new MemoryInode()
    inode.write(0, content)
    inode.sync()
    return inode
  }

  get size(): number {
    return this.#seen.length
  }

  content(): Uint8Array {
    return this.#seen.bytes.slice(0, this.#seen.length)
  }

  read(target: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(target.length, this.#seen.length - position))
    target.set(this.#seen.bytes.subarray(position, position + count))
    return count
  }

  /** The bytes are copied: their owner may use the buffer again. */
  write(offset: number, data: Uint8Array): void {
    const bytes = data.slice()
    this.#seen.write(offset, bytes)
    this.#pending.push({ offset, bytes })
  }

  truncate(length: number): void {
    this.#seen.truncate(length)
    this.#pending.push({ truncateTo: length })
  }

  sync(): void {
    for (const write of this.#pending) this.#settle(write)
    this.#pending = []
    // A failed sync may have lost a truncation. The system still knows how long the file is, and the next sync says so.
    this.#durable.truncate(this.#seen.length)
  }

  /** A failed sync: the pages count as clean from now on, whether or not they reached the disk. */
  failSync(random: () => number): void {
    for (const write of this.#pending) if (random() < 0.5) this.#settle(write)
    this.#pending = []
  }

  /** Returns how many writes were lost as a whole, and how many in part. */
  crash(random: () => number): { readonly lost: number; readonly torn: number } {
    let lost = 0
    let torn = 0
    for (const write of this.#pending) {
      const fate = random()
      if (fate < 0.34) lost++
      else if (fate < 0.67 || 'truncateTo' in write) this.#settle(write)
      else if (this.#tear(write, random)) torn++
    }
    this.#pending = []
    this.#seen.copyFrom(this.#durable)
    return { lost, torn }
  }

  flipBit(offset: number, bit: number): void {
    for (const copy of [this.#seen, this.#durable]) {
      if (offset < copy.length) copy.bytes[offset] = (copy.bytes[offset] as number) ^ (1 << bit)
    }
  }

  #settle(write: PendingWrite): void {
    if ('truncateTo' in write) this.#durable.truncate(write.truncateTo)
    else this.#durable.write(write.offset, write.bytes)
  }

  /** A sector is written as a whole or not at all; each decides for itself. True when only some were. */
  #tear(write: { readonly offset: number; readonly bytes: Uint8Array }, random: () => number): boolean {
    let start = 0
    let sectors = 0
    let written = 0
    while (start < write.bytes.length) {
      const sectorEnd = SECTOR_BYTES - ((write.offset + start) % SECTOR_BYTES)
      const end = Math.min(write.bytes.length, start + sectorEnd)
      sectors++
      if (random() < 0.5) {
        this.#durable.write(write.offset + start, write.bytes.subarray(start, end))
        written++
      }
      start = end
    }
    return written > 0 && written < sectors
  }
}
