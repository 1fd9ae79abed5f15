/**
 * Makes a failing case smaller while it keeps breaking the same promise: faults are taken out in ever
 * smaller groups (delta debugging, Zeller and Hildebrandt, 2002), then the phase of faults, the clients
 * and the keys. Each cut shifts what chance brings, so a cut that hides the failure proves nothing and
 * is simply not made.
 */
import type { PlannedFault, RunPlan } from './plan.js'
import type { SeedResult } from './run-seed.js'

export interface ShrinkOptions {
  readonly plan: RunPlan
  readonly run: (plan: RunPlan) => Promise<Pick<SeedResult, 'violation'>>
  /** Runs at most. */
  readonly runsMax: number
  readonly signal?: AbortSignal
  readonly onSmaller?: (plan: RunPlan, runs: number) => void
}

export interface Shrunk {
  /** The promise that is broken; null where the case breaks none, and `plan` is as it was. */
  readonly invariant: string | null
  readonly plan: RunPlan
  readonly runs: number
}

/** Ends with the smallest case found, within `runsMax` runs. Rejects with the reason of `signal`. */
export async function shrink(options: ShrinkOptions): Promise<Shrunk> {
  const search = new Shrinking(options)
  return search.run()
}

class Shrinking {
  readonly #options: ShrinkOptions
  #plan: RunPlan
  #invariant: string | null = null
  #runs = 0

  constructor(options: ShrinkOptions) {
    this.#options = options
    this.#plan = options.plan
  }

  async run(): Promise<Shrunk> {
    this.#invariant = await this.#violation(this.#plan)
    if (this.#invariant !== null) {
      // Most of a plan lies behind the failure: what no run came to needs no run to go.
      await this.#shorten()
      await this.#cutFaults()
      await this.#shorten()
      await this.#fewer('clients')
      await this.#fewer('keys')
    }
    return { invariant: this.#invariant, plan: this.#plan, runs: this.#runs }
  }

  /** ddmin over the list of faults. */
  async #cutFaults(): Promise<void> {
    let parts = 2
    while (this.#plan.faults.length > 0 && this.#isLeft) {
      const { faults } = this.#plan
      const size = Math.ceil(faults.length / parts)
      let isSmaller = false
      for (let from = 0; from < faults.length && !isSmaller; from += size) {
        isSmaller = await this.#tryFaults([...faults.slice(0, from), ...faults.slice(from + size)])
      }
      if (isSmaller) parts = Math.max(2, parts - 1)
      else if (size === 1) return
      else parts = Math.min(faults.length, parts * 2)
    }
  }

  /** Halves the phase of faults, and what it waits for, as long as the failure stays. */
  async #shorten(): Promise<void> {
    await this.#try({ ...this.#plan, commitsMin: 0 })
    for (;;) {
      const faultsForMs = Math.floor(this.#plan.faultsForMs / 2)
      const faults = this.#plan.faults.filter(({ atMs }) => atMs <= faultsForMs)
      if (faultsForMs < 1 || !(await this.#try({ ...this.#plan, faultsForMs, faults }))) break
    }
    const inTime = this.#plan.faults.filter(({ atMs }) => atMs <= this.#plan.faultsForMs)
    if (inTime.length < this.#plan.faults.length) await this.#tryFaults(inTime)
  }

  async #fewer(what: 'clients' | 'keys'): Promise<void> {
    for (let count = 1; count < this.#plan[what]; count++) {
      if (await this.#try({ ...this.#plan, [what]: count })) return
    }
  }

  #tryFaults(faults: readonly PlannedFault[]): Promise<boolean> {
    return this.#try({ ...this.#plan, faults })
  }

  async #try(plan: RunPlan): Promise<boolean> {
    if (!this.#isLeft || (await this.#violation(plan)) !== this.#invariant) return false
    this.#plan = plan
    this.#options.onSmaller?.(plan, this.#runs)
    return true
  }

  get #isLeft(): boolean {
    return this.#runs < this.#options.runsMax
  }

  async #violation(plan: RunPlan): Promise<string | null> {
    this.#options.signal?.throwIfAborted()
    this.#runs++
    return (await this.#options.run(plan)).violation?.invariant ?? null
  }
}
