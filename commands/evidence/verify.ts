/** `knhk evidence verify`. */
import { requiredArg } from '../../src/terminal/flags.js'
import { ProofCommand, proofFlags } from '../../src/terminal/receipts/proof-command.js'
import { VERIFIED_EVIDENCE_SCHEMA } from '../../src/terminal/receipts/schemas.js'

export default class EvidenceVerify extends ProofCommand {
  static override summary = 'Check evidence offline and name the culprit. Exit code 10 where it proves nothing.'
  static override description =
    'Needs nothing but the cluster file. Whoever is named signed two statements of which an honest member signs one at most.'
  static override examples = ['<%= config.bin %> evidence verify n3-lied.json --cluster cluster.yaml']
  static override exitCodes = [4, 10]
  static override schema = VERIFIED_EVIDENCE_SCHEMA
  static override baseFlags = proofFlags
  static override args = { file: requiredArg('The evidence.') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(EvidenceVerify)
    const { verifiedEvidenceOutput, verifyEvidenceFile } = await import('../../src/terminal/evidence/reports.js')
    const report = await verifyEvidenceFile(await this.trustOf(flags), args.file)
    await this.print(verifiedEvidenceOutput(report))
    if (!report.ok) this.endWith(10)
  }
}
