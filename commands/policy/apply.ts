/** `knhk policy apply`. */
import * as Flags from '@oclif/core/flags'
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { GovernCommand } from '../../src/terminal/policies/govern-command.js'

export default class PolicyApply extends GovernCommand {
  static override summary = 'Put a policy or a doctrine rule in force, or replace the one with its id.'
  static override description = `The file is YAML or JSON:
  policyId: few-at-once
  policy: { type: Capacity, maxConcurrency: 40, maxParallelism: 8 }
Policies: Latency { targetP99Ms, strictness }, FailureRate { maxErrorRate, window, coolDownMs },
GuardStrictness { level }, Capacity { maxConcurrency, maxParallelism }, Conjunction { policies }, Bottom.
Rules: { id, name, sector, constraint, enforcement: Mandatory|Warning|Advisory, source, effectiveDate, expires }
with a constraint ApprovalChain, SegregationOfDuties, ResourceLimit, TimeWindow, Schema or Custom.
Needs the role admin. A policy that allows more than the doctrine is rejected. docs/workflow/policies.md has
every field.`
  static override examples = [
    '<%= config.bin %> policy apply fixtures/policies/capacity.yaml',
    '<%= config.bin %> policy apply rule.json --id office-hours --json',
  ]
  static override baseFlags = proposingFlags
  static override args = { file: requiredArg('The policy, YAML or JSON.') }
  static override flags = {
    id: Flags.string({ summary: 'Id of the policy, instead of the one in the file.', helpValue: 'ID' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PolicyApply)
    const { policyFromFile } = await import('../../src/terminal/policies/policy-file.js')
    const operation = await policyFromFile(args.file, flags.id)
    const id = operation.type === 'ApplyPolicy' ? operation.policyId : ''
    await this.govern(operation, flags, id, (result) =>
      result.replaced === true ? `policy ${id} is in force, in place of the one before` : `policy ${id} is in force`,
    )
  }
}
