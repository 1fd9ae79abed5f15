/**
 * Collects from the events of a run what its space-time diagram shows: who had which role when, what
 * was sent and what became of it, faults, crashes, commits, what clients did. The size is bounded: of a
 * long run a window is kept, that before the violation or else the beginning.
 */
import type { Millis } from '../consensus/types.js'
import type { TraceEvent, TraceFields } from './trace.js'

/** How long a node was what. */
export interface Band {
  readonly node: string
  readonly fromMs: Millis
  toMs: Millis
  readonly role: string
  readonly term: number | null
}

export interface DrawnMessage {
  readonly from: string
  readonly to: string
  readonly sentMs: Millis
  /** Null: it never arrived. */
  arrivedMs: Millis | null
  readonly what: string
  readonly text: string
}

export interface Mark {
  readonly on: string | null
  readonly atMs: Millis
  readonly kind:
    | 'fault'
    | 'crash'
    | 'start'
    | 'pause'
    | 'commit'
    | 'phase'
    | 'heal'
    | 'violation'
    | 'stop'
    | 'switch'
    | 'epoch'
  readonly text: string
}

export interface Operation {
  readonly client: string
  readonly fromMs: Millis
  toMs: Millis | null
  readonly text: string
  outcome: string
}

export interface Diagram {
  readonly nodes: readonly string[]
  readonly fromMs: Millis
  readonly toMs: Millis
  /** How long the whole run took. */
  readonly runMs: Millis
  readonly bands: readonly Band[]
  readonly messages: readonly DrawnMessage[]
  readonly marks: readonly Mark[]
  readonly operations: readonly Operation[]
  readonly violation: string | null
}

/** Messages shown; beyond, a window of the run. */
const MESSAGES_MAX = 3000
/** Operations and marks kept, each. */
const OTHERS_MAX = 20_000

