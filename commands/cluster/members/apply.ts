/** `knhk cluster members apply`. */
import { resolve } from 'node:path'
import { KnhkError } from '../../../src/base/error.js'
import { requiredArg } from '../../../src/terminal/flags.js'
import { CHANGE_SCHEMA } from '../../../src/terminal/members/change-report.js'
import { CHANGE_EXIT_CODES, changeFlags, dryRunFlag, yesFlag } from '../../../src/terminal/members/flags.js'
import { MemberCommand } from '../../../src/terminal/members/member-command.js'

export default class ClusterMembersApply extends MemberCommand {
  static override summary = 'Carry out a plan of `members plan`; refused where the members changed since.'
  static override description =
    `Ends with 9 (StalePlan) and without a change where the configuration is not the one that the plan was made
against. A plan that is carried out already is a success.`
  static override examples = [
    '<%= config.bin %> cluster members apply plan.json --dry-run',
    '<%= config.bin %> cluster members apply plan.json --yes',
  ]
  static override impact = 'dangerous' as const
  static override exitCodes = CHANGE_EXIT_CODES
  static override schema = CHANGE_SCHEMA
  static override baseFlags = changeFlags
  static override args = { file: requiredArg('The plan.') }
  static override flags = { yes: yesFlag, 'dry-run': dryRunFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterMembersApply)
    const { readPlan } = await import('../../../src/terminal/members/plan-file.js')
    const { uuidFromBytes } = await import('../../../src/workflow/uuid.js')
    const plan = await readPlan(resolve(args.file))
    await this.changeMembers(flags, ({ connection }) => {
      const clusterId = uuidFromBytes(connection.target.configuration.clusterId)
      if (plan.clusterId !== clusterId) {
        throw new KnhkError('ForeignCluster', `the plan is for cluster ${plan.clusterId}, not ${clusterId}`)
      }
      return { change: plan.change, planned: plan.index, wait: true }
    })
  }
}
