/** `knhk snapshot restore`. */
import { basename } from 'node:path'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { newClusterFlags } from '../../src/terminal/new-cluster-flags.js'
import { NEW_CLUSTER_SCHEMA } from '../../src/terminal/snapshots/schemas.js'

export default class SnapshotRestore extends BaseCommand {
  static override summary = 'Make a new cluster that begins with the state in a snapshot file.'
  static override description =
    `The new cluster has an id, keys and an admin client of its own; clients and sessions of the old one mean nothing to it.
Data stays byte for byte, so its data digest is the one of the origin, and its log goes on behind the index of the
snapshot. Nothing is changed in the old cluster.`
  static override examples = [
    '<%= config.bin %> snapshot restore backup.snap --dir ./restored --nodes 3 --yes',
    '<%= config.bin %> snapshot restore backup.snap --dir ./restored --dry-run --json',
  ]
  static override impact = 'dangerous' as const
  static override idempotent = false
  static override exitCodes = [4, 8, 10]
  static override schema = NEW_CLUSTER_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: requiredArg('The snapshot file.') }
  static override flags = newClusterFlags

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SnapshotRestore)
    const [{ applyRestore, planRestore }, { newClusterOutput, plannedCluster }, { confirm }] = await Promise.all([
      import('../../src/terminal/snapshots/restore.js'),
      import('../../src/terminal/new-cluster-report.js'),
      import('../../src/terminal/confirm.js'),
    ])
    const progress = await this.progress('checking the snapshot')
    try {
      const planned = await planRestore(args.file, flags)
      if (flags['dry-run']) {
        progress.stop()
        await this.print(newClusterOutput(plannedCluster(planned.plan)))
        return
      }
      progress.stop()
      await confirm({
        message: `Makes a new cluster of ${flags.nodes} nodes in ${planned.plan.dir} with the state of index ${planned.plan.base.index}`,
        word: basename(planned.plan.dir),
        yes: flags.yes,
        interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
        signal: this.signal,
      })
      const making = await this.progress('making the cluster')
      const report = await applyRestore(planned, (text) => making.update(text)).finally(() => making.stop())
      await this.print(newClusterOutput(report))
    } finally {
      progress.stop()
    }
  }
}
