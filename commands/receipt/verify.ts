/** `knhk receipt verify`. */
import { requiredArg } from '../../src/terminal/flags.js'
import { ProofCommand, proofFlags } from '../../src/terminal/receipts/proof-command.js'
import { VERIFIED_RECEIPT_SCHEMA } from '../../src/terminal/receipts/schemas.js'

export default class ReceiptVerify extends ProofCommand {
  static override summary =
    'Check a receipt offline, with nothing but the cluster file. Exit code 10 where it does not hold.'
  static override description =
    'Says what is proven, by whose signatures, and what that assumes. Members that joined later are proven by the receipt itself.'
  static override examples = [
    '<%= config.bin %> receipt verify payment.receipt --cluster cluster.yaml',
    '<%= config.bin %> receipt verify payment.receipt --dir ./demo --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = VERIFIED_RECEIPT_SCHEMA
  static override baseFlags = proofFlags
  static override args = { file: requiredArg('The receipt.') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ReceiptVerify)
    const { verifiedReceiptOutput, verifyReceiptFile } = await import('../../src/terminal/receipts/verify.js')
    const report = await verifyReceiptFile(await this.trustOf(flags), args.file)
    await this.print(verifiedReceiptOutput(report))
    if (!report.ok) this.endWith(10)
  }
}
