/** `knhk forensics`. */
import { requiredArg } from '../src/terminal/flags.js'
import { ProofCommand, proofFlags } from '../src/terminal/receipts/proof-command.js'
import { FORENSICS_SCHEMA } from '../src/terminal/receipts/schemas.js'

export default class Forensics extends ProofCommand {
  static override summary =
    'Find out who lied where two logs or two receipts contradict each other. Exit code 10 where they do.'
  static override description =
    `A contradiction of two certified entries needs more liars than a cluster tolerates; their own signatures name them. A
side without a certificate proves nothing against anybody. Within a Raft epoch of a hybrid cluster, whoever signed
both sides of a fork is convicted by that. Read-only, offline: logs of stopped or running nodes.`
  static override examples = [
    '<%= config.bin %> forensics n1 n3 --dir ./demo',
    '<%= config.bin %> forensics ./backup/n1/data /mnt/n3/data --cluster cluster.yaml --json',
    '<%= config.bin %> forensics mine.receipt theirs.receipt --cluster cluster.yaml',
  ]
  static override exitCodes = [4, 10]
  static override schema = FORENSICS_SCHEMA
  static override baseFlags = proofFlags
  static override args = {
    a: requiredArg('A data directory, with --dir the name of a node, or a receipt.'),
    b: requiredArg('The other one.'),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Forensics)
    const trust = await this.trustOf(flags)
    const { forensics, forensicsOutput } = await import('../src/terminal/forensics/report.js')
    const dir = flags.dir ?? this.session?.connection.target.dir ?? undefined
    const report = await forensics(trust, [args.a, args.b], dir)
    await this.print(forensicsOutput(report))
    if (report.verdict !== 'agree') this.endWith(10)
  }
}
