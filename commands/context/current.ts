/** `knhk context current`. */
import { KnhkError } from '../../src/base/error.js'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { CONTEXT_SCHEMA, contextOutput } from '../../src/terminal/context-report.js'
import { outputFlags } from '../../src/terminal/flags.js'

export default class ContextCurrent extends BaseCommand {
  static override summary = 'Show the context that is used when nothing else is named.'
  static override examples = ['<%= config.bin %> context current']
  static override exitCodes = [4]
  static override schema = CONTEXT_SCHEMA
  static override baseFlags = outputFlags

  async run(): Promise<void> {
    await this.parse(ContextCurrent)
    const { readContexts, requireContext } = await import('../../src/cluster/contexts.js')
    const { current, contexts } = await readContexts(process.env)
    if (current === null)
      throw new KnhkError('NotFound', 'no context is current', { hint: 'Choose one with `knhk context use NAME`.' })
    await this.print(contextOutput(current, requireContext(contexts, current), true))
  }
}
