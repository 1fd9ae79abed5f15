/** `knhk context list`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { CONTEXTS_SCHEMA, contextsOutput } from '../../src/terminal/context-report.js'
import { outputFlags } from '../../src/terminal/flags.js'

export default class ContextList extends BaseCommand {
  static override summary = 'List the named clusters.'
  static override examples = ['<%= config.bin %> context list', '<%= config.bin %> context list --output id']
  static override schema = CONTEXTS_SCHEMA
  static override baseFlags = outputFlags

  async run(): Promise<void> {
    await this.parse(ContextList)
    const { readContexts } = await import('../../src/cluster/contexts.js')
    await this.print(contextsOutput(await readContexts(process.env)))
  }
}
