/** `knhk status`. */
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import { countFlag } from '../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../src/terminal/operation-report.js'
import { requireReachable, STATUS_SCHEMA, statusOutput } from '../src/terminal/status-report.js'

export default class Status extends ClusterCommand {
  static override summary = 'Show what every member knows: role, term, log, lag, digests.'
  static override examples = [
    '<%= config.bin %> status',
    '<%= config.bin %> status --dir ./demo --json',
    '<%= config.bin %> status --digest-at 4000 --json',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = STATUS_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    'digest-at': countFlag(
      'The digests at this index instead of the newest; the last 16 compared ones are kept.',
      1,
      Number.MAX_SAFE_INTEGER,
    ),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Status)
    const { client } = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    const status = await client.clusterStatus(call)
    requireReachable(status)
    const index = flags['digest-at']
    if (index === undefined) {
      await this.print(statusOutput(status))
      return
    }
    const { statusWithDigestsAt } = await import('../src/terminal/digest-at.js')
    await this.print(statusOutput(await statusWithDigestsAt(client, status, index, call)))
  }
}
