/**
 * Loaded into a node process (`node --import`) by the benchmark of the state machine: notes how long the loop stood
 * still, and how much of that was garbage collection, and writes what it noted since the last time to a file when it
 * gets SIGUSR2. Figures of the process itself: nothing is asked over the network while it is measured.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, type PerformanceEntry, PerformanceObserver, performance } from 'node:perf_hooks'

/** What a process noted since the last SIGUSR2. */
export interface ProcessWatch {
  readonly elapsedMs: number
  /** Of all threads. */
  readonly cpuMs: number
  /** Time in which the loop had work. */
  readonly loopActiveMs: number
  /** Longest time between two looks of a timer, beyond what it waits: with and without garbage collection. */
  readonly longestStallMs: number
  readonly longestStallWithoutGcMs: number
  /** Times that stood still for over 10 ms, garbage collection taken off. */
  readonly stallsOver10Ms: number
  readonly gcMs: number
  readonly longestGcMs: number
  readonly majorGcs: number
  readonly heapBytes: number
  /** Off the heap, of the objects that still live. */
  readonly bufferBytes: number
}

const TICK_MS = 2
const LONG_MS = 10
/** The directory in which the file belongs. */
export const WATCH_VARIABLE = 'KNHK_BENCH_WATCH'

export function watchFile(directory: string, pid: number): string {
  return join(directory, `${pid}.json`)
}

interface Pause {
  readonly beginMs: number
  readonly endMs: number
}

class Watch {
  #pauses: Pause[] = []
  #gcMs = 0
  #longestGcMs = 0
  #majorGcs = 0
  #longestStallMs = 0
  #longestWithoutGcMs = 0
  #stalls = 0
  #sinceMs = performance.now()
  #cpu = process.cpuUsage()
  #loop = performance.eventLoopUtilization()
  #gaps: Pause[] = []

  start(): void {
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#collected(entry)
    })
    observer.observe({ entryTypes: ['gc'] })
    let lookedMs = performance.now()
    const timer = setInterval(() => {
      const nowMs = performance.now()
      if (nowMs - lookedMs > LONG_MS) this.#gaps.push({ beginMs: lookedMs + TICK_MS, endMs: nowMs })
      lookedMs = nowMs
    }, TICK_MS)
    timer.unref()
  }

  take(): ProcessWatch {
    for (const gap of this.#gaps) this.#judge(gap)
    const nowMs = performance.now()
    const { user, system } = process.cpuUsage(this.#cpu)
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    const noted: ProcessWatch = {
      elapsedMs: nowMs - this.#sinceMs,
      cpuMs: (user + system) / 1000,
      loopActiveMs: performance.eventLoopUtilization(this.#loop).active,
      longestStallMs: this.#longestStallMs,
      longestStallWithoutGcMs: this.#longestWithoutGcMs,
      stallsOver10Ms: this.#stalls,
      gcMs: this.#gcMs,
      longestGcMs: this.#longestGcMs,
      majorGcs: this.#majorGcs,
      heapBytes: heapUsed,
      bufferBytes: arrayBuffers,
    }
    this.#pauses = []
    this.#gaps = []
    this.#gcMs = this.#longestGcMs = this.#majorGcs = 0
    this.#longestStallMs = this.#longestWithoutGcMs = this.#stalls = 0
    this.#sinceMs = nowMs
    this.#cpu = process.cpuUsage()
    this.#loop = performance.eventLoopUtilization()
    return noted
  }

  #collected(entry: PerformanceEntry): void {
    const { startTime, duration } = entry
    this.#pauses.push({ beginMs: startTime, endMs: startTime + duration })
    this.#gcMs += duration
    this.#longestGcMs = Math.max(this.#longestGcMs, duration)
    const { kind } = (entry as PerformanceEntry & { readonly detail: { readonly kind: number } }).detail
    if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) this.#majorGcs++
  }

  #judge({ beginMs, endMs }: Pause): void {
    let collectingMs = 0
    for (const pause of this.#pauses) {
      collectingMs += Math.max(0, Math.min(endMs, pause.endMs) - Math.max(beginMs, pause.beginMs))
    }
    const stalledMs = endMs - beginMs
    this.#longestStallMs = Math.max(this.#longestStallMs, stalledMs)
    this.#longestWithoutGcMs = Math.max(this.#longestWithoutGcMs, stalledMs - collectingMs)
    if (stalledMs - collectingMs > LONG_MS) this.#stalls++
  }
}

const directory = process.env[WATCH_VARIABLE]
if (directory !== undefined && process.argv.includes('node')) {
  const watch = new Watch()
  watch.start()
  process.on('SIGUSR2', () => {
    // The collector's notes come in a later turn.
    setImmediate(() => {
      const file = watchFile(directory, process.pid)
      writeFileSync(`${file}.new`, JSON.stringify(watch.take()))
      renameSync(`${file}.new`, file)
    })
  })
}
