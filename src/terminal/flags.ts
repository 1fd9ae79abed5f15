/**
 * Flags and arguments with our readers: durations, counts and keys of the usual shapes.
 */
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../base/error.js'
import { TARGET_VARIABLES } from '../cluster/target-variables.js'
import { formatDuration, parseDuration } from './durations.js'
import { OUTPUT_FORMATS } from './printer.js'

export const outputFlags = {
  output: Flags.option({ options: OUTPUT_FORMATS })({
    char: 'o',
    summary: 'Form of the result.',
    env: 'KNHK_OUTPUT',
    helpGroup: 'OUTPUT',
  }),
  json: Flags.boolean({ summary: 'Short for --output json.', env: 'KNHK_JSON', helpGroup: 'OUTPUT' }),
  quiet: Flags.boolean({
    char: 'q',
    summary: 'No progress and no notes on stderr.',
    env: 'KNHK_QUIET',
    helpGroup: 'OUTPUT',
  }),
  verbose: Flags.boolean({
    summary: 'More on stderr; stacks of unexpected errors.',
    env: 'KNHK_VERBOSE',
    helpGroup: 'OUTPUT',
  }),
  'no-color': Flags.boolean({ summary: 'No colours (also: NO_COLOR).', env: 'KNHK_NO_COLOR', helpGroup: 'OUTPUT' }),
}

const GROUP = 'CONNECTION'

export const connectionFlags = {
  dir: Flags.string({
    summary: 'Directory of a local cluster.',
    env: TARGET_VARIABLES.dir,
    helpGroup: GROUP,
    helpValue: 'DIR',
  }),
  context: Flags.string({
    summary: 'A context (see `knhk context`).',
    env: TARGET_VARIABLES.context,
    helpGroup: GROUP,
    helpValue: 'NAME',
  }),
  cluster: Flags.string({
    summary: 'A cluster file.',
    env: TARGET_VARIABLES.cluster,
    helpGroup: GROUP,
    helpValue: 'FILE',
  }),
  key: Flags.string({
    summary: 'The client key that connects.',
    env: TARGET_VARIABLES.key,
    helpGroup: GROUP,
    helpValue: 'FILE',
  }),
  endpoints: Flags.string({
    summary: 'Members to talk to, by id or address, comma-separated; id=host:port reaches one elsewhere.',
    env: TARGET_VARIABLES.endpoints,
    helpGroup: GROUP,
    helpValue: 'LIST',
  }),
}

/** A duration in milliseconds. */
export function durationFlag(summary: string, defaultMs: number, extra: { char?: 't'; env?: string } = {}) {
  return Flags.custom<number>({
    summary,
    helpValue: 'DURATION',
    default: defaultMs,
    defaultHelp: async () => formatDuration(defaultMs),
    parse: async (text) => parseDuration(text),
    ...extra,
  })()
}

/** The same without a default. */
export function optionalDurationFlag(summary: string) {
  return Flags.custom<number>({ summary, helpValue: 'DURATION', parse: async (text) => parseDuration(text) })()
}

export function timeoutFlag(defaultMs: number) {
  return durationFlag('How long to wait before giving up.', defaultMs, { env: 'KNHK_TIMEOUT' })
}

/** Reads a whole number of `min` to `max`; throws `InvalidArgument`. */
export function parseCount(text: string, min: number, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new KnhkError('InvalidArgument', `${JSON.stringify(text)} is not a whole number of ${min} to ${max}`)
  }
  return value
}

export function countFlag(summary: string, min: number, max: number) {
  return Flags.custom<number>({ summary, helpValue: 'N', parse: async (text) => parseCount(text, min, max) })()
}

export function countFlagWithDefault(summary: string, min: number, max: number, value: number) {
  return Flags.custom<number>({
    summary,
    helpValue: 'N',
    default: value,
    parse: async (text) => parseCount(text, min, max),
  })()
}

const SIZE = /^(\d{1,9})(B|KiB|MiB|GiB|TiB)?$/
const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** Reads a size such as `512MiB`, plain numbers as bytes; throws `InvalidArgument` for others, and below `minBytes`. */
function parseBytes(text: string, minBytes: number): number {
  const [, number = '', unit = 'B'] = SIZE.exec(text) ?? []
  const bytes = number === '' ? Number.NaN : Number(number) * 1024 ** SIZE_UNITS.indexOf(unit)
  if (!(bytes >= minBytes && Number.isSafeInteger(bytes))) {
    const least = minBytes === 0 ? '' : `, at least ${minBytes} bytes`
    throw new KnhkError('InvalidArgument', `${JSON.stringify(text)} is not a size such as 512MiB${least}`)
  }
  return bytes
}

export function sizeFlag(summary: string, env: string, minBytes = 0) {
  return Flags.custom<number>({ summary, env, helpValue: 'SIZE', parse: async (text) => parseBytes(text, minBytes) })()
}

/** A share of 0 to 1. */
export function shareFlag(summary: string, value: number) {
  return Flags.custom<number>({ summary, helpValue: 'R', default: value, parse: async (text) => parseShare(text) })()
}

/** Throws `InvalidArgument`. */
function parseShare(text: string): number {
  const share = /^\d(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN
  if (!(share >= 0 && share <= 1))
    throw new KnhkError('InvalidArgument', `${JSON.stringify(text)} is not a share of 0 to 1`)
  return share
}

/** A required argument. Standard input is never read for a missing one: it may be a script. */
export function requiredArg(description: string) {
  return Args.string({ description, required: true, ignoreStdin: true })
}

export function optionalArg(description: string) {
  return Args.string({ description, ignoreStdin: true })
}

export const readFlag = Flags.string({
  summary: 'Read level: linearizable (default) or local; lease under plain Raft, leader where nodes may lie.',
  env: 'KNHK_READ',
  helpValue: 'LEVEL',
})
