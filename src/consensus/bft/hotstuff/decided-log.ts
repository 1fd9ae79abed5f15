/**
 * The log as a HotStuff core sees it: only decided entries, so it never shrinks at its end. The newest
 * stay in memory; older ones are read from disk by whoever needs them.
 */
import { assert } from '../../../base/assert.js'
import type { RestoredLog } from '../../core.js'
import { ENTRY_HEADER_BYTES, type Entry } from '../../entry.js'
import type { LogBase } from '../../snapshot.js'
import type { LogIndex } from '../../types.js'
import type { HotStuffLimits } from './config.js'

type Limits = Pick<HotStuffLimits, 'tailEntriesMax' | 'tailBytesMax'>

const sizeOf = ({ body, certificate }: Entry): number => ENTRY_HEADER_BYTES + body.length + (certificate?.length ?? 0)

export class DecidedLog {
  readonly #limits: Limits
  #base: LogBase
  /** Contiguous, up to the last entry; at least one unless the log is empty. */
  #tail: Entry[]
  #bytes = 0

  constructor({ base, tail, lastIndex }: RestoredLog, limits: Limits) {
    assert(lastIndex === base.index || tail.at(-1)?.index === lastIndex, 'the last entry is in memory')
    this.#base = base
    this.#tail = [...tail]
    this.#limits = limits
    for (const entry of tail) this.#bytes += sizeOf(entry)
  }

  get base(): LogBase {
    return this.#base
  }

  get last(): Pick<LogBase, 'index' | 'chain' | 'timestampMs'> {
    return this.#tail.at(-1) ?? this.#base
  }

  get lastEntry(): Entry | undefined {
    return this.#tail.at(-1)
  }

  entry(index: number): Entry | undefined {
    return this.#tail[index - (this.#tail[0]?.index ?? 0)]
  }

  append(entry: Entry): void {
    assert(entry.index === this.last.index + 1, 'entries are decided without a gap')
    this.#tail.push(entry)
    this.#bytes += sizeOf(entry)
  }

  /** Forgets everything up to `base`, which the log holds. */
  compact(base: LogBase): void {
    assert(base.index <= this.last.index, 'a log is compacted within itself')
    this.#tail = this.#tail.filter((entry) => entry.index > base.index)
    this.#bytes = this.#tail.reduce((bytes, entry) => bytes + sizeOf(entry), 0)
    this.#base = base
  }

  /** Forgets everything and begins after `base`. */
  reset(base: LogBase): void {
    this.#tail = []
    this.#bytes = 0
    this.#base = base
  }

  /** Lets go of the oldest entries beyond the limits, up to `upTo`; the last one stays. */
  evict(upTo: LogIndex): void {
    let drop = 0
    for (const entry of this.#tail.slice(0, -1)) {
      const isOver = this.#tail.length - drop > this.#limits.tailEntriesMax || this.#bytes > this.#limits.tailBytesMax
      if (!isOver || entry.index > upTo) break
      this.#bytes -= sizeOf(entry)
      drop++
    }
    if (drop > 0) this.#tail = this.#tail.slice(drop)
  }
}
