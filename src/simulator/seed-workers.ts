/**
 * Spreads seeds over threads and hands their reports back in the order of the seeds. A thread is given
 * its next seed only when it is done with the last, and none is more than a bounded number ahead of the
 * report that is waited for.
 */
import { Worker } from 'node:worker_threads'
import { KnhkError } from '../base/error.js'
import { reportSeed, type SeedReport, type SeedTask } from './seed-report.js'

/** The next seed to run; null when there is none. */
export type SeedSource = () => SeedTask | null

export interface SeedWorkersOptions {
  readonly workers: number
  readonly withTrace: boolean
  readonly source: SeedSource
  readonly signal?: AbortSignal
  readonly onSeed: (report: SeedReport) => Promise<void>
}

/** Reports that wait for an earlier one, per worker. */
const AHEAD_MAX = 8

/** To a worker: what it runs. From it: what it came to, or why it could not. */
export type WorkerTask = SeedTask & { readonly withTrace: boolean }
export type WorkerAnswer = { readonly report: SeedReport } | { readonly failure: string }

type RunTask = (task: WorkerTask) => Promise<SeedReport>

export async function runSeeds(options: SeedWorkersOptions): Promise<void> {
  if (options.workers <= 1) return runHere(options)
  const workers = Array.from({ length: options.workers }, () => new SeedWorker())
  try {
    await new Spread(options, workers).run()
  } finally {
    await Promise.all(workers.map((worker) => worker.end()))
  }
}

async function runHere({ source, withTrace, signal, onSeed }: SeedWorkersOptions): Promise<void> {
  for (let task = source(); task !== null; task = source()) {
    signal?.throwIfAborted()
    await onSeed(await reportSeed(task, withTrace))
  }
}

class Spread {
  readonly #options: SeedWorkersOptions
  readonly #workers: readonly { readonly run: RunTask }[]
  /** Reports by the order of their seeds. */
  readonly #done = new Map<number, SeedReport>()
  #given = 0
  #taken = 0
  #taking: Promise<void> = Promise.resolve()
  #wake: (() => void)[] = []

  constructor(options: SeedWorkersOptions, workers: readonly { readonly run: RunTask }[]) {
    this.#options = options
    this.#workers = workers
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    const aborted = new Promise<never>((_, reject) => {
      if (signal?.aborted === true) reject(signal.reason)
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    await Promise.race([Promise.all(this.#workers.map((worker) => this.#serve(worker))), aborted])
    await this.#taking
  }

  async #serve(worker: { readonly run: RunTask }): Promise<void> {
    const { source, withTrace, signal } = this.#options
    for (;;) {
      while (this.#given - this.#taken > AHEAD_MAX * this.#workers.length) await this.#someTaken()
      if (signal?.aborted === true) return
      const task = source()
      if (task === null) return
      const order = this.#given++
      const report = await worker.run({ ...task, withTrace })
      this.#done.set(order, report)
      this.#taking = this.#taking.then(() => this.#take())
      await Promise.race([this.#taking, Promise.resolve()])
    }
  }

  async #take(): Promise<void> {
    for (;;) {
      const report = this.#done.get(this.#taken)
      if (report === undefined || this.#options.signal?.aborted === true) return
      this.#done.delete(this.#taken++)
      await this.#options.onSeed(report)
      for (const wake of this.#wake.splice(0)) wake()
    }
  }

  #someTaken(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }
}

/** One thread; one seed at a time. */
class SeedWorker {
  readonly #worker = new Worker(new URL('./seed-worker.js', import.meta.url))

  run(task: WorkerTask): Promise<SeedReport> {
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      const onMessage = (answer: WorkerAnswer) => {
        worker.off('error', onError)
        if ('report' in answer) resolve(answer.report)
        else
          reject(new KnhkError('Bug', `seed ${task.seed} with ${task.nodes} nodes could not be run: ${answer.failure}`))
      }
      const onError = (cause: unknown) => {
        worker.off('message', onMessage)
        const reason = cause instanceof Error ? cause.message : String(cause)
        reject(
          new KnhkError('Bug', `seed ${task.seed} with ${task.nodes} nodes could not be run: ${reason}`, { cause }),
        )
      }
      worker.once('message', onMessage)
      worker.once('error', onError)
      worker.postMessage(task)
    })
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}
