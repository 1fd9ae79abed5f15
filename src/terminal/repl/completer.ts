/**
 * Tab completion over what is known at the moment: synchronous, because an asynchronous completer
 * loses the race with a fast Enter.
 */
import type { Command } from '@oclif/core/command'
import { argumentKind, FLAG_KINDS, type ValueKind } from '../completion/value-kinds.js'
import { OUTPUT_FORMATS } from '../printer.js'

export interface Completable {
  readonly commands: readonly Command.Cached[]
  readonly dotCommands: readonly string[]
  /** What is known by name; of cases the newest. */
  readonly values: Readonly<Record<ValueKind, readonly string[]>>
}

/** The candidates and the word that they complete, as readline wants them. */
export function complete(line: string, known: Completable): [string[], string] {
  const words = line.split(/\s+/)
  const word = words.pop() ?? ''
  const before = words.filter((one) => one !== '')
  const matches = candidates(before, word, known).filter((candidate) => candidate.startsWith(word))
  return [[...new Set(matches)].sort().map((match) => `${match} `), word]
}

function candidates(before: readonly string[], word: string, known: Completable): readonly string[] {
  const [first] = before
  if (first === undefined) return word.startsWith('.') ? known.dotCommands : nextVerbs([], known.commands)
  if (first === '.use') return known.values.context
  if (first === '.output') return OUTPUT_FORMATS
  if (first === '.timing') return ['on', 'off']
  if (first === '.record') return ['off']
  const command = commandOf(before, known.commands)
  if (command === null) return nextVerbs(before, known.commands)
  const flag = command.flags[(before.at(-1) ?? '').replace(/^--/, '')]
  if (flag?.type === 'option') return valuesOf(flag, known)
  if (word.startsWith('-')) return Object.keys(command.flags).map((name) => `--${name}`)
  const kind = argumentKind(before)
  return kind === null ? nextVerbs(before, known.commands) : known.values[kind]
}

function valuesOf(flag: Command.Flag.Cached, known: Completable): readonly string[] {
  const kind = FLAG_KINDS[flag.name]
  if (kind !== undefined) return known.values[kind]
  return (flag.type === 'option' ? flag.options : undefined) ?? []
}

function nextVerbs(before: readonly string[], commands: readonly Command.Cached[]): string[] {
  const prefix = before.map((word) => `${word}:`).join('')
  return commands
    .filter((command) => !command.hidden && command.id.startsWith(prefix))
    .map((command) => command.id.slice(prefix.length).split(':')[0] as string)
}

function commandOf(words: readonly string[], commands: readonly Command.Cached[]): Command.Cached | null {
  for (let count = Math.min(3, words.length); count > 0; count--) {
    const id = words.slice(0, count).join(':')
    const found = commands.find((command) => command.id === id)
    if (found !== undefined) return found
  }
  return null
}
