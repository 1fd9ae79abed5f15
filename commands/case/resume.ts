/** `knhk case resume`. */
import { CaseTransitionCommand } from '../../src/terminal/case-transition.js'
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'

export default class CaseResume extends CaseTransitionCommand {
  static override summary = 'Resume a suspended case.'
  static override examples = ['<%= config.bin %> case resume 7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11']
  static override baseFlags = proposingFlags
  static override args = { case: requiredArg('Id of the case, a UUID.') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CaseResume)
    await this.moveCase(args.case, 'running', null, flags)
  }
}
