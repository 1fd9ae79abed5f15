/** `knhk cluster members promote`. */
import { requiredArg } from '../../../src/terminal/flags.js'
import { CHANGE_SCHEMA } from '../../../src/terminal/members/change-report.js'
import { CHANGE_EXIT_CODES, changeFlags, dryRunFlag, waitFlag } from '../../../src/terminal/members/flags.js'
import { MemberCommand } from '../../../src/terminal/members/member-command.js'

export default class ClusterMembersPromote extends MemberCommand {
  static override summary = 'Give a learner its vote, once it has caught up.'
  static override examples = [
    '<%= config.bin %> cluster members promote n4',
    '<%= config.bin %> cluster members promote n4 --dry-run',
  ]
  static override impact = 'write' as const
  static override exitCodes = CHANGE_EXIT_CODES
  static override schema = CHANGE_SCHEMA
  static override baseFlags = changeFlags
  static override args = { id: requiredArg('Which learner.') }
  static override flags = { wait: waitFlag, 'dry-run': dryRunFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterMembersPromote)
    await this.changeMembers(flags, () => ({
      change: { add: [], promote: [args.id], remove: [] },
      planned: null,
      wait: flags.wait,
    }))
  }
}
