/** `knhk cluster members add`. */
import * as Flags from '@oclif/core/flags'
import { requiredArg } from '../../../src/terminal/flags.js'
import { CHANGE_SCHEMA } from '../../../src/terminal/members/change-report.js'
import {
  CHANGE_EXIT_CODES,
  changeFlags,
  dryRunFlag,
  placeFlags,
  waitFlag,
} from '../../../src/terminal/members/flags.js'
import { MemberCommand } from '../../../src/terminal/members/member-command.js'

export default class ClusterMembersAdd extends MemberCommand {
  static override summary = 'Add a member: it joins without a vote, catches up, and then votes.'
  static override description =
    `For a local cluster everything is made: key, data directory, a free port, the line in the cluster file, and the
process, which goes on after this command. Elsewhere --address and --public-key say who joins; only the configuration
is changed, and what is left to do on the new host is printed.

After an interruption the same command goes on where it ended; a member that is there already is a success.`
  static override examples = [
    '<%= config.bin %> cluster members add n4 --dir ./demo',
    '<%= config.bin %> cluster members add n4 --dir ./demo --zone b --dry-run',
    '<%= config.bin %> cluster members add n4 --address 10.0.3.1:4100 --public-key ./n4.pub --no-wait',
  ]
  static override impact = 'write' as const
  static override exitCodes = CHANGE_EXIT_CODES
  static override schema = CHANGE_SCHEMA
  static override baseFlags = changeFlags
  static override args = { id: requiredArg('Name of the new member.') }
  static override flags = {
    ...placeFlags,
    learner: Flags.boolean({ summary: 'It stays without a vote.', default: false }),
    wait: waitFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterMembersAdd)
    const { newcomer } = await import('../../../src/terminal/members/newcomer.js')
    const joins = await newcomer(args.id, flags, flags.learner)
    await this.changeMembers(flags, () => ({
      change: { add: [joins], promote: [], remove: [] },
      planned: null,
      wait: flags.wait,
    }))
  }
}
