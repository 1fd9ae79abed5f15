/** The state is replaced by a fetched snapshot: once the log begins behind it, and when nothing else works on it. */
import type { Effect } from '../consensus/core.js'
import type { NodeParts } from './parts.js'

type RestoreState = Extract<Effect, { type: 'restoreState' }>

export class StateReplacement {
  readonly #parts: NodeParts
  #waiting: RestoreState | null = null

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  /** Apply rests until it began. */
  get isWaiting(): boolean {
    return this.#waiting !== null
  }

  wait(effect: RestoreState): void {
    this.#waiting = effect
  }

  beginIfDue(): void {
    const { writer, snapshots, execution, intake, ports, observer, hooks } = this.#parts
    const restore = this.#waiting
    if (restore === null || !writer.isDurable(restore.after)) return
    if (snapshots.isTaking || !execution.isReplaceable) return
    this.#waiting = null
    const { base, id, bytes } = restore.snapshot
    ports.logger.log('info', 'the state is replaced by a snapshot', { index: base.index })
    execution
      .restore(base.index, ports.snapshots.pairs(id))
      .then(() => {
        snapshots.noteRestored()
        intake.stateReplaced()
        observer.snapshotRestored(base.index, bytes)
        ports.logger.log('info', 'snapshot restored', { index: base.index })
      })
      .catch(hooks.fail)
  }
}
