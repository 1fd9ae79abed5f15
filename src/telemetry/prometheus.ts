/**
 * The text that Prometheus scrapes (exposition format 0.0.4). Names: dots become `_`, counters end in
 * `_total` once, what is measured in milliseconds in `_milliseconds`; attributes become labels.
 */
import type { HistogramValue } from './histogram.js'
import type { Series } from './series.js'

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export function prometheusName({ name, instrument, unit }: Pick<Series, 'name' | 'instrument' | 'unit'>): string {
  const plain = name.replaceAll('.', '_')
  if (instrument === 'counter') return plain.endsWith('_total') ? plain : `${plain}_total`
  return unit === 'ms' ? `${plain}_milliseconds` : plain
}

export function prometheusText(series: readonly Series[]): string {
  const lines: string[] = []
  for (const one of series) {
    const name = prometheusName(one)
    lines.push(`# HELP ${name} ${one.brief}`, `# TYPE ${name} ${one.instrument}`)
    for (const { attributes, value } of one.points) {
      if (typeof value === 'number') lines.push(`${name}${labels(attributes)} ${value}`)
      else pushHistogram(lines, name, attributes, value)
    }
  }
  return `${lines.join('\n')}\n`
}

function pushHistogram(
  lines: string[],
  name: string,
  attributes: Readonly<Record<string, string>>,
  { bounds, counts, count, sum }: HistogramValue,
): void {
  let below = 0
  for (const [i, bound] of bounds.entries()) {
    below += counts[i] ?? 0
    lines.push(`${name}_bucket${labels({ ...attributes, le: String(bound) })} ${below}`)
  }
  lines.push(`${name}_bucket${labels({ ...attributes, le: '+Inf' })} ${count}`)
  lines.push(`${name}_sum${labels(attributes)} ${sum}`, `${name}_count${labels(attributes)} ${count}`)
}

function labels(attributes: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(attributes).map(([name, value]) => `${name.replaceAll('.', '_')}="${escaped(value)}"`)
  return `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