/** The first so many of a stream, and the last so many. */
class Ends<T> {
  readonly first: T[] = []
  readonly #latest: T[] = []
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  add(item: T): void {
    if (this.first.length < this.#max) this.first.push(item)
    this.#latest.push(item)
    if (this.#latest.length >= 2 * this.#max) this.#latest.splice(0, this.#max)
  }

  get last(): readonly T[] {
    return this.#latest.slice(-this.#max)
  }
}

export class SpaceTime {
  readonly #bands = new Ends<Band>(OTHERS_MAX)
  readonly #open = new Map<string, Band>()
  readonly #messages = new Ends<DrawnMessage>(MESSAGES_MAX)
  readonly #onTheWay = new Map<number, DrawnMessage>()
  readonly #marks = new Ends<Mark>(OTHERS_MAX)
  readonly #operations = new Ends<Operation>(OTHERS_MAX)
  readonly #calls = new Map<string, Operation>()
  readonly #nodes = new Set<string>()
  #violation: string | null = null
  #nowMs: Millis = 0

  /** Takes every event of a run, in order. */
  add(event: TraceEvent): void {
    const { kind, on, fields, atMs } = event
    this.#nowMs = atMs
    switch (kind) {
      case 'role':
        return this.#band(on as string, String(fields.role), Number(fields.term ?? fields.view ?? fields.round))
      case 'send':
        return this.#sent(on as string, fields)
      case 'deliver':
      case 'drop':
        return this.#ended(Number(fields.id), kind === 'deliver')
      case 'call':
        return this.#called(on as string, fields)
      case 'return':
        return this.#returned(on as string, fields)
      case 'commit':
        return this.#mark('commit', on, `committed up to ${fields.upTo}`)
      case 'violation':
        this.#violation = `${fields.invariant}: ${fields.detail}`
        return this.#mark('violation', on, this.#violation)
      case 'crash':
      case 'stop':
        this.#band(on as string, 'down', null)
        return this.#mark(kind, on, kind === 'crash' ? `crash (${fields.loss})` : `stops: ${fields.reason}`)
      case 'start':
        this.#band(on as string, 'starting', null)
        return this.#mark('start', on, 'starts')
      case 'pause':
      case 'fault':
      case 'heal':
      case 'phase':
      case 'epoch':
      case 'switch':
        return this.#mark(kind, on, describe(kind, fields))
      default:
    }
  }

  /** What is to be drawn; nothing is added any more. */
  diagram(): Diagram {
    const isAtEnd = this.#violation !== null
    const messages = isAtEnd ? this.#messages.last : this.#messages.first
    const isWhole = this.#messages.first.length < MESSAGES_MAX
    const fromMs = isAtEnd && !isWhole ? (messages[0]?.sentMs ?? 0) : 0
    const toMs = isAtEnd || isWhole ? this.#nowMs : (messages.at(-1)?.sentMs ?? this.#nowMs)
    const choose = <T>(ends: Ends<T>): readonly T[] => (isAtEnd ? ends.last : ends.first)
    for (const band of this.#open.values()) band.toMs = this.#nowMs
    return {
      nodes: [...this.#nodes].sort(),
      fromMs,
      toMs,
      runMs: this.#nowMs,
      bands: choose(this.#bands).filter((band) => band.toMs >= fromMs && band.fromMs <= toMs),
      messages: messages.filter(({ sentMs }) => sentMs >= fromMs && sentMs <= toMs),
      marks: choose(this.#marks).filter(({ atMs }) => atMs >= fromMs && atMs <= toMs),
      operations: choose(this.#operations).filter((one) => one.fromMs <= toMs && (one.toMs ?? toMs) >= fromMs),
      violation: this.#violation,
    }
  }

  #band(node: string, role: string, term: number | null): void {
    this.#nodes.add(node)
    const before = this.#open.get(node)
    if (before !== undefined) before.toMs = this.#nowMs
    const band = { node, fromMs: this.#nowMs, toMs: this.#nowMs, role, term }
    this.#open.set(node, band)
    this.#bands.add(band)
  }

  #sent(from: string, { id, to, message, ...rest }: TraceFields): void {
    const text = Object.entries(rest).map(([name, value]) => `${name} ${value}`)
    const what = String(message)
    const drawn = { from, to: String(to), sentMs: this.#nowMs, arrivedMs: null, what, text: text.join(', ') }
    this.#onTheWay.set(Number(id), drawn)
    this.#messages.add(drawn)
  }

  #ended(id: number, isDelivered: boolean): void {
    const message = this.#onTheWay.get(id)
    if (message === undefined) return
    if (isDelivered) message.arrivedMs = this.#nowMs
    this.#onTheWay.delete(id)
  }

  #called(client: string, { op, key, value }: TraceFields): void {
    const text = `${op} ${key}${value === null ? '' : ` ${value}`}`
    const operation: Operation = { client, fromMs: this.#nowMs, toMs: null, text, outcome: 'open' }
    this.#calls.set(client, operation)
    this.#operations.add(operation)
  }

  #returned(client: string, { outcome, result }: TraceFields): void {
    const operation = this.#calls.get(client)
    if (operation === undefined) return
    operation.toMs = this.#nowMs
    operation.outcome = result === null || result === undefined ? String(outcome) : `${outcome}: ${result}`
  }

  #mark(kind: Mark['kind'], on: string | null, text: string): void {
    this.#marks.add({ on, atMs: this.#nowMs, kind, text })
  }
}

function describe(kind: 'pause' | 'fault' | 'heal' | 'phase' | 'epoch' | 'switch', fields: TraceFields): string {
  switch (kind) {
    case 'pause':
      return `stands still for ${Math.round(Number(fields.forMs))} ms`
    case 'fault':
      return fields.point === undefined ? String(fields.strike) : `${fields.strike} ${fields.point}`
    case 'heal':
      return 'the network is healed'
    case 'phase':
      return `phase: ${fields.phase}`
    case 'epoch':
      return `epoch ${fields.epoch}: ${fields.mode}`
    case 'switch':
      return String(fields.step)
  }
}
