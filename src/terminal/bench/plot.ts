/**
 * A histogram of latencies for a terminal. The rows are equally wide on a logarithmic scale, because latencies are
 * spread over orders of magnitude.
 */
const ROWS = 12
const BAR_COLUMNS = 40
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** `histogram` holds [latency in ms, operations] in rising order; no lines when it is empty. */
export function latencyPlot(
  histogram: readonly (readonly [number, number])[],
  paintBar: (bar: string) => string,
): string[] {
  const first = histogram[0]
  const last = histogram.at(-1)
  if (first === undefined || last === undefined) return []
  const lowest = Math.log(first[0])
  const step = Math.max((Math.log(last[0]) - lowest) / ROWS, 1e-9)
  const counts = new Array<number>(ROWS).fill(0)
  for (const [latencyMs, operations] of histogram) {
    const row = Math.min(ROWS - 1, Math.floor((Math.log(latencyMs) - lowest) / step))
    counts[row] = (counts[row] as number) + operations
  }
  const total = counts.reduce((sum, count) => sum + count, 0)
  const highest = Math.max(...counts)
  return counts.map((count, row) => {
    const from = Math.exp(lowest + row * step)
    const share = `${((100 * count) / total).toFixed(1)} %`
    return `${latencyText(from).padStart(11)}  ${share.padStart(7)}  ${paintBar(bar(count / highest))}`.trimEnd()
  })
}

/** Eighths of a column, so that a small share is still to be seen. */
function bar(share: number): string {
  const eighths = share === 0 ? 0 : Math.max(1, Math.round(share * BAR_COLUMNS * 8))
  return `${'█'.repeat(Math.floor(eighths / 8))}${EIGHTHS[eighths % 8] ?? ''}`
}

function latencyText(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`
  return ms >= 0.1 ? `${ms.toFixed(2)} ms` : `${(ms * 1000).toFixed(0)} µs`
}
