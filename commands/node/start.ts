/** `knhk node start`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { diskFlags, diskSettings } from '../../src/terminal/disk-flags.js'
import { outputFlags } from '../../src/terminal/flags.js'

export default class NodeStart extends BaseCommand {
  static override summary = 'Run one node in the foreground until SIGINT or SIGTERM.'
  static override description =
    `With --dir, a node of a local cluster: its key, data directory and log (nodes/ID/node.log) are there. Elsewhere say
--cluster, --key and --data-dir; the log goes to stderr. --init makes the data directory when the member starts for
the first time. Never use it for a member that took part before: it would forget its promises.`
  static override examples = [
    '<%= config.bin %> node start --dir ./demo --node n1',
    '<%= config.bin %> node start --cluster ./cluster.yaml --node n1 --key ./n1 --data-dir /var/lib/knhk --init',
  ]
  static override impact = 'write' as const
  static override exitCodes = [4, 7, 8, 10]
  static override baseFlags = outputFlags
  static override flags = {
    node: Flags.string({ summary: 'Which member this is.', required: true, env: 'KNHK_NODE', helpValue: 'ID' }),
    dir: Flags.string({ summary: 'Directory of a local cluster.', env: 'KNHK_DIR', helpValue: 'DIR' }),
    cluster: Flags.string({ summary: 'The cluster file.', env: 'KNHK_CLUSTER', helpValue: 'FILE' }),
    key: Flags.string({ summary: "The node's key.", env: 'KNHK_KEY', helpValue: 'FILE' }),
    'data-dir': Flags.string({ summary: 'Its data directory.', env: 'KNHK_DATA_DIR', helpValue: 'DIR' }),
    init: Flags.boolean({ summary: 'Make the data directory: this member starts for the first time.' }),
    listen: Flags.string({
      summary: 'Listen here instead of at the address in the cluster file.',
      env: 'KNHK_LISTEN',
      helpValue: 'HOST:PORT',
    }),
    http: Flags.string({
      summary: 'Open the HTTP port here instead of where the cluster file says; "off" for none.',
      env: 'KNHK_HTTP',
      helpValue: 'HOST:PORT',
    }),
    ...diskFlags,
    'log-level': Flags.option({ options: ['debug', 'info', 'warn', 'error'] as const })({
      summary: 'Least level that is logged.',
      env: 'KNHK_LOG_LEVEL',
      default: 'info',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(NodeStart)
    this.stopOn('SIGTERM')
    const { runNode, nodeFiles } = await import('../../src/cluster/run-node.js')
    const files = await nodeFiles({
      node: flags.node,
      dir: this.given.has('cluster') ? undefined : flags.dir,
      cluster: flags.cluster,
      key: flags.key,
      dataDir: flags['data-dir'],
    })
    await runNode({
      ...files,
      initialize: flags.init,
      listen: flags.listen ?? null,
      http: flags.http ?? null,
      disk: diskSettings(flags),
      logLevel: flags['log-level'],
      version: this.config.version,
      signal: this.signal,
      onListening: (address) =>
        this.note(`node ${flags.node} listens on ${address}; log: ${files.logFile ?? 'stderr'}`),
    })
  }

  /**
   * A node that had to stop still holds its port, its links and the lock of its directory. Closing them
   * would seal a log that it no longer vouches for, so the process ends as it is, as if it had crashed.
   */
  protected override async catch(thrown: unknown): Promise<void> {
    await super.catch(thrown)
    process.exit()
  }
}
