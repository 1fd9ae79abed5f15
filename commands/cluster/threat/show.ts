/** `knhk cluster threat show`. */
import { ClusterCommand, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { THREAT_SCHEMA } from '../../../src/terminal/hybrid/threat.js'

export default class ClusterThreatShow extends ClusterCommand {
  static override summary = 'Show the threat level, why, and what members hold against whom.'
  static override description =
    `The level is what at least f + 1 members see: none, low, medium, high or critical. At high and above a hybrid cluster
runs a Byzantine protocol. Clusters of one protocol have no threat model: null.`
  static override examples = [
    '<%= config.bin %> cluster threat show --dir ./demo',
    '<%= config.bin %> cluster threat show --json',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = THREAT_SCHEMA
  static override baseFlags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterThreatShow)
    const { lookAtThreat, threatOutput } = await import('../../../src/terminal/hybrid/threat.js')
    const { client } = await this.connect(flags)
    await this.print(threatOutput(await lookAtThreat(client, { timeoutMs: flags.timeout, signal: this.signal })))
  }
}
