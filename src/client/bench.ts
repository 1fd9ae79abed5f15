/**
 * The load generator behind `knhk bench`: closed loop (each slot has one operation under way) or open
 * loop (operations start at their scheduled time and are timed from it, so a slow server cannot hide
 * behind a waiting client: no coordinated omission).
 */
import type { KnhkError } from '../base/error.js'
import type { ClientOptions } from './api.js'
import { BenchHistory, type OpenOperation } from './bench-history.js'
import { BenchWorkload } from './bench-workload.js'
import { type ClientSession, type ClusterClient, connectClient } from './index.js'
import { LatencyHistogram } from './latency-histogram.js'

export interface BenchOptions {
  readonly client: ClientOptions
  readonly clients: number
  /** Requests that each client keeps under way. */
  readonly pipeline: number
  /** Operations per request. */
  readonly batch: number
  readonly durationMs: number
  readonly warmupMs: number
  readonly valueSize: number
  /** Share of linearizable gets, 0 … 1. */
  readonly readShare: number
  /** Distinct keys, drawn uniformly. */
  readonly keys: number
  /** Offered operations per second over all clients; closed loop when absent. */
  readonly rate?: number
  /** TLS connections that the clients share. */
  readonly connections: number
  /** NDJSON of every operation. */
  readonly historyFile?: string
  readonly signal?: AbortSignal
  /** Called about once a second with the operations finished so far. */
  readonly onProgress?: (done: number, elapsedMs: number) => void
}

export interface BenchReport {
  readonly opsPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number }
  readonly errors: number
  readonly operations: number
  readonly clients: number
  readonly pipeline: number
  readonly batch: number
  readonly valueSize: number
  readonly readShare: number
  readonly keys: number
  readonly connections: number
  readonly rate: number | null
  readonly durationSeconds: number
  /** Operations of an open loop that were due and not begun at the end: the cluster cannot bear the rate. */
  readonly backlog: number
  /** [latency in ms, operations] per bucket. */
  readonly histogram: readonly (readonly [number, number])[]
}

/** One place for one operation (or batch) under way. */
interface Slot {
  readonly id: number
  readonly session: ClientSession
  readonly client: ClusterClient
}

const REQUEST_TIMEOUT_MS = 10_000
/** An open loop looks this often at what is due, and whenever a slot becomes free. */
const TICK_MS = 1
const DRAIN_TIMEOUT_MS = REQUEST_TIMEOUT_MS + 1000

export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const history = options.historyFile === undefined ? null : await BenchHistory.create(options.historyFile)
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => connectClient(options.client)),
  )
  try {
    // One session a connection, as a process has that runs many operations at once.
    const sessions = await Promise.all(connections.map((connection) => connection.openRawSession()))
    const slots = Array.from({ length: options.clients * options.pipeline }, (_, id): Slot => {
      const at = Math.floor(id / options.pipeline) % connections.length
      return { id, session: sessions[at] as ClientSession, client: connections[at] as ClusterClient }
    })
    return await new BenchRun(options, slots, history).run()
  } finally {
    await Promise.all(connections.map((connection) => connection.close()))
  }
}

class BenchRun {
  readonly #options: BenchOptions
  readonly #slots: readonly Slot[]
  readonly #histogram = new LatencyHistogram()
  readonly #workload: BenchWorkload
  readonly #history: BenchHistory | null
  #idle: Slot[]
  #measuring = false
  #stopped = false
  #done = 0
  #errors = 0
  #open = 0
  #backlog = 0
  /** Begins what is due as far as slots are free; returns the requests that are due and wait. Open loop only. */
  #offerDue: () => number = () => 0
  #onDrained: (() => void) | undefined

  constructor(options: BenchOptions, slots: readonly Slot[], history: BenchHistory | null) {
    this.#options = options
    this.#slots = slots
    this.#idle = [...slots]
    this.#workload = new BenchWorkload({ ...options, ownKeys: history !== null })
    this.#history = history
  }

