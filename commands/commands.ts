/** `knhk commands`. */
import { BaseCommand } from '../src/terminal/base-command.js'
import { COMMANDS_SCHEMA, commandsOutput } from '../src/terminal/command-list.js'
import { outputFlags } from '../src/terminal/flags.js'

export default class Commands extends BaseCommand {
  static override summary = 'List all commands with impact, exit codes, flags and the schema of their JSON.'
  static override examples = ['<%= config.bin %> commands', '<%= config.bin %> commands --json']
  static override schema = COMMANDS_SCHEMA
  static override baseFlags = outputFlags

  async run(): Promise<void> {
    await this.parse(Commands)
    await this.print(commandsOutput(this.config.commands))
  }
}
