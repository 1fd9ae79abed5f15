/** `knhk policy list`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../src/terminal/paged-query.js'
import { POLICY_LIST_SCHEMA, type PolicyRow } from '../../src/terminal/policies/schemas.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class PolicyList extends ClusterCommand {
  static override summary = 'List policies and doctrine rules in order of their ids.'
  static override examples = ['<%= config.bin %> policy list', '<%= config.bin %> policy list --output ndjson']
  static override exitCodes = READ_EXIT_CODES
  static override schema = POLICY_LIST_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    limit: countFlagWithDefault('How many at most.', 1, PAGED_ROWS_MAX, 100),
    cursor: Flags.string({ summary: 'Continue where an earlier list ended.', helpValue: 'CURSOR' }),
    read: readFlag,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(PolicyList)
    const connection = await this.connect(flags)
    const { rows, cursor } = await pagedQuery<PolicyRow>(connection.client, {
      name: 'policy.list',
      field: 'policies',
      args: {},
      limit: flags.limit,
      cursor: flags.cursor ?? null,
      call: { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    })
    await this.print({
      value: { policies: rows, cursor },
      items: rows,
      ids: rows.map((row) => row.policyId),
      text: async ({ table, paint }) => {
        const { policyText } = await import('../../src/terminal/policies/policy-text.js')
        const lines = rows.map((row) => [row.policyId, ...policyText(row.policy), formatLocalTime(row.atMs), row.actor])
        const listed = await table(['policy', 'kind', 'says', 'applied', 'by'], lines)
        return cursor === null ? listed : `${listed}\n${paint('dim', `There are more: --cursor ${cursor}`)}`
      },
    })
  }
}
