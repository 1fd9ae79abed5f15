/** `knhk cluster members list`. */
import { KnhkError } from '../../../src/base/error.js'
import { ClusterCommand, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { MEMBERS_SCHEMA, membersOutput } from '../../../src/terminal/members/list-report.js'
import { READ_EXIT_CODES } from '../../../src/terminal/operation-report.js'
import { requireReachable } from '../../../src/terminal/status-report.js'

export default class ClusterMembersList extends ClusterCommand {
  static override summary = 'Show who belongs to the cluster, who votes, and how far each member is.'
  static override description =
    `The configuration of the log, not of the cluster file. Match, lag and heard are the leader's word; without one
they are left out, and the newest configuration that a reachable member knows is shown. Under a Byzantine protocol
each member says for itself how far it is.`
  static override examples = [
    '<%= config.bin %> cluster members list',
    '<%= config.bin %> cluster members list --dir ./demo --json',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = MEMBERS_SCHEMA
  static override baseFlags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterMembersList)
    const { client, target } = await this.connect(flags)
    const { bestView, lookAtCluster } = await import('../../../src/terminal/members/look.js')
    const look = await lookAtCluster(client, { timeoutMs: flags.timeout, signal: this.signal })
    requireReachable(look.status)
    const view = bestView(look)
    if (view === null) throw new KnhkError('Unreachable', 'no member told its configuration')
    await this.print(membersOutput(view, look, target.configuration.protocol))
  }
}
