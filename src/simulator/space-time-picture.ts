/**
 * Draws what happens around a change of protocol as one picture for a page of text (SVG): a lane per node,
 * the messages that lead from one epoch to the next, the steps S0 to S4 where each node takes them. The
 * rest of the run is left out: `spaceTimePage` has it.
 */
import type { Diagram, DrawnMessage, Mark } from './space-time.js'
import { escapeHtml, px } from './space-time-page.js'

const WIDTH_PX = 960
const LEFT_PX = 44
const LANE_PX = 84
const TOP_PX = 44
const FOOT_PX = 40
/** Shown before the first step and behind the last. */
const BEFORE_MS = 1.5
const AFTER_MS = 2
/** A switch of which more is shown is a long line. */
const SPAN_MAX_MS = 60

const STEPS: Readonly<Record<string, string>> = {
  panic: 'S0 PANIC',
  abort: 'S1 abort',
  propose: 'S2 hand-over',
  decide: 'S3 decided',
  enter: 'S4 enters',
}

interface Drawn {
  readonly kind: string
  readonly label: string
  readonly isMeant: (message: DrawnMessage) => boolean
}

const MESSAGES: readonly Drawn[] = [
  {
    kind: 'raft',
    label: 'Raft: append, ack, commit',
    isMeant: ({ what }) => /^hybrid(Append|Ack|Commit|Held)$/.test(what),
  },
  { kind: 'alarm', label: 'PANIC, evidence', isMeant: ({ what }) => /^hybrid(Vote|Evidence)$/.test(what) },
  { kind: 'history', label: 'abort history', isMeant: ({ what }) => what === 'hybridHistory' },
  {
    kind: 'handover',
    label: 'hand-over: PRE-PREPARE, PREPARE, COMMIT',
    isMeant: ({ what }) => what === 'hybridHandOver',
  },
  { kind: 'switch', label: 'switch certificate', isMeant: ({ what }) => what === 'hybridSwitch' },
  { kind: 'pbft', label: 'the next epoch', isMeant: ({ what }) => /^(pbft|hs)/.test(what) },
]

/** Null where the run changed no protocol. */
export function spaceTimePicture(title: string, diagram: Diagram): string | null {
  const steps = firstSteps(diagram.marks)
  const first = steps[0]
  if (first === undefined) return null
  const fromMs = first.atMs - BEFORE_MS
  const last = steps.findLast(({ atMs }) => atMs - first.atMs <= SPAN_MAX_MS) ?? first
  const toMs = last.atMs + AFTER_MS
  const shown = diagram.messages.filter(({ sentMs }) => sentMs >= fromMs && sentMs <= toMs)
  const height = TOP_PX + diagram.nodes.length * LANE_PX + FOOT_PX
  const x = (ms: number): number => LEFT_PX + ((ms - fromMs) / (toMs - fromMs)) * (WIDTH_PX - LEFT_PX - 8)
  const y = (node: string): number => TOP_PX + diagram.nodes.indexOf(node) * LANE_PX + LANE_PX / 2
  const parts = [
    ...diagram.nodes.map((node) => lane(node, y(node))),
    ...shown.flatMap((message) => line(message, x, y, toMs)),
    ...diagram.nodes.flatMap((node) =>
      steps.filter(({ on, atMs }) => on === node && atMs <= toMs).map((mark, at) => step(mark, x, y, at)),
    ),
    ...ticks(fromMs, toMs, x, height),
    ...legend(height),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH_PX} ${height}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<rect class="ground" width="${WIDTH_PX}" height="${height}"/>
<text class="word" x="8" y="18">${escapeHtml(title)}</text>
${parts.join('\n')}
</svg>
`
}

/** The first time that each node takes each step of its first switch. */
function firstSteps(marks: readonly Mark[]): Mark[] {
  const seen = new Set<string>()
  return marks.filter(({ kind, on, text }) => {
    const key = `${on} ${text}`
    const isNew = kind === 'switch' && STEPS[text] !== undefined && !seen.has(key)
    if (isNew) seen.add(key)
    return isNew
  })
}

function lane(node: string, y: number): string {
  return `<text class="word" x="8" y="${y + 4}">${escapeHtml(node)}</text><line class="lane" x1="${LEFT_PX}" y1="${y}" x2="${WIDTH_PX - 8}" y2="${y}"/>`
}

function line(message: DrawnMessage, x: (ms: number) => number, y: (node: string) => number, toMs: number): string[] {
  const drawn = MESSAGES.find(({ isMeant }) => isMeant(message))
  if (drawn === undefined) return []
  const { from, to, sentMs, arrivedMs, what, text } = message
  const endMs = Math.min(arrivedMs ?? sentMs + 1, toMs)
  const share = arrivedMs === null ? 0.5 : (endMs - sentMs) / Math.max(0.01, arrivedMs - sentMs)
  const endY = y(from) + (y(to) - y(from)) * share
  const title = `${from} to ${to}: ${what} ${text}`
  return [
    `<line class="${drawn.kind}" x1="${px(x(sentMs))}" y1="${px(y(from))}" x2="${px(x(endMs))}" y2="${px(endY)}"><title>${escapeHtml(title)}</title></line>`,
  ]
}

function step({ on, atMs, text }: Mark, x: (ms: number) => number, y: (node: string) => number, at: number): string {
  const top = y(on ?? '')
  // Steps that follow each other closely stand above and below the lane.
  const wordY = at % 2 === 0 ? top - 10 : top + 20
  return `<circle class="step" cx="${px(x(atMs))}" cy="${px(top)}" r="4"/><text class="word" x="${px(x(atMs) + 3)}" y="${px(wordY)}">${STEPS[text] ?? ''}</text>`
}

function ticks(fromMs: number, toMs: number, x: (ms: number) => number, height: number): string[] {
  const stepMs = toMs - fromMs > 20 ? 5 : 1
  const found: string[] = []
  for (let ms = Math.ceil(fromMs / stepMs) * stepMs; ms <= toMs; ms += stepMs)
    found.push(`<text class="tick" x="${px(x(ms))}" y="${height - FOOT_PX + 8}">${ms} ms</text>`)
  return found
}

function legend(height: number): string[] {
  const width = (WIDTH_PX - 16) / MESSAGES.length
  return MESSAGES.map(({ kind, label }, at) => {
    const x = 8 + at * width
    const y = height - 12
    return `<line class="${kind}" x1="${px(x)}" y1="${y - 4}" x2="${px(x + 18)}" y2="${y - 4}"/><text class="tick" x="${px(x + 22)}" y="${y}">${escapeHtml(label.slice(0, 26))}</text>`
  })
}

const STYLE = `
.ground{fill:#fff}.word{fill:#222}.tick{fill:#666;font-size:10px}.lane{stroke:#bbb;stroke-width:1}
.step{fill:#222}line{stroke-width:1.2;opacity:.75}
.raft{stroke:#7a7a7a}.alarm{stroke:#c62828;stroke-width:1.8}.history{stroke:#ef6c00;stroke-width:1.6}
.handover{stroke:#6a1b9a}.switch{stroke:#1565c0;stroke-width:1.8}.pbft{stroke:#2e7d32}
@media (prefers-color-scheme:dark){.ground{fill:#161616}.word{fill:#e8e8e8}.tick{fill:#aaa}.lane{stroke:#555}.step{fill:#fff}
.raft{stroke:#9a9a9a}.alarm{stroke:#ef5350}.history{stroke:#ffa726}.handover{stroke:#ba68c8}.switch{stroke:#64b5f6}.pbft{stroke:#81c784}}
`
