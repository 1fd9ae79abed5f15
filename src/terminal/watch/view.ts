/** What `watch` shows: a screen of text from the last samples, or one line per sample without a terminal. */
import type { NodeStatus } from '../../client/api.js'
import type { Paint, Style } from '../colours.js'
import { sparkline } from '../sparkline.js'
import { formatLocalTime } from '../times.js'
import type { Sample } from './sample.js'

/** Samples that the sparklines show. */
export const HISTORY_SAMPLES = 40
/** Events that are remembered. */
const EVENTS_MAX = 100

export interface Event {
  readonly atMs: number
  readonly text: string
}

/** The samples and events that the screen needs; bounded however long somebody watches. */
export class WatchHistory {
  readonly #samples: Sample[] = []
  readonly #events: Event[] = []

  add(sample: Sample): void {
    this.#samples.push(sample)
    if (this.#samples.length > HISTORY_SAMPLES) this.#samples.shift()
    this.#events.push(...sample.events.map((text) => ({ atMs: sample.atMs, text })))
    this.#events.splice(0, this.#events.length - EVENTS_MAX)
  }

  get samples(): readonly Sample[] {
    return this.#samples
  }

  /** Newest first. */
  get events(): readonly Event[] {
    return [...this.#events].reverse()
  }
}

export interface Frame {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly paint: Paint
  /** How to leave. */
  readonly hint: string
}

/** The lines of the screen, at most `rows`. */
export function screenLines(history: WatchHistory, frame: Frame): string[] {
  const sample = history.samples.at(-1)
  if (sample === undefined) return []
  const { paint, rows } = frame
  const lines = [
    headLine(sample, frame),
    ...figureLines(history, frame),
    '',
    ...nodeLines(sample.status.nodes, paint),
    '',
  ]
  lines.push(paint('bold', 'recent events'))
  const room = Math.max(0, rows - lines.length - 2)
  const events = history.events.slice(0, room).map((event) => `  ${clock(event.atMs)}  ${event.text}`)
  lines.push(...(events.length === 0 ? [paint('dim', '  none since this began')] : events))
  while (lines.length < rows - 1) lines.push('')
  return [...lines.slice(0, rows - 1), paint('dim', frame.hint)]
}

/** Without a terminal: one line. */
export function sampleLine({ atMs, status, entriesPerSecond, readMs }: Sample): string {
  const nodes = status.nodes.map((node) =>
    node.reachable ? `${node.id} ${node.role} ${node.appliedIndex ?? '-'}` : `${node.id} down`,
  )
  const facts = [
    formatLocalTime(atMs),
    ...(status.protocol === 'raft' ? [] : [`${status.mode} e${status.epoch}`]),
    `leader ${status.leader ?? 'none'}`,
    positionText(status),
    `commit ${status.commitIndex ?? '-'}`,
    `${entriesPerSecond ?? '-'} entries/s`,
    `read ${readMs === null ? '-' : `${readMs} ms`}`,
    ...(status.threat === null ? [] : [`threat ${status.threat}`]),
    nodes.join(', '),
  ]
  return facts.join('  ')
}

export function eventLine({ atMs, text }: Event): string {
  return `${formatLocalTime(atMs)}  * ${text}`
}

function headLine({ status, atMs }: Sample, { name, paint }: Frame): string {
  const isUp = status.nodes.some((node) => node.reachable)
  const leader = status.leader === null ? paint('yellow', 'no leader') : paint('green', `leader ${status.leader}`)
  const threat = status.threat === null ? [] : [paint(threatStyle(status.threat), `threat ${status.threat}`)]
  const facts = isUp
    ? [status.mode, `epoch ${status.epoch}`, leader, positionText(status), ...threat]
    : [paint('red', 'not connected')]
  return [paint('bold', name), ...facts, paint('dim', clock(atMs))].join(paint('dim', ' · '))
}

function positionText({ term, view, round }: Sample['status']): string {
  if (round !== null) return `view ${view ?? '-'}, round ${round}`
  return view !== null ? `view ${view}` : `term ${term ?? '-'}`
}

function threatStyle(threat: string): Style {
  if (threat === 'none') return 'green'
  return threat === 'high' || threat === 'critical' ? 'red' : 'yellow'
}

function figureLines({ samples }: WatchHistory, { paint, columns }: Frame): string[] {
  const width = Math.max(10, Math.min(HISTORY_SAMPLES, columns - 36))
  const last = samples.at(-1)
  const row = (name: string, figure: string, values: readonly (number | null)[]) =>
    `${paint('dim', name.padEnd(8))}${figure.padStart(22)}  ${paint('cyan', sparkline(values, width))}`
  return [
    '',
    row(
      'commits',
      `${last?.entriesPerSecond ?? '-'} entries/s`,
      samples.map((sample) => sample.entriesPerSecond),
    ),
    row(
      'reads',
      last?.readMs === null || last === undefined ? '-' : `${last.readMs.toFixed(2)} ms`,
      samples.map((sample) => sample.readMs),
    ),
  ]
}

const COLUMNS = [
  ['node', (node: NodeStatus) => node.id],
  ['role', (node: NodeStatus) => (node.reachable ? (node.role ?? '-') : `down: ${node.error?.code ?? 'unknown'}`)],
  ['term', (node: NodeStatus) => text(node.term)],
  ['view', (node: NodeStatus) => text(node.view)],
  ['round', (node: NodeStatus) => text(node.round)],
  ['last', (node: NodeStatus) => text(node.lastIndex)],
  ['commit', (node: NodeStatus) => text(node.commitIndex)],
  ['applied', (node: NodeStatus) => text(node.appliedIndex)],
  ['lag', (node: NodeStatus) => text(node.lagEntries)],
  ['rtt ms', (node: NodeStatus) => (node.rttMs === null ? '-' : node.rttMs.toFixed(1))],
  ['zone', (node: NodeStatus) => node.zone],
] as const

/** Shown where a protocol has them. */
function isTurn(name: string): name is 'view' | 'round' {
  return name === 'view' || name === 'round'
}

/** Texts to the left, numbers to the right. */
const LEFT: readonly string[] = ['node', 'role', 'zone']

function nodeLines(nodes: readonly NodeStatus[], paint: Paint): string[] {
  const shown = COLUMNS.filter(([name]) => !isTurn(name) || nodes.some((node) => node[name] !== null))
  const cells = nodes.map((node) => shown.map(([, cell]) => cell(node)))
  const widths = shown.map(([name], i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) =>
        LEFT.includes(shown[i]?.[0] ?? '') ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
      )
      .join('  ')
  const head = paint('dim', line(shown.map(([name]) => name)))
  return [head, ...nodes.map((node, i) => paint(nodeStyle(node), line(cells[i] ?? [])))]
}

function nodeStyle(node: NodeStatus): Style {
  if (!node.reachable) return 'red'
  return node.role === 'leader' || node.role === 'primary' ? 'green' : 'plain'
}

function text(value: number | null): string {
  return value === null ? '-' : String(value)
}

/** hh:mm:ss, local. */
function clock(atMs: number): string {
  return formatLocalTime(atMs).slice(11)
}
