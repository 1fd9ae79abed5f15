/** `registry check` and `registry show`: the telemetry registry of this program, or one of somebody else. */
import { join, resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import { checkRegistry, type RegistryReport } from '../telemetry/registry/check.js'
import { describeRegistry, type RegistryEntry } from '../telemetry/registry/describe.js'
import { loadRegistry } from '../telemetry/registry/load.js'
import type { Output } from './printer.js'
import * as schema from './schema.js'

export const REGISTRY_CHECK_SCHEMA = schema.record({
  ok: schema.flag,
  directory: schema.text,
  files: schema.integer,
  attributes: schema.integer,
  spans: schema.integer,
  metrics: schema.integer,
  problems: schema.list(schema.record({ file: schema.text, place: schema.text, message: schema.text })),
})

export const REGISTRY_SHOW_SCHEMA = schema.record({
  entries: schema.list(
    schema.record({
      kind: schema.text,
      name: schema.text,
      type: schema.text,
      unit: schema.nullable(schema.text),
      brief: schema.text,
      values: schema.list(schema.text),
    }),
  ),
})

/** `directory`, or the registry that comes with the program, whose root `root` is. */
export function registryDirectory(directory: string | undefined, root: string): string {
  return directory === undefined ? join(root, 'registry') : resolve(directory)
}

export interface CheckedRegistry extends RegistryReport {
  readonly directory: string
}

export async function checkedRegistry(directory: string): Promise<CheckedRegistry> {
  return { directory, ...checkRegistry(await loadRegistry(directory)) }
}

export function checkOutput(report: CheckedRegistry): Output {
  const { ok, directory, files, attributes, spans, metrics, problems } = report
  return {
    value: { ok, directory, files, attributes, spans, metrics, problems },
    items: problems,
    ids: problems.map(({ place }) => place),
    text: async ({ fields, table, paint }) => {
      const verdict = ok ? paint('green', 'sound') : paint('red', `${problems.length} problems`)
      const head = fields([
        ['registry', verdict],
        ['directory', directory],
        ['attributes', attributes],
        ['spans', spans],
        ['metrics', metrics],
      ])
      if (ok) return head
      const rows = problems.map(({ file, place, message }) => [file, place, message])
      return `${head}\n${await table(['file', 'place', 'problem'], rows)}`
    },
  }
}

/** Throws `InvalidFile` for a registry that is not sound, `NotFound` where nothing has that name. */
export async function shownRegistry(directory: string, name: string | undefined): Promise<RegistryEntry[]> {
  const files = await loadRegistry(directory)
  const { problems } = checkRegistry(files)
  const [first] = problems
  if (first !== undefined) {
    throw new KnhkError('InvalidFile', `${first.file}: ${first.place} ${first.message}`, {
      hint: '`knhk registry check` lists every problem.',
    })
  }
  const entries = describeRegistry(files)
  if (name === undefined) return entries
  const named = entries.filter((entry) => entry.name === name || entry.name.startsWith(`${name}.`))
  if (named.length > 0) return named
  throw new KnhkError('NotFound', `the registry declares no ${JSON.stringify(name)}`, {
    hint: '`knhk registry show` lists everything.',
  })
}

export function showOutput(entries: readonly RegistryEntry[]): Output {
  return {
    value: { entries },
    items: entries,
    ids: entries.map(({ name }) => name),
    text: ({ table }) => {
      const rows = entries.map(({ kind, name, type, unit, brief }) => [
        kind,
        name,
        unit === null ? type : `${type}, ${unit}`,
        brief,
      ])
      return table(['kind', 'name', 'type', 'meaning'], rows)
    },
  }
}
