/** `knhk cluster threat evidence`: the same as `knhk evidence list`, where an operator looks for it. */
import { ClusterCommand, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { EVIDENCE_LIST_SCHEMA } from '../../../src/terminal/receipts/schemas.js'

export default class ClusterThreatEvidence extends ClusterCommand {
  static override summary = 'List the evidence behind the threat level: what proves that members lied.'
  static override examples = [
    '<%= config.bin %> cluster threat evidence --dir ./demo',
    '<%= config.bin %> cluster threat evidence --json',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = EVIDENCE_LIST_SCHEMA
  static override baseFlags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterThreatEvidence)
    const { evidenceListOutput, listEvidence } = await import('../../../src/terminal/evidence/reports.js')
    const rows = await listEvidence(await this.connect(flags), { timeoutMs: flags.timeout, signal: this.signal })
    await this.print(evidenceListOutput(rows))
  }
}
