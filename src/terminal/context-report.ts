/** What the context commands print. */
import type { Context, Contexts } from '../cluster/contexts.js'
import type { Output } from './printer.js'
import * as schema from './schema.js'

export const CONTEXT_SCHEMA = schema.record({
  name: schema.text,
  current: schema.flag,
  clusterFile: schema.text,
  keyPath: schema.text,
  endpoints: schema.nullable(schema.list(schema.text)),
})
export const CONTEXTS_SCHEMA = schema.list(CONTEXT_SCHEMA)

interface ContextJson extends Context {
  readonly name: string
  readonly current: boolean
}

export function contextOutput(name: string, context: Context, current: boolean): Output {
  const value = contextJson(name, context, current)
  return {
    value,
    ids: [name],
    text: ({ fields }) =>
      fields([
        ['context', current ? `${name} (current)` : name],
        ['cluster file', value.clusterFile],
        ['key', value.keyPath],
        ['endpoints', value.endpoints?.join(', ') ?? 'all members'],
      ]),
  }
}

export function contextsOutput({ current, contexts }: Contexts): Output {
  const rows = [...contexts].map(([name, context]) => contextJson(name, context, name === current))
  return {
    value: rows,
    items: rows,
    ids: rows.map((row) => row.name),
    text: ({ table }) =>
      rows.length === 0
        ? 'There are no contexts; `knhk up` and `knhk context add` make them.'
        : table(
            ['', 'context', 'cluster file', 'key'],
            rows.map((row) => [row.current ? '*' : '', row.name, row.clusterFile, row.keyPath]),
          ),
  }
}

function contextJson(name: string, { clusterFile, keyPath, endpoints }: Context, current: boolean): ContextJson {
  return { name, current, clusterFile, keyPath, endpoints }
}
