/** `knhk context use`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { CONTEXT_SCHEMA, contextOutput } from '../../src/terminal/context-report.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'

export default class ContextUse extends BaseCommand {
  static override summary = 'Make a context current.'
  static override examples = ['<%= config.bin %> context use prod']
  static override impact = 'write' as const
  static override exitCodes = [4]
  static override schema = CONTEXT_SCHEMA
  static override baseFlags = outputFlags
  static override args = { name: requiredArg('Name of the context.') }

  async run(): Promise<void> {
    const { args } = await this.parse(ContextUse)
    const { requireContext, useContext } = await import('../../src/cluster/contexts.js')
    const { contexts } = await useContext(process.env, args.name)
    await this.print(contextOutput(args.name, requireContext(contexts, args.name), true))
  }
}
