/** `knhk cluster status`. */
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { CLUSTER_STATUS_SCHEMA, requireReachable, statusOutput } from '../../src/terminal/status-report.js'

export default class ClusterStatusCommand extends ClusterCommand {
  static override summary = 'Show which cluster this is, and the status of its members.'
  static override examples = ['<%= config.bin %> cluster status --context local']
  static override exitCodes = READ_EXIT_CODES
  static override schema = CLUSTER_STATUS_SCHEMA
  static override baseFlags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterStatusCommand)
    const { client, target } = await this.connect(flags)
    const status = await client.clusterStatus({ timeoutMs: flags.timeout, signal: this.signal })
    requireReachable(status)
    const { uuidFromBytes } = await import('../../src/workflow/uuid.js')
    const clusterId = uuidFromBytes(target.configuration.clusterId)
    await this.print(statusOutput(status, { clusterId, clusterFile: target.clusterFile }))
  }
}
