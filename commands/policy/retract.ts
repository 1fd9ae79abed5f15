/** `knhk policy retract`. */
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { GovernCommand } from '../../src/terminal/policies/govern-command.js'

export default class PolicyRetract extends GovernCommand {
  static override summary = 'Take a policy or a doctrine rule out of force.'
  static override examples = ['<%= config.bin %> policy retract few-at-once']
  static override idempotent = false
  static override baseFlags = proposingFlags
  static override args = { id: requiredArg('Id of the policy.') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PolicyRetract)
    const operation = { type: 'RetractPolicy', policyId: args.id } as const
    await this.govern(operation, flags, args.id, () => `policy ${args.id} is no longer in force`)
  }
}
