/**
 * Every command as data, for scripts and agents: from oclif's cached commands, so that no command has
 * to be loaded for it.
 */
import type { Command } from '@oclif/core/command'
import type { Impact } from './base-command.js'
import { flagVariable } from './flag-variables.js'
import type { Output } from './printer.js'
import type { JsonSchema } from './schema.js'
import * as schema from './schema.js'

/** Codes that every command can end with: ok, usage, defect, Ctrl-C. */
export const COMMON_EXIT_CODES: readonly number[] = [0, 2, 70, 130]

const maybeText = schema.nullable(schema.text)

const FLAG_SCHEMA = schema.record({
  name: schema.text,
  char: maybeText,
  type: schema.text,
  summary: schema.text,
  required: schema.flag,
  multiple: schema.flag,
  options: schema.nullable(schema.list(schema.text)),
  default: { anyOf: [schema.text, schema.number, schema.flag, { type: 'null' }] },
  env: schema.text,
})

export const COMMANDS_SCHEMA = schema.list(
  schema.record({
    id: schema.text,
    summary: schema.text,
    impact: schema.text,
    idempotent: schema.flag,
    flags: schema.list(FLAG_SCHEMA),
    args: schema.list(schema.record({ name: schema.text, summary: schema.text, required: schema.flag })),
    exitCodes: schema.list(schema.integer),
    schema: schema.anything,
  }),
)

/** Of every command of ours; those that a plugin brings follow rules of their own. */
export const OWN_PLUGIN = 'knhk'

export interface CommandEntry {
  readonly id: string
  readonly summary: string
  readonly impact: Impact
  readonly idempotent: boolean
  readonly flags: readonly FlagEntry[]
  readonly args: readonly ArgEntry[]
  readonly exitCodes: readonly number[]
  readonly schema: JsonSchema | null
}

interface FlagEntry {
  readonly name: string
  readonly char: string | null
  readonly type: 'boolean' | 'option'
  readonly summary: string
  readonly required: boolean
  readonly multiple: boolean
  readonly options: readonly string[] | null
  readonly default: string | number | boolean | null
  /** The variable that sets it where the command line does not. */
  readonly env: string
}

interface ArgEntry {
  readonly name: string
  readonly summary: string
  readonly required: boolean
}

export function listCommands(commands: readonly Command.Cached[]): CommandEntry[] {
  return commands
    .filter((command) => !command.hidden && command.pluginName === OWN_PLUGIN)
    .map(commandEntry)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

export function commandsOutput(commands: readonly Command.Cached[]): Output {
  const entries = listCommands(commands)
  return {
    value: entries,
    items: entries,
    ids: entries.map((entry) => entry.id),
    text: ({ table }) =>
      table(
        ['command', 'impact', 'summary'],
        entries.map((entry) => [entry.id, entry.impact, entry.summary]),
      ),
  }
}

/** All that a command can end with, in order. */
export function exitCodesOf(command: Command.Cached | Command.Loadable): number[] {
  const own = (command.exitCodes as readonly number[] | undefined) ?? []
  return [...new Set([...COMMON_EXIT_CODES, ...own])].sort((a, b) => a - b)
}

function commandEntry(command: Command.Cached): CommandEntry {
  return {
    id: command.id.replaceAll(':', ' '),
    summary: command.summary ?? '',
    impact: (command.impact as Impact | undefined) ?? 'read',
    idempotent: (command.idempotent as boolean | undefined) ?? true,
    flags: Object.values(command.flags).map((flag) => flagEntry(command.id, flag)),
    args: Object.values(command.args).map((arg) => ({
      name: arg.name,
      summary: arg.description ?? '',
      required: arg.required === true,
    })),
    exitCodes: exitCodesOf(command),
    schema: (command.schema as JsonSchema | null | undefined) ?? null,
  }
}

function flagEntry(commandId: string, flag: Command.Flag.Cached): FlagEntry {
  const isOption = flag.type === 'option'
  const value: unknown = isOption ? flag.default : null
  return {
    name: flag.name,
    char: flag.char ?? null,
    type: flag.type,
    summary: flag.summary ?? flag.description ?? '',
    required: flag.required === true,
    multiple: isOption && flag.multiple === true,
    options: isOption && flag.options !== undefined ? [...flag.options] : null,
    default: typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null,
    env: flagVariable(commandId, flag.name, flag.env),
  }
}
