/**
 * Draws a space-time diagram as one HTML page that needs nothing else: a lane per node and one for the
 * clients, time from left to right, messages as lines from lane to lane. Only lines and bands stretch
 * with the zoom; words and marks stay readable. The page works without its script, which only zooms.
 */
import type { Band, Diagram, DrawnMessage, Mark, Operation } from './space-time.js'
import { SPACE_TIME_SCRIPT, SPACE_TIME_STYLE } from './space-time-style.js'

const LANE_PX = 96
const TOP_PX = 40
const CLIENT_PX = 12
/** Pixels per millisecond before any zoom. */
const SCALE = 2
const TICKS_MAX = 60

export function spaceTimePage(title: string, diagram: Diagram): string {
  const { nodes, fromMs, toMs, runMs, violation } = diagram
  const place = new Place(diagram)
  const isWhole = fromMs === 0 && toMs === runMs
  const extent = isWhole
    ? `The whole run: ${seconds(runMs)}.`
    : `A window of ${seconds(fromMs)} to ${seconds(toMs)} of a run of ${seconds(runMs)}: ${violation === null ? 'its beginning' : 'what came before the violation'}.`
  const verdict = violation === null ? '<p class="ok">No violation.</p>' : `<p class="bad">${escapeHtml(violation)}</p>`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${SPACE_TIME_STYLE}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
${verdict}
<p>${extent} ${diagram.messages.length} messages.</p>
<p><label>Zoom <input id="zoom" type="range" min="-3" max="5" step="0.25" value="0"></label></p>
${legend()}
</header>
<main style="--zoom:1">
<div class="plane" style="width:calc(var(--zoom) * ${px(place.width)}px);height:${place.height}px">
${nodes.map((node) => `<div class="name" style="top:${place.laneOf(node)}px">${escapeHtml(node)}</div>`).join('\n')}
<div class="name" style="top:${place.clientsTop}px">clients</div>
<svg preserveAspectRatio="none" viewBox="0 0 ${px(place.width)} ${place.height}" role="img" aria-label="Messages between nodes over time">
<g class="bands">${diagram.bands.map((band) => drawBand(place, band)).join('\n')}</g>
<g class="operations">${diagram.operations.map((one) => drawOperation(place, one)).join('\n')}</g>
<g class="messages">${diagram.messages.map((message) => drawMessage(place, message)).join('\n')}</g>
</svg>
${ticks(place).join('\n')}
${diagram.bands.map((band) => labelBand(place, band)).join('\n')}
${diagram.marks.map((mark) => drawMark(place, mark)).join('\n')}
</div>
</main>
<script>${SPACE_TIME_SCRIPT}</script>
</body>
</html>
`
}

/** Where things go, in pixels. */
class Place {
  readonly width: number
  readonly height: number
  readonly clientsTop: number
  readonly fromMs: number
  readonly toMs: number
  readonly #nodes: readonly string[]
  readonly #clients: readonly string[]

  constructor({ nodes, operations, fromMs, toMs }: Diagram) {
    this.fromMs = fromMs
    this.toMs = toMs
    this.#nodes = nodes
    this.#clients = [...new Set(operations.map(({ client }) => client))].sort()
    this.width = Math.max(600, (toMs - fromMs) * SCALE)
    this.clientsTop = TOP_PX + nodes.length * LANE_PX
    this.height = this.clientsTop + (this.#clients.length + 2) * CLIENT_PX
  }

  x(ms: number): number {
    const share = (Math.min(Math.max(ms, this.fromMs), this.toMs) - this.fromMs) / Math.max(1, this.toMs - this.fromMs)
    return share * this.width
  }

  laneOf(node: string): number {
    return TOP_PX + Math.max(0, this.#nodes.indexOf(node)) * LANE_PX + LANE_PX / 2
  }

  clientRow(client: string): number {
    return this.clientsTop + (1 + this.#clients.indexOf(client)) * CLIENT_PX
  }
}

function drawBand(place: Place, { node, fromMs, toMs, role, term }: Band): string {
  const x = place.x(fromMs)
  const size = `x="${px(x)}" y="${place.laneOf(node) - 9}" width="${px(place.x(toMs) - x)}" height="18"`
  const title = term === null ? role : `${role}, term ${term}`
  return `<rect class="role-${escapeHtml(role)}" ${size}><title>${escapeHtml(`${node} ${title}`)}</title></rect>`
}

/** The term, where a band is long enough for it. */
function labelBand(place: Place, { node, fromMs, toMs, role, term }: Band): string {
  if (term === null || role !== 'leader' || place.x(toMs) - place.x(fromMs) < 24) return ''
  return `<span class="term" style="${at(place.x(fromMs))};top:${place.laneOf(node) - 8}px">term ${term}</span>`
}

function drawMessage(place: Place, { from, to, sentMs, arrivedMs, what, text }: DrawnMessage): string {
  const start = place.laneOf(from)
  const end = place.laneOf(to)
  // One that never arrives ends half-way.
  const [endX, endY] = arrivedMs === null ? [place.x(sentMs + 3), (start + end) / 2] : [place.x(arrivedMs), end]
  const line = `x1="${px(place.x(sentMs))}" y1="${start}" x2="${px(endX)}" y2="${px(endY)}"`
  const title = `${from} to ${to}: ${what}, ${text}${arrivedMs === null ? ' (never arrives)' : ''}`
  return `<line class="${arrivedMs === null ? 'lost' : classOf(what)}" ${line}><title>${escapeHtml(title)}</title></line>`
}

function classOf(what: string): string {
  if (/vote/i.test(what) || what === 'timeoutNow') return 'vote'
  if (what.startsWith('append')) return 'append'
  return what.includes('napshot') ? 'snapshot' : 'other'
}

function drawOperation(place: Place, { client, fromMs, toMs, text, outcome }: Operation): string {
  const y = place.clientRow(client)
  const line = `x1="${px(place.x(fromMs))}" y1="${y}" x2="${px(place.x(toMs ?? place.toMs))}" y2="${y}"`
  const kind = outcome.startsWith('ok') ? 'done' : 'unsure'
  return `<line class="operation ${kind}" ${line}><title>${escapeHtml(`${client}: ${text}, ${outcome}`)}</title></line>`
}

const SIGNS: Readonly<Record<Mark['kind'], string>> = {
  fault: '⚡',
  crash: '✖',
  stop: '✖',
  start: '▶',
  pause: '‖',
  commit: '•',
  phase: '▼',
  heal: '♥',
  violation: '✖',
  switch: '⇄',
  epoch: '★',
}

function drawMark(place: Place, { on, atMs, kind, text }: Mark): string {
  const top = on === null ? 2 : place.laneOf(on) - (kind === 'commit' ? 20 : 32)
  const position = `${at(place.x(atMs))};top:${top}px`
  const words = kind === 'phase' || kind === 'violation' ? ` ${text}` : ''
  const title = escapeHtml(`${seconds(atMs)}: ${on ?? 'all'}: ${text}`)
  return `<span class="mark ${kind}" style="${position}" title="${title}">${SIGNS[kind]}${escapeHtml(words.slice(0, 80))}</span>`
}

function ticks(place: Place): string[] {
  const { fromMs, toMs } = place
  const stepMs = niceStep((toMs - fromMs) / TICKS_MAX)
  const lines: string[] = []
  for (let ms = Math.ceil(fromMs / stepMs) * stepMs; ms <= toMs; ms += stepMs)
    lines.push(`<span class="tick" style="${at(place.x(ms))}">${seconds(ms)}</span>`)
  return lines
}

function niceStep(least: number): number {
  for (let step = 1; ; step *= 10) for (const factor of [1, 2, 5]) if (step * factor >= least) return step * factor
}

function legend(): string {
  const roles = ['leader', 'follower', 'preCandidate', 'candidate', 'learner', 'starting', 'down']
  const bands = roles.map((role) => `<li><i class="role-${role}"></i>${role}</li>`)
  const lines = ['append', 'vote', 'snapshot', 'other', 'lost'].map((kind) => `<li><b class="${kind}"></b>${kind}</li>`)
  const marks = Object.entries(SIGNS).map(([kind, sign]) => `<li><span class="${kind}">${sign}</span> ${kind}</li>`)
  return `<ul class="legend">${[...bands, ...lines, ...marks].join('')}</ul>`
}

function at(x: number): string {
  return `left:calc(var(--zoom) * ${px(x)}px)`
}

export function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
