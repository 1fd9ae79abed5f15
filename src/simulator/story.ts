/** Tells what happened in a run, as lines that a person can read: leaders, faults, phases, the violation. */
import type { TraceEvent } from './trace.js'

/** A run with more is told in part. */
const LINES_MAX = 400

export class Story {
  readonly #lines: string[] = []
  #left = 0

  /** Takes every event of a run, in order. */
  add(event: TraceEvent): void {
    const text = tell(event)
    if (text === null) return
    if (this.#lines.length >= LINES_MAX && event.kind !== 'violation') this.#left++
    else this.#lines.push(`${(event.atMs / 1000).toFixed(3).padStart(8)} s  ${text}`)
  }

  /** One line per event that mattered; how many are left out stands at the end. */
  lines(): readonly string[] {
    return this.#left === 0 ? this.#lines : [...this.#lines, `… and ${this.#left} more`]
  }
}

const PHASES: Readonly<Record<string, string>> = {
  faults: 'the faults begin',
  majority: 'as few as decide are healed and have to serve every client',
  converge: 'all are healed and have to come to one state',
}

function tell({ kind, on, fields }: TraceEvent): string | null {
  switch (kind) {
    case 'run':
      return `${fields.nodes} nodes, seed ${fields.seed}`
    case 'phase':
      return PHASES[String(fields.phase)] ?? `phase ${fields.phase}`
    case 'role':
      // Every round of HotStuff has another leader: that is no news.
      if (fields.role !== 'leader' || fields.round !== undefined) return null
      return fields.view === undefined
        ? `${on} leads term ${fields.term}`
        : `${on} is the primary of view ${fields.view}`
    case 'epoch':
      return `${on} is in epoch ${fields.epoch}, ${fields.mode}`
    case 'fault':
      return fields.point === undefined ? `fault ${fields.strike} on ${on}` : `${on} is ended at ${fields.point}`
    case 'crash':
      return `${on} crashes (${fields.loss})`
    case 'start':
      return `${on} starts`
    case 'stop':
      return `${on} stops by itself: ${fields.reason}`
    case 'pause':
      return `${on} stands still for ${Math.round(Number(fields.forMs))} ms`
    case 'heal':
      return 'the network is healed'
    case 'violation':
      return `VIOLATION of ${fields.invariant}: ${fields.detail}`
    default:
      return null
  }
}
