/** `knhk case fail`. */
import * as Flags from '@oclif/core/flags'
import { CaseTransitionCommand } from '../../src/terminal/case-transition.js'
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'

export default class CaseFail extends CaseTransitionCommand {
  static override summary = 'Mark a case as failed, with the reason.'
  static override examples = [
    '<%= config.bin %> case fail 7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11 --error "payment refused"',
  ]
  static override baseFlags = proposingFlags
  static override args = { case: requiredArg('Id of the case, a UUID.') }
  static override flags = { error: Flags.string({ summary: 'Why it failed.', required: true, helpValue: 'TEXT' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CaseFail)
    await this.moveCase(args.case, 'failed', flags.error, flags)
  }
}
