/**
 * The log as a HotStuff core sees it: only decided entries, so it never shrinks at its end. The newest
 * stay in memory; older ones are read from disk by whoever needs them.
 */
import { assert } from '../../../base/assert.js'
import type { RestoredLog } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { LogBase } from '../../snapshot.js'
import type { LogIndex } from '../../types.js'

export class DecidedLog {
  readonly #tailMax: number
  #base: LogBase
  /** Contiguous, up to the last entry; at least one unless the log is empty. */
  #tail: Entry[]

  constructor({ base, tail, lastIndex }: RestoredLog, tailMax: number) {
    assert(lastIndex === base.index || tail.at(-1)?.index === lastIndex, 'the last entry is in memory')
    this.#base = base
    this.#tail = [...tail]
    this.#tailMax = tailMax
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
  }

  /** Forgets everything up to `base`, which the log holds. */
  compact(base: LogBase): void {
    assert(base.index <= this.last.index, 'a log is compacted within itself')
    this.#tail = this.#tail.filter((entry) => entry.index > base.index)
    this.#base = base
  }

  /** Forgets everything and begins after `base`. */
  reset(base: LogBase): void {
    this.#tail = []
    this.#base = base
  }

  /** Lets go of the oldest entries beyond the limit, up to `upTo`; the last one stays. */
  evict(upTo: LogIndex): void {
    const over = this.#tail.length - this.#tailMax
    if (over <= 0) return
    const first = (this.#tail[0] as Entry).index
    this.#tail = this.#tail.slice(Math.max(0, Math.min(over, upTo - first + 1, this.#tail.length - 1)))
  }
}
