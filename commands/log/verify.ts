/** `knhk log verify`. */

import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags } from '../../src/terminal/flags.js'
import { logFlags, VERIFY_SCHEMA } from '../../src/terminal/log-flags.js'

export default class LogVerify extends BaseCommand {
  static override summary =
    'Verify the log of a node on disk: checksums, hash chain, batch digests. Exit code 10 where it is damaged.'
  static override description =
    `Read-only; works on a stopped and on a running node. A half-written last frame is no damage. With the cluster file
at hand (--dir) the certificates of Byzantine and hybrid clusters are checked too: up to certifiedIndex signatures of
a quorum prove the log.`
  static override examples = [
    '<%= config.bin %> log verify --dir ./demo --node n1',
    '<%= config.bin %> log verify --data-dir ./demo/nodes/n1/data --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = VERIFY_SCHEMA
  static override baseFlags = outputFlags
  static override flags = {
    ...logFlags,
    dir: Flags.string({ summary: 'Directory of a local cluster.', env: 'KNHK_DIR', helpValue: 'DIR' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LogVerify)
    const { chooseLog, verifyOutput, verifyStored } = await import('../../src/terminal/log-verify.js')
    const progress = await this.progress('verifying')
    const report = await chooseLog(
      flags['data-dir'],
      flags.dir ?? this.session?.connection.target.dir ?? undefined,
      flags.node,
    )
      .then(verifyStored)
      .finally(() => progress.stop())
    await this.print(verifyOutput(report))
    if (!report.ok) this.endWith(10)
  }
}
