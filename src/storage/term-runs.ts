/**
 * Runs of equal (epoch, term) over the log: what a core needs of old entries without reading them.
 */
import type { Epoch, LogIndex, Term } from '../consensus/types.js'

export interface TermRun {
  readonly first: LogIndex
  readonly epoch: Epoch
  readonly term: Term
}

export class TermRuns {
  readonly #runs: TermRun[] = []

  get all(): readonly TermRun[] {
    return this.#runs
  }

  add(index: number, epoch: number, term: number): void {
    const last = this.#runs.at(-1)
    if (last !== undefined && last.epoch === epoch && last.term === term) return
    this.#runs.push({ first: index as LogIndex, epoch: epoch as Epoch, term: term as Term })
  }

  /** Forgets entries with an index of `from` and above. */
  truncate(from: number): void {
    while (this.#runs.length > 0 && (this.#runs.at(-1) as TermRun).first >= from) this.#runs.pop()
  }
}
