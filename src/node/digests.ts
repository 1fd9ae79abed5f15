/**
 * Keeps the state digests behind apply: takes the changes of each generation, feeds them to the tree
 * in slices, and records the digests of the generations that end at a compared index.
 */
import type { Sha256 } from '../consensus/entry.js'
import type { LogIndex } from '../consensus/types.js'
import { DigestTree, type StateDigests } from '../workflow/digest.js'
import type { NodeLimits } from './limits.js'
import type { Clock, StateStore } from './ports.js'

export interface DigestRecord {
  readonly index: LogIndex
  readonly stateDigest: Uint8Array
  readonly dataDigest: Uint8Array
}

interface Job {
  readonly changes: Iterator<readonly [string, Uint8Array | null]>
  readonly bytes: number
  /** Wants the digests at the end of the generation, whatever its index. */
  readonly tell: ((digests: StateDigests) => void) | null
  /** The index that the digests are recorded under; null when the generation ended in between. */
  readonly recordAt: LogIndex | null
}

const KEYS_PER_CLOCK_LOOK = 64

export class Digests {
  readonly #tree: DigestTree
  readonly #clock: Clock
  readonly #limits: NodeLimits
  readonly #jobs: Job[] = []
  readonly #records: DigestRecord[] = []
  #rebuilding = false
  #waitingBytes = 0

  readonly #onRecord: (record: DigestRecord) => void

  constructor(
    modules: { readonly sha256: Sha256; readonly clock: Clock; readonly limits: NodeLimits },
    onRecord: (record: DigestRecord) => void,
  ) {
    this.#onRecord = onRecord
    this.#tree = new DigestTree(modules.sha256)
    this.#clock = modules.clock
    this.#limits = modules.limits
  }

  /** The newest record, null before the first. */
  get latest(): DigestRecord | null {
    return this.#records.at(-1) ?? null
  }

  /** The digests at an index, while they are kept. */
  at(index: LogIndex): DigestRecord | null {
    return this.#records.find((record) => record.index === index) ?? null
  }

  get isIdle(): boolean {
    return this.#jobs.length === 0
  }

  /** Of the generations that are not in the tree yet: they stay in memory until then. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Takes the changes of a generation that has ended, and what it counts. */
  add(
    changes: ReadonlyMap<string, Uint8Array | null>,
    bytes: number,
    recordAt: LogIndex | null,
    tell: Job['tell'] = null,
  ): void {
    this.#jobs.push({ changes: changes.entries(), bytes, recordAt, tell })
    this.#waitingBytes += bytes
  }

  /**
   * After a restart: feeds everything that is in the store. Generations added meanwhile wait their
   * turn. `pause` lets the loop run in between.
   */
  async rebuild(state: StateStore, pause: () => Promise<void>): Promise<void> {
    this.#rebuilding = true
    let fed = 0
    for await (const { key, value } of state.scan()) {
      this.#tree.update(key, value)
      if (++fed % 512 === 0) await pause()
    }
    this.#rebuilding = false
  }

  /** Works until `deadlineMs`. True when there is more to do. */
  work(deadlineMs: number): boolean {
    if (this.#rebuilding) return false
    for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
      if (!this.#feed(job, deadlineMs)) return true
      if (job.recordAt !== null || job.tell !== null) {
        while (!this.#tree.settle(KEYS_PER_CLOCK_LOOK)) if (this.#clock.monotonicMs() >= deadlineMs) return true
        if (job.recordAt !== null) this.#record(job.recordAt)
        job.tell?.(this.#tree.digests())
      }
      this.#jobs.shift()
      this.#waitingBytes -= job.bytes
    }
    return false
  }

  #feed(job: Job, deadlineMs: number): boolean {
    for (let fed = 1; ; fed++) {
      const next = job.changes.next()
      if (next.done === true) return true
      this.#tree.update(next.value[0], next.value[1])
      if (fed % KEYS_PER_CLOCK_LOOK === 0 && this.#clock.monotonicMs() >= deadlineMs) return false
    }
  }

  #record(index: LogIndex): void {
    const record = { index, ...this.#tree.digests() }
    this.#records.push(record)
    this.#onRecord(record)
    if (this.#records.length > this.#limits.digestsKept) this.#records.shift()
  }
}
