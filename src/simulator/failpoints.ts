/**
 * The named steps of a node at which a simulation can end it: before and after each store, send, apply
 * and snapshot step. They are noticed at the node's ports, so production code knows nothing of them.
 */
export const FAILPOINTS = [
  'beforeAppend',
  'afterAppend',
  'beforeSync',
  'afterSync',
  'beforeStored',
  'beforeSend',
  'afterSend',
  'beforeApply',
  'afterApply',
  'beforeFlush',
  'afterFlush',
  'beforeDirectorySync',
  'afterDirectorySync',
  'beforeSnapshotStep',
  'afterSnapshotStep',
] as const

export type Failpoint = (typeof FAILPOINTS)[number]

interface Armed {
  readonly point: Failpoint
  /** Strikes at this pass, counted from 1. */
  left: number
  readonly strike: () => void
}

export class Failpoints {
  #armed: Armed | null = null

  /** Calls `strike` at the `pass`-th time that `point` is passed; replaces what was armed before. */
  arm(point: Failpoint, pass: number, strike: () => void): void {
    this.#armed = { point, left: pass, strike }
  }

  disarm(): void {
    this.#armed = null
  }

  /** The node is at this point. */
  pass(point: Failpoint): void {
    const armed = this.#armed
    if (armed === null || armed.point !== point || --armed.left > 0) return
    this.#armed = null
    armed.strike()
  }
}
