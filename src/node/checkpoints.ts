/**
 * The checkpoints of a Byzantine protocol on the driver's side: the state's digest at every so many
 * entries for the core to sign, and the certificates that a quorum made of them, which snapshots and
 * receipts rest on.
 */
import type { LogIndex } from '../consensus/types.js'
import type { Execution } from './execution.js'

/** The newest certificates in memory; older ones stand beside the snapshots that they belong to. */
const CERTIFICATES_KEPT_MAX = 64

export interface StableCheckpoint {
  readonly index: LogIndex
  readonly stateDigest: Uint8Array
  readonly certificate: Uint8Array
}

export class Checkpoints {
  readonly #interval: number
  readonly #onDigest: (index: LogIndex, stateDigest: Uint8Array) => void
  readonly #stable: StableCheckpoint[] = []

  constructor(interval: number, onDigest: (index: LogIndex, stateDigest: Uint8Array) => void) {
    this.#interval = interval
    this.#onDigest = onDigest
  }

  /** The newest that a quorum signed; undefined before the first of this run. */
  get newest(): StableCheckpoint | undefined {
    return this.#stable.at(-1)
  }

  at(index: LogIndex): StableCheckpoint | undefined {
    return this.#stable.find((checkpoint) => checkpoint.index === index)
  }

  /** The first one at or after an index: what a receipt for that index can rest on. */
  covering(index: LogIndex): StableCheckpoint | undefined {
    return this.#stable.find((checkpoint) => checkpoint.index >= index)
  }

  isDue(index: LogIndex): boolean {
    return index % this.#interval === 0
  }

  /** Index of the first checkpoint behind `index`. */
  next(index: LogIndex): LogIndex {
    return (index - (index % this.#interval) + this.#interval) as LogIndex
  }

  /** The entry at `index` was applied, and a checkpoint is due: the digest follows behind apply. */
  begin(execution: Execution, index: LogIndex, recordAt: LogIndex | null): void {
    execution.rotate(recordAt, ({ stateDigest }) => this.#onDigest(index, stateDigest))
  }

  note(checkpoint: StableCheckpoint): void {
    this.#stable.push(checkpoint)
    if (this.#stable.length > CERTIFICATES_KEPT_MAX) this.#stable.shift()
  }
}
