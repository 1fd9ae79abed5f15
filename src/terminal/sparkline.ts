/** A row of numbers as a row of bars, for terminals. */
const BARS = '▁▂▃▄▅▆▇█'

/** The newest `width` values, the highest of them as a full bar; what is not known is a blank. */
export function sparkline(values: readonly (number | null)[], width: number): string {
  const shown = values.slice(-width)
  const highest = Math.max(0, ...shown.filter((value) => value !== null))
  const bars = shown.map((value) => {
    if (value === null) return ' '
    const level = highest === 0 ? 0 : Math.round((value / highest) * (BARS.length - 1))
    return BARS[level] as string
  })
  return bars.join('').padStart(width)
}
