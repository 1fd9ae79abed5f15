/**
 * The user's configuration file: defaults for flags, by name for those that all commands share, under the
 * name of the command for its own. It works by filling in the environment variables that are not set, so there is
 * one order of precedence: flags, environment, file, default.
 *
 *     output: json
 *     bench:
 *       clients: 64
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KnhkError } from '../base/error.js'
import { fileError } from '../cluster/files.js'
import { TARGET_VARIABLES } from '../cluster/target-variables.js'
import { type Environment, userDirectories } from '../cluster/user-directories.js'
import { flagVariable } from './flag-variables.js'

export const CONFIG_BYTES_MAX = 64 * 1024

/** What the file may set, from oclif's cached commands. */
export interface Configurable {
  /** With spaces. */
  readonly id: string
  readonly flags: Readonly<Record<string, { readonly env?: string }>>
}

interface Place {
  readonly file: string
  readonly at: (offset: number) => string
}

export function configFilePath(environment: Environment): string {
  return environment.KNHK_CONFIG || join(userDirectories(environment).config, 'config.yaml')
}

/**
 * The variables that the file sets and `environment` does not. Empty without a file, but one that KNHK_CONFIG names
 * has to be there: `NotFound`. Throws `InvalidFile` with line and column.
 */
export async function variablesOfConfigFile(
  environment: Environment,
  commands: () => readonly Configurable[],
): Promise<Readonly<Record<string, string>>> {
  const file = configFilePath(environment)
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' && !environment.KNHK_CONFIG) return null
    throw fileError(file, 'read', cause)
  })
  if (text === null) return {}
  const found = await parseConfig(file, text, commands())
  return Object.fromEntries(Object.entries(found).filter(([name]) => !isOverruled(name, environment)))
}

/** A cluster that the environment names replaces the whole of the file's, not a part of it. */
function isOverruled(name: string, environment: Environment): boolean {
  const targets: readonly string[] = Object.values(TARGET_VARIABLES)
  const set = (variable: string) => environment[variable] !== undefined && environment[variable] !== ''
  return set(name) || (targets.includes(name) && targets.some(set))
}

async function parseConfig(file: string, text: string, commands: readonly Configurable[]) {
  const { isMap, isScalar, LineCounter, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  const place: Place = {
    file,
    at: (offset) => `${lines.linePos(offset).line}:${lines.linePos(offset).col}`,
  }
  if (text.length > CONFIG_BYTES_MAX) fail(place, 0, `it is over ${CONFIG_BYTES_MAX} bytes`)
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, prettyErrors: false })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) fail(place, problem.pos[0], problem.message)
  const root = document.contents
  if (root === null) return {}
  if (!isMap(root)) return fail(place, 0, 'it has to be a map of flags and commands')
  const variables: Record<string, string> = {}
  const common = commonFlags(commands)
  for (const { key, value } of root.items) {
    const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0
    const name = isScalar(key) ? String(key.value) : ''
    if (!isMap(value)) {
      const variable = common.get(name)
      if (variable === undefined) fail(place, offset, `${JSON.stringify(name)} is no flag that all commands share`)
      else variables[variable] = valueText(place, offset, value)
      continue
    }
    const command = commands.find((one) => one.id === name)
    if (command === undefined) return fail(place, offset, `there is no command ${JSON.stringify(name)}`)
    for (const pair of value.items) {
      const at = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset
      const flag = isScalar(pair.key) ? String(pair.key.value) : ''
      const known = command.flags[flag]
      if (known === undefined) fail(place, at, `${name} has no flag --${flag}`)
      variables[flagVariable(name, flag, undefined)] = valueText(place, at, pair.value)
      if (known?.env !== undefined) fail(place, at, `--${flag} belongs to all commands: move it to the top`)
    }
  }
  return variables
}

function commonFlags(commands: readonly Configurable[]): Map<string, string> {
  const flags = commands.flatMap((command) => Object.entries(command.flags))
  return new Map(flags.flatMap(([name, { env }]) => (env === undefined ? [] : [[name, env] as const])))
}

/** A scalar, or a list of them for a flag that can be given again. */
function valueText(place: Place, offset: number, node: unknown): string {
  const value = (node as { toJSON?: () => unknown } | null)?.toJSON?.() ?? null
  const values = Array.isArray(value) ? value : [value]
  const isPlain = values.every((one) => ['string', 'number', 'boolean'].includes(typeof one))
  if (!isPlain || values.length === 0)
    fail(place, offset, 'the value has to be a text, a number, true, false or a list')
  return values.map(String).join('\n')
}

function fail({ file, at }: Place, offset: number, complaint: string): never {
  throw new KnhkError('InvalidFile', `${file}:${at(offset)}: ${complaint}`, {
    hint: 'docs/configuration.md has the format of this file.',
    details: { path: file },
  })
}
