/** `knhk snapshot list`. */
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { logFlags } from '../../src/terminal/log-flags.js'
import { LIST_SCHEMA } from '../../src/terminal/snapshots/schemas.js'

export default class SnapshotList extends ClusterCommand {
  static override summary = 'List the snapshots that the nodes have.'
  static override description =
    `Every member is asked, or the one that --node names; one that does not answer and lies on this machine is read from
its directory. With --data-dir a directory is read in any case: every file is checked as a whole.`
  static override examples = [
    '<%= config.bin %> snapshot list --dir ./demo',
    '<%= config.bin %> snapshot list --data-dir ./demo/nodes/n1/data --json',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = LIST_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = logFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(SnapshotList)
    const { listLive, listOutput, listStored } = await import('../../src/terminal/snapshots/list.js')
    const dataDir = flags['data-dir']
    if (dataDir !== undefined) {
      await this.print(listOutput(await listStored(dataDir, null)))
      return
    }
    const connection = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    await this.print(listOutput(await listLive(connection, flags.node ?? null, call)))
  }
}