  async run(): Promise<BenchReport> {
    const { options } = { options: this.#options }
    const stopOffering = options.rate === undefined ? this.#closedLoop() : this.#openLoop(options.rate)
    await sleep(options.warmupMs, options.signal)
    this.#measuring = true
    const beginMs = performance.now()
    for (let left = options.durationMs; left > 0 && options.signal?.aborted !== true; ) {
      await sleep(Math.min(left, 1000), options.signal)
      const elapsedMs = performance.now() - beginMs
      options.onProgress?.(this.#done, elapsedMs)
      left = options.durationMs - elapsedMs
    }
    this.#measuring = false
    const elapsedMs = performance.now() - beginMs
    stopOffering()
    this.#stopped = true
    await this.#drained()
    await this.#history?.close()
    return this.#report(elapsedMs)
  }

  #closedLoop(): () => void {
    for (const slot of this.#slots) this.#issue(slot, performance.now())
    return () => {}
  }

  /** Schedules at the offered rate; an operation without a free slot waits, its clock running. */
  #openLoop(rate: number): () => void {
    const requestsPerMs = rate / this.#options.batch / 1000
    const startMs = performance.now()
    let begun = 0
    this.#offerDue = () => {
      const due = Math.floor((performance.now() - startMs) * requestsPerMs)
      for (; begun < due; begun++) {
        const slot = this.#idle.pop()
        if (slot === undefined) break
        this.#issue(slot, startMs + begun / requestsPerMs)
      }
      return due - begun
    }
    const timer = setInterval(this.#offerDue, TICK_MS)
    return () => {
      clearInterval(timer)
      // One last look: whatever a free slot could take has begun, so the rest waits for the cluster and not for a timer.
      this.#backlog = this.#offerDue() * this.#options.batch
    }
  }

  #issue(slot: Slot, scheduledMs: number): void {
    this.#open++
    if (this.#options.readShare > 0 && Math.random() < this.#options.readShare) this.#read(slot, scheduledMs)
    else this.#write(slot, scheduledMs)
  }

  #write(slot: Slot, scheduledMs: number): void {
    const history = this.#history
    const open: OpenOperation[] = []
    // Operations of one request are open at once, so each place in it is a client of its own.
    const place = slot.id * this.#options.batch
    const operations = this.#workload.puts(
      history === null
        ? null
        : (key, value) => open.push(history.call({ slot: place + open.length, op: 'put', key, value })),
    )
    slot.session.submitEncoded(operations, REQUEST_TIMEOUT_MS, (_, results, error) => {
      for (const [i, operation] of open.entries()) {
        const isOk = error === null && results?.[i]?.outcome.ok === true
        history?.return(operation, isOk ? 'ok' : error !== null && isUnknown(error) ? 'unknown' : 'failed', null)
      }
      this.#finished(
        slot,
        scheduledMs,
        error === null && results !== null && results.every((result) => result.outcome.ok),
      )
    })
  }

  #read(slot: Slot, scheduledMs: number): void {
    const key = this.#workload.key()
    const open = this.#history?.call({ slot: slot.id * this.#options.batch, op: 'get', key, value: null })
    slot.client.query('kv.get', { key: Buffer.from(key) }, { timeoutMs: REQUEST_TIMEOUT_MS }).then(
      (answer) => {
        const value = (answer.value as { value: Uint8Array | null }).value
        if (open !== undefined) this.#history?.return(open, 'ok', value === null ? null : Buffer.from(value).toString())
        this.#finished(slot, scheduledMs, true)
      },
      () => {
        if (open !== undefined) this.#history?.return(open, 'failed', null)
        this.#finished(slot, scheduledMs, false)
      },
    )
  }

  #finished(slot: Slot, scheduledMs: number, ok: boolean): void {
    this.#open--
    const now = performance.now()
    if (this.#measuring) {
      if (ok) {
        this.#histogram.add(now - scheduledMs)
        this.#done += this.#options.batch
      } else this.#errors += this.#options.batch
    }
    if (this.#stopped) {
      if (this.#open === 0) this.#onDrained?.()
    } else if (this.#options.rate === undefined) {
      // A failed call comes back at once: do not spin on a cluster that is down.
      if (ok) this.#issue(slot, now)
      else setTimeout(() => (this.#stopped ? undefined : this.#issue(slot, performance.now())), 10)
    } else {
      this.#idle.push(slot)
      // A failed call comes back at once: the next one waits for the timer.
      if (ok) this.#offerDue()
    }
  }

  #drained(): Promise<void> {
    if (this.#open === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, DRAIN_TIMEOUT_MS)
      this.#onDrained = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #report(elapsedMs: number): BenchReport {
    const { clients, pipeline, batch, valueSize, readShare, keys, connections, rate } = this.#options
    const histogram = this.#histogram
    return {
      opsPerSecond: (this.#done * 1000) / elapsedMs,
      latencyMs: {
        p50: histogram.percentileMs(0.5),
        p90: histogram.percentileMs(0.9),
        p99: histogram.percentileMs(0.99),
        max: histogram.maxMs,
      },
      errors: this.#errors,
      operations: this.#done,
      clients,
      pipeline,
      batch,
      valueSize,
      readShare,
      keys,
      connections,
      rate: rate ?? null,
      durationSeconds: elapsedMs / 1000,
      backlog: this.#backlog,
      histogram: [...histogram.buckets()],
    }
  }
}

function isUnknown(error: KnhkError): boolean {
  return error.code === 'OutcomeUnknown' || error.code === 'Aborted' || error.code === 'DeadlineExceeded'
}

function sleep(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve()
      return
    }
    const timer = setTimeout(resolve, durationMs)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
