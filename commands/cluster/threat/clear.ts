/** `knhk cluster threat clear`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, proposingFlags } from '../../../src/terminal/cluster-command.js'
import { optionalArg } from '../../../src/terminal/flags.js'
import { THREAT_SCHEMA } from '../../../src/terminal/hybrid/threat.js'

export default class ClusterThreatClear extends ClusterCommand {
  static override summary = 'Clear what is held against a member, or against all, once it is dealt with.'
  static override description =
    `Evidence counts until it is cleared, and that is refused as long as its culprit is a member with the same key:
remove it or give it another key first (cluster members replace), then clear. It is an ordered operation: all members come to
the same verdict. What is cleared stays on disk as evidence. Needs the role admin.`
  static override examples = [
    '<%= config.bin %> cluster threat clear n3 --dir ./demo --yes',
    '<%= config.bin %> cluster threat clear --yes --json',
  ]
  static override impact = 'dangerous' as const
  static override exitCodes = [4, 5, 6, 7, 8]
  static override schema = THREAT_SCHEMA
  static override baseFlags = proposingFlags
  static override args = { id: optionalArg('The member; all if absent.') }
  static override flags = {
    yes: Flags.boolean({ summary: 'Do not ask.' }),
    'dry-run': Flags.boolean({ summary: 'Show what is held against whom, and change nothing.' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterThreatClear)
    const [{ lookAtThreat, threatOutput }, { submitOperation }, { confirm }, { nodeId }] = await Promise.all([
      import('../../../src/terminal/hybrid/threat.js'),
      import('../../../src/terminal/operation-report.js'),
      import('../../../src/terminal/confirm.js'),
      import('../../../src/consensus/types.js'),
    ])
    const { client } = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    if (!flags['dry-run']) {
      await confirm({
        message: `Clears what is held against ${args.id ?? 'every member'}`,
        word: args.id ?? 'all',
        yes: flags.yes,
        interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
        signal: this.signal,
      })
      const node = args.id === undefined ? null : nodeId(args.id)
      await submitOperation(client, { type: 'ClearThreat', node }, this.submission(flags))
    }
    await this.print(threatOutput(await lookAtThreat(client, call)))
  }
}
