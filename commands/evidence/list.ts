/** `knhk evidence list`. */
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { EVIDENCE_LIST_SCHEMA } from '../../src/terminal/receipts/schemas.js'

export default class EvidenceList extends ClusterCommand {
  static override summary = 'List what proves that members lied, from all members that can be reached.'
  static override description =
    `Every piece is checked before it is listed: nobody is accused by the word of a member. Ordered is what f + 1 members
say stands in the log at one index; what is not ordered yet is kept by those who found it.`
  static override examples = [
    '<%= config.bin %> evidence list --dir ./demo',
    '<%= config.bin %> evidence list --output id',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = EVIDENCE_LIST_SCHEMA
  static override baseFlags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(EvidenceList)
    const { evidenceListOutput, listEvidence } = await import('../../src/terminal/evidence/reports.js')
    const connection = await this.connect(flags)
    const rows = await listEvidence(connection, { timeoutMs: flags.timeout, signal: this.signal })
    await this.print(evidenceListOutput(rows))
  }
}
