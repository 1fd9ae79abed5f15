/**
 * An environment variable for every flag. Flags that many commands share declare theirs (KNHK_OUTPUT); all
 * others are named after their command, as KNHK_BENCH_CLIENTS, so that no variable means two things.
 * Flags win over the environment, that over the configuration file (config-file.ts).
 */
import type { FlagInput } from '@oclif/core/interfaces'

/** The variable of a flag; `declared` is the one in its definition, if any. */
export function flagVariable(commandId: string, flag: string, declared: string | undefined): string {
  return declared ?? `KNHK_${variableWord(commandId)}_${variableWord(flag)}`
}

/** The same flags with a variable each; the parser reads those. */
export function withVariables(commandId: string, flags: FlagInput): FlagInput {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, { ...flag, env: flagVariable(commandId, name, flag.env) }]),
  )
}

/** A variable is one text: where a flag can be given again, its values stand on lines of their own. */
export function splitRepeated(flags: FlagInput, values: Record<string, unknown>): void {
  for (const [name, flag] of Object.entries(flags)) {
    const value = values[name]
    const isRepeated = flag.type === 'option' && flag.multiple === true
    if (isRepeated && typeof value === 'string') values[name] = value.split('\n').filter((line) => line !== '')
  }
}

function variableWord(text: string): string {
  return text.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')
}
