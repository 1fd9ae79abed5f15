/** `knhk policy approve`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { durationFlag, requiredArg } from '../../src/terminal/flags.js'
import { APPROVED_SCHEMA } from '../../src/terminal/policies/approve.js'

const VALID_MS = 3_600_000

export default class PolicyApprove extends ClusterCommand {
  static override summary = 'Sign an operation that a rule wants approved, with the client key of the context.'
  static override description =
    `The file holds one operation as \`propose\` takes it (JSON or YAML), or what an earlier signer got from this
command. Printed is the operation with all its approvals, on one line: give it to the next signer, or to
\`propose --file\`. The signature is good for this cluster, this operation, this policy and until it expires, once.
Nothing is sent to the cluster.`
  static override examples = [
    '<%= config.bin %> policy approve payment.json --policy two-signatures --output ndjson',
    '<%= config.bin %> policy approve approved.json --policy two-signatures --key ~/keys/ben --valid 15m --out approved.json',
  ]
  static override exitCodes = [4]
  static override schema = APPROVED_SCHEMA
  static override idempotent = false
  static override baseFlags = clusterFlags
  static override args = { file: requiredArg('The operation, JSON or YAML.') }
  static override flags = {
    policy: Flags.string({ summary: 'Id of the rule that asks for it.', required: true, helpValue: 'ID' }),
    valid: durationFlag('How long the approval can be used, up to 7 days.', VALID_MS),
    out: Flags.string({ summary: 'Write it to this file instead.', helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PolicyApprove)
    const { approvedOutput, approveFile } = await import('../../src/terminal/policies/approve.js')
    const { target } = await this.connect(flags)
    const expiresAtMs = Date.now() + flags.valid
    const approved = await approveFile({ file: args.file, policyId: flags.policy, expiresAtMs }, target)
    await this.print(await approvedOutput(approved, flags.out))
  }
}
