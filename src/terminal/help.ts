/**
 * `--help`: oclif's, with first steps for who is new; of a command with the environment variable of every flag, the exit
 * codes, and a usage line that names what is the command's own.
 */
import type { Command } from '@oclif/core/command'
import { CommandHelp, Help, type HelpSectionRenderer } from '@oclif/core/help'
import { COMMON_EXIT_CODES, exitCodesOf, OWN_PLUGIN } from './command-list.js'
import { EXIT_CODES } from './exit-codes.js'
import { flagVariable } from './flag-variables.js'

/** Flags of nearly every command: listed further down, and only named in the usage line. */
const SHARED_GROUPS = ['OUTPUT', 'CONNECTION']
const FIRST_STEPS = `knhk up --dir ./demo --detach      four nodes on this machine
knhk kv put colour green           something to keep
knhk status                        who leads, who has what
knhk repl                          the same commands in one session, with Tab
knhk down --dir ./demo             stop them; the data stays
knhk COMMAND --help                every flag, with examples and exit codes`

export class KnhkHelp extends Help {
  protected override CommandHelpClass = KnhkCommandHelp

  override formatRoot(): string {
    return `${super.formatRoot()}\n\n${this.section('FIRST STEPS', FIRST_STEPS)}`
  }

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
  protected override defaultUsage(): string {
    const { flags } = this.command
    const isOwn = (name: string) => !SHARED_GROUPS.includes(flags[name]?.helpGroup ?? '')
    const own = Object.entries(flags)
      .filter(([name]) => isOwn(name))
      .map(([name, flag]) => [name, { ...flag, exclusive: flag.exclusive?.filter(isOwn) ?? [] }])
    const groups = SHARED_GROUPS.filter((group) => Object.values(flags).some(({ helpGroup }) => helpGroup === group))
    const shared = groups.map((group) => ` [${group} FLAGS]`).join('')
    return new UsageLine({ ...this.command, flags: Object.fromEntries(own) }, this.config, this.opts).text() + shared
  }

  protected override sections(): { header: string; generate: HelpSectionRenderer }[] {
    const codes = exitCodesOf(this.command).filter((code) => !COMMON_EXIT_CODES.includes(code))
    const lines = [0, ...codes].map((code) => `${String(code).padStart(3)}  ${EXIT_CODES[code] ?? ''}`)
    return [...super.sections(), { header: 'EXIT CODES', generate: () => lines.join('\n') }]
  }
}

/** What oclif would write for a command of these flags. */
class UsageLine extends CommandHelp {
  text(): string {
    return this.defaultUsage()
  }
}
