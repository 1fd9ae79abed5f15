/** `knhk cluster members remove`. */
import { requiredArg } from '../../../src/terminal/flags.js'
import { CHANGE_SCHEMA } from '../../../src/terminal/members/change-report.js'
import { CHANGE_EXIT_CODES, changeFlags, dryRunFlag, yesFlag } from '../../../src/terminal/members/flags.js'
import { MemberCommand } from '../../../src/terminal/members/member-command.js'

export default class ClusterMembersRemove extends MemberCommand {
  static override summary = 'Remove a member for good; its data directory is kept.'
  static override description =
    `Shows what the cluster bears afterwards and asks. A leader that is removed hands over first. A local node is
stopped. Refused are the last voter, and a removal after which no quorum of the voters would be alive.

A member that is gone already is a success.`
  static override examples = [
    '<%= config.bin %> cluster members remove n4 --dry-run',
    '<%= config.bin %> cluster members remove n4 --dir ./demo --yes',
  ]
  static override impact = 'dangerous' as const
  static override exitCodes = CHANGE_EXIT_CODES
  static override schema = CHANGE_SCHEMA
  static override baseFlags = changeFlags
  static override args = { id: requiredArg('Which member.') }
  static override flags = { yes: yesFlag, 'dry-run': dryRunFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterMembersRemove)
    await this.changeMembers(flags, () => ({
      change: { add: [], promote: [], remove: [args.id] },
      planned: null,
      wait: true,
    }))
  }
}
