/**
 * The decided part of the log as the core sees it: where it ends, the newest entries in memory, and the
 * commit certificates above the last stable checkpoint, which the next view change may have to show.
 */
import { assert } from '../../../base/assert.js'
import type { RestoredLog } from '../../core.js'
import { ENTRY_HEADER_BYTES, type Entry } from '../../entry.js'
import type { LogBase } from '../../snapshot.js'
import type { LogIndex } from '../../types.js'
import { type Certificate, decodeCertificate } from '../certificate.js'

const sizeOf = (entry: Entry): number => ENTRY_HEADER_BYTES + entry.body.length + (entry.certificate?.length ?? 0)

export class DecidedLog {
  readonly #origin: LogIndex
  #base: LogBase
  #lastIndex: LogIndex
  #lastChain: Uint8Array
  #tailBytes = 0
  readonly #tail = new Map<number, Entry>()
  #tailFirst: number
  readonly #certificates = new Map<number, Certificate>()

  /** What stands up to `origin` other epochs decided, by whatever protocol. */
  constructor({ base, lastIndex, tail }: Pick<RestoredLog, 'base' | 'lastIndex' | 'tail'>, origin: LogIndex) {
    assert(lastIndex === base.index || tail.at(-1)?.index === lastIndex, 'the last entry is in memory')
    this.#base = base
    this.#lastIndex = base.index
    this.#lastChain = base.chain
    this.#tailFirst = tail[0]?.index ?? lastIndex + 1
    if (tail[0] !== undefined) this.#lastIndex = (tail[0].index - 1) as LogIndex
    this.#origin = origin
    for (const entry of tail) this.#add(entry)
  }

  get base(): LogBase {
    return this.#base
  }

  get firstIndex(): LogIndex {
    return (this.#base.index + 1) as LogIndex
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex
  }

  get lastChain(): Uint8Array {
    return this.#lastChain
  }

  entry(index: number): Entry | undefined {
    return this.#tail.get(index)
  }

  /** First index in memory; one after the last when none is. */
  get tailFirst(): number {
    return this.#tailFirst
  }

  /** The first index above `stable` whose certificate is not at hand; undefined when all are. */
  missingCertificate(stable: number): LogIndex | undefined {
    for (let index = Math.max(stable, this.#base.index) + 1; index <= this.#lastIndex; index++) {
      if (!this.#certificates.has(index)) return index as LogIndex
    }
    return undefined
  }

  /** An entry read back from the disk: its certificate is needed, not its body. */
  relearn(entry: Entry): void {
    if (entry.certificate !== null) this.#certificates.set(entry.index, decodeCertificate(entry.certificate))
  }

  certificate(index: number): Certificate | undefined {
    return this.#certificates.get(index)
  }

  append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, 'entries are decided without a gap')
    this.#add(entry)
  }

  /** Entries from `from` on that are in memory: at least one, about `bytesMax`, of one epoch. */
  slice(from: number, bytesMax: number): Entry[] {
    const entries: Entry[] = []
    let bytes = 0
    for (let index = from; index <= this.#lastIndex; index++) {
      const entry = this.#tail.get(index)
      if (entry === undefined || (entries[0] !== undefined && entry.epoch !== entries[0].epoch)) break
      bytes += sizeOf(entry)
      if (entries.length > 0 && bytes > bytesMax) break
      entries.push(entry)
    }
    return entries
  }

  /** Lets go of the oldest entries above the limits, up to `upTo`; the last one stays. */
  evict(upTo: number, limits: { readonly tailEntriesMax: number; readonly tailBytesMax: number }): void {
    const end = Math.min(upTo, this.#lastIndex - 1)
    while (this.#tailFirst <= end) {
      const count = this.#lastIndex - this.#tailFirst + 1
      if (count <= limits.tailEntriesMax && this.#tailBytes <= limits.tailBytesMax) return
      this.#dropFirst()
    }
  }

  /** Certificates up to a stable checkpoint are needed no more. */
  forgetCertificates(upTo: number): void {
    for (const index of this.#certificates.keys()) if (index <= upTo) this.#certificates.delete(index)
  }

  compact(base: LogBase): void {
    assert(base.index > this.#base.index && base.index <= this.#lastIndex, 'a log is compacted within itself')
    while (this.#tailFirst <= base.index && this.#tailFirst <= this.#lastIndex) this.#dropFirst()
    this.#base = base
  }

  /** Begins anew after `base`, which the log does not reach. */
  reset(base: LogBase): void {
    assert(base.index > this.#lastIndex, 'only a log that ends before is dropped')
    this.#tail.clear()
    this.#certificates.clear()
    this.#tailBytes = 0
    this.#base = base
    this.#lastIndex = base.index
    this.#lastChain = base.chain
    this.#tailFirst = base.index + 1
  }

  #add(entry: Entry): void {
    this.#tail.set(entry.index, entry)
    this.#tailBytes += sizeOf(entry)
    this.#lastIndex = entry.index
    this.#lastChain = entry.chain
    if (entry.certificate !== null && entry.index > this.#origin)
      this.#certificates.set(entry.index, decodeCertificate(entry.certificate))
  }

  #dropFirst(): void {
    const entry = this.#tail.get(this.#tailFirst)
    if (entry !== undefined) this.#tailBytes -= sizeOf(entry)
    this.#tail.delete(this.#tailFirst)
    this.#tailFirst++
  }
}
