/** `knhk cluster members replace`. */
import * as Flags from '@oclif/core/flags'
import { requiredArg } from '../../../src/terminal/flags.js'
import { CHANGE_SCHEMA } from '../../../src/terminal/members/change-report.js'
import { CHANGE_EXIT_CODES, changeFlags, dryRunFlag, placeFlags, yesFlag } from '../../../src/terminal/members/flags.js'
import { MemberCommand } from '../../../src/terminal/members/member-command.js'

export default class ClusterMembersReplace extends MemberCommand {
  static override summary = 'Replace a member by a new one: new name, new key, empty data directory.'
  static override description =
    `The new one joins without a vote, catches up and votes before the old one leaves: at no time can the cluster
bear less than before. For a lost or damaged disk: the old name is never used again, because what it promised is lost.

After an interruption the same command goes on where it ended.`
  static override examples = [
    '<%= config.bin %> cluster members replace n2 --dir ./demo --yes',
    '<%= config.bin %> cluster members replace n2 --as n4 --dry-run',
    '<%= config.bin %> cluster members replace n2 --as n4 --address 10.0.3.1:4100 --public-key ./n4.pub --yes',
  ]
  static override impact = 'dangerous' as const
  static override exitCodes = CHANGE_EXIT_CODES
  static override schema = CHANGE_SCHEMA
  static override baseFlags = changeFlags
  static override args = { id: requiredArg('Which member.') }
  static override flags = {
    as: Flags.string({
      summary: 'Name of the new one; ID-2 if absent, after that ID-3 and so on.',
      helpValue: 'NEWID',
    }),
    ...placeFlags,
    yes: yesFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterMembersReplace)
    const { replacement } = await import('../../../src/terminal/members/replacement.js')
    await this.changeMembers(flags, await replacement(args.id, flags.as, flags))
  }
}
