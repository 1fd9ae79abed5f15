/** `knhk policy effective`. */
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { formatDuration } from '../../src/terminal/durations.js'
import { readFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { EFFECTIVE_SCHEMA, type EffectivePolicy } from '../../src/terminal/policies/schemas.js'

export default class PolicyEffective extends ClusterCommand {
  static override summary = 'Show what all policies in force come to: their meet, and the doctrine that bounds it.'
  static override examples = ['<%= config.bin %> policy effective', '<%= config.bin %> policy effective --json']
  static override exitCodes = READ_EXIT_CODES
  static override schema = EFFECTIVE_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = { read: readFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(PolicyEffective)
    const connection = await this.connect(flags)
    const call = { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal }
    const value = (await connection.client.query('policy.effective', {}, call)).value as EffectivePolicy
    await this.print({
      value,
      ids: [value.id],
      text: async ({ fields }) => {
        const { percentText } = await import('../../src/terminal/policies/policy-text.js')
        const { latency, capacity, failureRates, guardStrictness, newCasesBlockedForMs: blocked } = value
        const rates = failureRates.map(
          ({ maxErrorPpm, window, coolDownMs }) =>
            `${percentText(maxErrorPpm)} of the last ${window}, cool-down ${formatDuration(coolDownMs)}`,
        )
        return fields([
          ['everything', value.bottom ? 'is blocked by Bottom' : 'may run'],
          ['running cases', `${value.runningCases}${capacity === null ? '' : ` of ${capacity.maxConcurrency}`}`],
          ['of one specification', capacity === null ? null : `up to ${capacity.maxParallelism}`],
          ['failed cases', rates.length === 0 ? null : rates.join('; ')],
          ['new cases', blocked === null ? 'may be created' : `wait for ${formatDuration(blocked)}`],
          ['latency (p99)', latency === null ? null : `${latency.targetP99Ms} ms, ${latency.strictness}`],
          ['guards', guardStrictness],
          ['from', value.sources.map(({ policyId }) => policyId).join(', ') || null],
          ['rules', value.rules.join(', ') || null],
        ])
      },
    })
  }
}
