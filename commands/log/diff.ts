/** `knhk log diff`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { DIFF_SCHEMA } from '../../src/terminal/log-flags.js'

export default class LogDiff extends BaseCommand {
  static override summary = 'Compare two logs on disk: the first index at which they part. Exit code 10 where they do.'
  static override description =
    `Compares epoch, term, batch digest and hash chain of every index that both hold. What one of them has compacted away
is covered by the chain value at its base. That one log goes on where the other ends is no difference. Read-only, on
stopped and on running nodes.`
  static override examples = [
    '<%= config.bin %> log diff n1 n2 --dir ./demo',
    '<%= config.bin %> log diff ./demo/nodes/n1/data /mnt/backup/n1/data --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = DIFF_SCHEMA
  static override baseFlags = outputFlags
  static override args = {
    a: requiredArg('A data directory; with --dir the name of a node.'),
    b: requiredArg('The other one.'),
  }
  static override flags = {
    dir: Flags.string({ summary: 'Directory of a local cluster.', env: 'KNHK_DIR', helpValue: 'DIR' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LogDiff)
    const { diffLogs, diffOutput } = await import('../../src/terminal/logs/diff.js')
    const dir = flags.dir ?? this.session?.connection.target.dir ?? undefined
    const progress = await this.progress('comparing')
    const report = await diffLogs([args.a, args.b], dir).finally(() => progress.stop())
    await this.print(diffOutput(report))
    if (!report.equal) this.endWith(10)
  }
}
