/**
 * `--help` of a command: oclif's, with the environment variable of every flag and the exit codes.
 */
import type { Command } from '@oclif/core/command'
import { CommandHelp, Help, type HelpSectionRenderer } from '@oclif/core/help'
import { COMMON_EXIT_CODES, exitCodesOf, OWN_PLUGIN } from './command-list.js'
import { EXIT_CODES } from './exit-codes.js'
import { flagVariable } from './flag-variables.js'

export class KnhkHelp extends Help {
  protected override CommandHelpClass = KnhkCommandHelp

  protected override formatCommand(command: Command.Loadable): string {
    if (command.pluginName !== OWN_PLUGIN) return super.formatCommand(command)
    const id = command.id.replaceAll(' ', ':')
    const flags = Object.fromEntries(
      Object.entries(command.flags).map(([name, flag]) => [name, { ...flag, env: flagVariable(id, name, flag.env) }]),
    ) as Command.Loadable['flags']
    const description = unwrapped(command.description ?? '')
    return super.formatCommand({ ...command, flags, description })
  }
}

/** Paragraphs as one line each, for the width of this terminal; indented lines stay as they are. */
function unwrapped(text: string): string {
  const lines: string[] = []
  for (const line of text.split('\n')) {
    const last = lines.at(-1)
    const joins = last !== undefined && /^\S/.test(last) && /^\S/.test(line)
    if (joins) lines[lines.length - 1] = `${last} ${line}`
    else lines.push(line)
  }
  return lines.join('\n')
}

class KnhkCommandHelp extends CommandHelp {
  protected override sections(): { header: string; generate: HelpSectionRenderer }[] {
    const codes = exitCodesOf(this.command).filter((code) => !COMMON_EXIT_CODES.includes(code))
    const lines = [0, ...codes].map((code) => `${String(code).padStart(3)}  ${EXIT_CODES[code] ?? ''}`)
    return [...super.sections(), { header: 'EXIT CODES', generate: () => lines.join('\n') }]
  }
}
