/**
 * The command-line parser's errors in our words: one sentence, a suggestion for a slip of the fingers,
 * never the parser's state (which would print secrets given as flags).
 */
import { stripVTControlCharacters } from 'node:util'
import { KnhkError } from '../base/error.js'
import { nearest } from './suggest.js'

/** A `Usage` error when `thrown` came from the parser, null otherwise. */
export function usageError(thrown: unknown, flags: readonly string[]): KnhkError | null {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return null
  switch (thrown.constructor.name) {
    case 'NonExistentFlagsError':
      return unknownFlags(textsOf(thrown, 'flags'), flags)
    case 'UnexpectedArgsError':
      return usage(`unexpected: ${textsOf(thrown, 'args').map(quote).join(', ')}`)
    case 'RequiredArgsError':
      return usage(
        `missing: ${namesOf(thrown, 'args')
          .map((name) => name.toUpperCase())
          .join(', ')}`,
      )
    default:
      return usage(tidy(thrown.message))
  }
}

/** A `Usage` error for words that name no command. */
export function unknownCommand(words: readonly string[], commands: readonly string[]): KnhkError {
  const typed = words.join(' ')
  const isTopic = (prefix: string) => commands.some((command) => command.startsWith(`${prefix} `))
  const [first = ''] = words
  if (words.length > 1 && isTopic(first)) {
    const verbs = commands.filter((command) => command.startsWith(`${first} `))
    const near = nearest(words.slice(0, 2).join(' '), verbs)
    const listed = `There are: ${verbs.join(', ')}.`
    return usage(`${quote(typed)} is no command`, near === null ? listed : `Did you mean \`knhk ${near}\`? ${listed}`)
  }
  const command = commands.find((one) => one === first)
  if (command !== undefined)
    return usage(`unexpected: ${words.slice(1).map(quote).join(', ')}`, `See \`knhk ${command} --help\`.`)
  const near =
    nearest(typed, commands) ?? nearest(first, [...new Set(commands.map((one) => one.split(' ')[0] as string))])
  return usage(`${quote(typed)} is no command`, near === null ? 'See `knhk --help`.' : `Did you mean \`knhk ${near}\`?`)
}

function unknownFlags(unknown: readonly string[], known: readonly string[]): KnhkError {
  const names = unknown.map((flag) => flag.split('=')[0] as string)
  const near = nearest(
    names[0] ?? '',
    known.map((name) => `--${name}`),
  )
  const hint = near === null ? 'See the command with --help.' : `Did you mean ${near}?`
  return usage(`unknown ${names.length === 1 ? 'flag' : 'flags'}: ${names.join(', ')}`, hint)
}

/** The parser puts each finding on a line of its own; a missing flag becomes `missing: --NAME`. */
function tidy(message: string): string {
  const [first = ''] = stripVTControlCharacters(message).split('\nSee more help')
  const lines = first.split('\n').map((line) => line.replaceAll(/\s+/g, ' ').trim())
  const findings = lines.filter((line) => line !== '' && !/^The following errors? occurred:$/.test(line))
  const missing = findings.flatMap((line) => /^Missing required flag (\S+)$/.exec(line)?.[1] ?? [])
  if (missing.length > 0) return `missing: ${missing.map((name) => `--${name}`).join(', ')}`
  const text = findings.join('; ')
  return text.replace(/^The following errors? occurred: /, '').replace(/^Parsing (--[a-z0-9-]+) /, '$1: ')
}

function usage(message: string, hint?: string): KnhkError {
  return new KnhkError('Usage', message, hint === undefined ? {} : { hint })
}

function textsOf(error: Error, field: string): string[] {
  const value = (error as unknown as Record<string, unknown>)[field]
  return Array.isArray(value) ? value.map(String) : []
}

function namesOf(error: Error, field: string): string[] {
  const value = (error as unknown as Record<string, unknown>)[field]
  return Array.isArray(value) ? value.map((item) => String((item as { name?: unknown }).name)) : []
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}
