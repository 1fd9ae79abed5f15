/** `knhk receipt get`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { RECEIPT_SCHEMA } from '../../src/terminal/receipts/schemas.js'

export default class ReceiptGet extends ClusterCommand {
  static override summary = 'Get a receipt: proof of an operation and its result that anybody can check offline.'
  static override description =
    `The receipt holds the request of the operation, what decided its entry, what it came to, and the signatures of the
members. It goes to standard output unless --out names a file. docs/receipts.md says what it proves under each protocol.
Results are kept for the last 10,000 entries: a later receipt proves only that the operation is in the log, and once the
entry is compacted away there is none.`
  static override examples = [
    '<%= config.bin %> receipt get 42 --out payment.receipt',
    '<%= config.bin %> receipt get 42:3 --dir ./demo --out ./payment.receipt',
  ]
  static override exitCodes = [4, 5, 6, 7, 8]
  static override schema = RECEIPT_SCHEMA
  static override baseFlags = clusterFlags
  static override args = { place: requiredArg('INDEX or INDEX:POSITION, as commands that write print them.') }
  static override flags = {
    out: Flags.string({ summary: 'Write it to this file, which must not exist.', helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ReceiptGet)
    const { getReceipt, parsePlace, receiptOutput } = await import('../../src/terminal/receipts/get.js')
    const place = parsePlace(args.place)
    const connection = await this.connect(flags)
    const document = await getReceipt(connection, place, { timeoutMs: flags.timeout, signal: this.signal })
    await this.print(await receiptOutput(document, flags.out))
  }
}
