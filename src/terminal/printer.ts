/**
 * One result, five forms: a table or text for people; json, ndjson, yaml and ids for machines. All
 * forms show the same data.
 */
import type { Paint } from './colours.js'
import { columnsOf, folded } from './fold.js'

export const OUTPUT_FORMATS = ['table', 'json', 'ndjson', 'yaml', 'id'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

export type Cell = string | number | boolean | null

/** What a command has to say. */
export interface Output {
  /** The documented JSON. */
  readonly value: unknown
  /** Records for ndjson, one a line; `value` as one line when absent. */
  readonly items?: readonly unknown[]
  /** What `--output id` prints, one a line. */
  readonly ids?: readonly string[]
  /** For people; only called when they look. */
  readonly text: (tools: TextTools) => string | Promise<string>
}

export interface TextTools {
  readonly paint: Paint
  readonly table: (head: readonly string[], rows: readonly (readonly Cell[])[]) => Promise<string>
  readonly fields: (pairs: readonly (readonly [string, Cell])[]) => string
  /** A sentence for the width of the terminal, each line behind `indent`. */
  readonly fold: (text: string, indent?: string) => string
}

/** The whole text for stdout, ending in a line feed unless empty. */
export async function render(output: Output, format: OutputFormat, paint: Paint): Promise<string> {
  switch (format) {
    case 'json':
      return `${JSON.stringify(output.value, null, 2)}\n`
    case 'ndjson':
      return (output.items ?? [output.value]).map((item) => `${JSON.stringify(item)}\n`).join('')
    case 'yaml': {
      const { stringify } = await import('yaml')
      return stringify(output.value, { lineWidth: 0 })
    }
    case 'id':
      return (output.ids ?? []).map((id) => `${id}\n`).join('')
    case 'table': {
      const columns = columnsOf(process.stdout)
      const fold = (text: string, indent?: string) => folded(text, columns, indent)
      const fields = (pairs: readonly (readonly [string, Cell])[]) => renderFields(pairs, paint)
      const text = await output.text({ paint, table: renderTable, fields, fold })
      return text === '' || text.endsWith('\n') ? text : `${text}\n`
    }
  }
}

/**
 * A table without colours of its own: the library would colour into pipes. One that is wider than the terminal loses
 * its lines, then what does not fit: wrapped rows cannot be read at all.
 */
async function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[]): Promise<string> {
  if (rows.length === 0) return 'none'
  const columns = columnsOf(process.stdout)
  const boxed = await boxedTable(head, rows)
  return boxed.indexOf('\n') <= columns ? boxed : plainTable([head, ...rows], columns)
}

/** Columns apart by two blanks. */
export function plainTable(rows: readonly (readonly Cell[])[], columns: number): string {
  const texts = rows.map((row) => row.map(cellText))
  const widths = (texts[0] ?? []).map((_, i) => Math.max(...texts.map((row) => row[i]?.length ?? 0)))
  const lines = texts.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return lines.map((line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line)).join('\n')
}

async function boxedTable(head: readonly string[], rows: readonly (readonly Cell[])[]): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const table = new Table({ head: [...head], style: { head: [], border: [] } })
  for (const row of rows) table.push(row.map(cellText))
  return withoutRowLines(table.toString())
}

/** Keeps the line under the head; the ones between rows only take space. */
function withoutRowLines(text: string): string {
  const lines = text.split('\n')
  const head = lines.findIndex((line) => line.startsWith('├'))
  return lines.filter((line, i) => i <= head || !line.startsWith('├')).join('\n')
}

/** `name  value` lines with aligned values. */
function renderFields(pairs: readonly (readonly [string, Cell])[], paint: Paint): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${cellText(value)}`).join('\n')
}

function cellText(value: Cell): string {
  return value === null ? '-' : printable(String(value))
}

/** Control characters of stored data must not reach a terminal: they could rewrite what it shows. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
