/** `knhk context remove`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { CONTEXTS_SCHEMA, contextsOutput } from '../../src/terminal/context-report.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'

export default class ContextRemove extends BaseCommand {
  static override summary = 'Forget a context; the cluster itself is not touched.'
  static override examples = ['<%= config.bin %> context remove old']
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = [4]
  static override schema = CONTEXTS_SCHEMA
  static override baseFlags = outputFlags
  static override args = { name: requiredArg('Name of the context.') }

  async run(): Promise<void> {
    const { args } = await this.parse(ContextRemove)
    const { removeContext } = await import('../../src/cluster/contexts.js')
    await this.print(contextsOutput(await removeContext(process.env, args.name)))
  }
}
