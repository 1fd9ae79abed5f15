/** `knhk cluster quotas set`. */
import { proposingFlags } from '../../../src/terminal/cluster-command.js'
import { countFlag } from '../../../src/terminal/flags.js'
import { GovernCommand } from '../../../src/terminal/policies/govern-command.js'

const MAX = Number.MAX_SAFE_INTEGER

export default class ClusterQuotasSet extends GovernCommand {
  static override summary = 'Set all quotas; the ones that are not named are lifted.'
  static override description =
    'Needs the role admin. Rates are counted for each client and minute of log time; operations that govern are not counted.'
  static override examples = [
    '<%= config.bin %> cluster quotas set --cases 1000000 --sessions-per-client 100',
    '<%= config.bin %> cluster quotas set --operations-per-minute 60000 --json',
    '<%= config.bin %> cluster quotas set',
  ]
  static override baseFlags = proposingFlags
  static override flags = {
    cases: countFlag('Cases in the state, finished ones too.', 0, MAX),
    'open-cases': countFlag('Cases that are not finished.', 0, MAX),
    'sessions-per-client': countFlag('Open sessions of one client.', 0, MAX),
    'operations-per-minute': countFlag('Operations of one client in a minute.', 0, MAX),
    'bytes-per-minute': countFlag('Bytes of the operations of one client in a minute.', 0, MAX),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterQuotasSet)
    const operation = {
      type: 'SetQuota',
      casesMax: flags.cases ?? null,
      openCasesMax: flags['open-cases'] ?? null,
      sessionsPerClientMax: flags['sessions-per-client'] ?? null,
      operationsPerMinuteMax: flags['operations-per-minute'] ?? null,
      bytesPerMinuteMax: flags['bytes-per-minute'] ?? null,
    } as const
    await this.govern(operation, flags, 'quotas', () => 'the quotas are in force')
  }
}
