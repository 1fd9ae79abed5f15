/**
 * The options of our own tools (campaigns, benchmarks): what there is not is said in one line, with how the tool is
 * called, and ends it with exit code 2.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>

const USAGE_EXIT = 2

export function optionsOf<T extends Options>(
  usage: string,
  options: T,
  args: readonly string[] = process.argv.slice(2),
): ReturnType<typeof parseArgs<{ options: T }>>['values'] {
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    refuse(usage, error instanceof Error ? error.message : String(error))
  }
}

/** Ends the tool: it cannot do what it was asked for. */
export function refuse(usage: string, reason: string): never {
  process.stderr.write(`${reason}\nusage: ${usage}\n`)
  process.exit(USAGE_EXIT)
}
