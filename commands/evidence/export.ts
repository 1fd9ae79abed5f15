/** `knhk evidence export`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { EVIDENCE_FILE_SCHEMA } from '../../src/terminal/receipts/schemas.js'

export default class EvidenceExport extends ClusterCommand {
  static override summary = 'Write a piece of evidence to a file that anybody can check offline.'
  static override description =
    'The file holds both statements of the culprit and, where members changed, the decisions that made it a member.'
  static override examples = ['<%= config.bin %> evidence export 9f3c51d2 --out n3-lied.json --dir ./demo']
  static override exitCodes = [4, 5, 6, 8]
  static override schema = EVIDENCE_FILE_SCHEMA
  static override baseFlags = clusterFlags
  static override args = { id: requiredArg('Its id, or an unambiguous beginning of it.') }
  static override flags = {
    out: Flags.string({ summary: 'The file, which must not exist.', required: true, helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(EvidenceExport)
    const { exportEvidence, exportedOutput } = await import('../../src/terminal/evidence/reports.js')
    const connection = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    await this.print(exportedOutput(await exportEvidence(connection, args.id, flags.out, call), flags.out))
  }
}
