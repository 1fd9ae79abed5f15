/** `knhk cluster health`. */
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlag, optionalDurationFlag } from '../../src/terminal/flags.js'
import { HEALTH_SCHEMA } from '../../src/terminal/health-schema.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'

export default class ClusterHealth extends ClusterCommand {
  static override summary = 'Tell in one word whether the cluster is healthy, and if not, what is missing.'
  static override description =
    `Healthy: all members answer, follow one leader and have applied what is committed. Degraded: writes work, but
something is missing, or a fault more would stop them (exit code 10). Without a leader the exit code is 7, without an
answer 5.`
  static override examples = [
    '<%= config.bin %> cluster health --dir ./demo',
    '<%= config.bin %> cluster health --max-lag 1000 --max-rtt 50ms --json',
  ]
  static override exitCodes = [...READ_EXIT_CODES, 10]
  static override schema = HEALTH_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    'max-lag': countFlag('Entries that a member may be behind.', 0, Number.MAX_SAFE_INTEGER),
    'max-rtt': optionalDurationFlag('Round-trip time to the leader that still counts as healthy.'),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterHealth)
    const { client } = await this.connect(flags)
    const { healthOutput, lookAtHealth } = await import('../../src/terminal/health-report.js')
    const limits = { lagEntries: flags['max-lag'] ?? null, rttMs: flags['max-rtt'] ?? null }
    const report = await lookAtHealth(client, limits, { timeoutMs: flags.timeout, signal: this.signal })
    await this.print(healthOutput(report))
    if (report.health !== 'healthy') this.endWith(report.health === 'degraded' ? 10 : 7)
  }
}
