/** `knhk log inspect`. */
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlag, countFlagWithDefault } from '../../src/terminal/flags.js'
import { INSPECT_SCHEMA, logFlags } from '../../src/terminal/log-flags.js'

export default class LogInspect extends ClusterCommand {
  static override summary = 'Show entries of the log of one node: asked from the node, or read from its data directory.'
  static override description =
    `With --node, a running node is asked over its link; when it does not run and its directory is on this machine, the
directory is read. With --data-dir it is read in any case. Reading never writes, and works beside a running node.`
  static override examples = [
    '<%= config.bin %> log inspect --dir ./demo --node n1 --from 10 --limit 20',
    '<%= config.bin %> log inspect --data-dir ./demo/nodes/n1/data --json',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = INSPECT_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    ...logFlags,
    from: countFlag('First index.', 0, Number.MAX_SAFE_INTEGER),
    to: countFlag('Last index.', 0, Number.MAX_SAFE_INTEGER),
    limit: countFlagWithDefault('How many at most.', 1, 100_000, 100),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LogInspect)
    const { inspectLive, inspectOutput, inspectStored } = await import('../../src/terminal/log-inspect.js')
    const range = { from: flags.from, to: flags.to, limit: flags.limit }
    const dataDir = flags['data-dir']
    if (dataDir !== undefined) {
      await this.print(inspectOutput(await inspectStored(dataDir, range)))
      return
    }
    const connection = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    await this.print(inspectOutput(await inspectLive(connection, flags.node ?? null, range, call)))
  }
}
