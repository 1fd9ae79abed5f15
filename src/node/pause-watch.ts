/**
 * Notices that the process stood still (SIGSTOP, a suspended machine, a long turn): then leases and
 * quorum contact count as expired before anything else is processed (TiKV #10011, etcd #20418).
 */
import type { Millis } from '../consensus/types.js'

export class PauseWatch {
  readonly #toleratedMs: Millis
  #lookedMs: Millis

  /** A gap over `toleratedMs` between two looks counts as a pause. */
  constructor(toleratedMs: Millis, nowMs: Millis) {
    this.#toleratedMs = toleratedMs
    this.#lookedMs = nowMs
  }

  /** Called at the start of every turn. Returns the length of the pause, 0 for none. */
  look(nowMs: Millis): Millis {
    const gapMs = nowMs - this.#lookedMs
    this.#lookedMs = nowMs
    return gapMs > this.#toleratedMs ? gapMs : 0
  }

  /** The loop has to look at least this often, or idleness would look like a pause. */
  deadline(): Millis {
    return this.#lookedMs + this.#toleratedMs / 2
  }
}
