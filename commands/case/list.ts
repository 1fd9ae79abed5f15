/** `knhk case list`. */
import * as Flags from '@oclif/core/flags'
import { CASE_LIST_SCHEMA, type CaseAnswer, parseUuid } from '../../src/terminal/case-operations.js'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../src/terminal/paged-query.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class CaseList extends ClusterCommand {
  static override summary = 'List cases in order of creation.'
  static override examples = [
    '<%= config.bin %> case list --state running --limit 20',
    '<%= config.bin %> case list --spec-id 5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001 --output ndjson',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = CASE_LIST_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    state: Flags.option({ options: ['created', 'running', 'suspended', 'completed', 'failed', 'cancelled'] as const })({
      summary: 'Only cases in this state.',
    }),
    'spec-id': Flags.string({ summary: 'Only cases of this specification.', helpValue: 'UUID' }),
    limit: countFlagWithDefault('How many at most.', 1, PAGED_ROWS_MAX, 100),
    reverse: Flags.boolean({ summary: 'Newest first.' }),
    cursor: Flags.string({ summary: 'Continue where an earlier list ended.', helpValue: 'CURSOR' }),
    read: readFlag,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(CaseList)
    const specId = flags['spec-id'] === undefined ? null : parseUuid(flags['spec-id'], '--spec-id')
    const connection = await this.connect(flags)
    const { rows, cursor } = await pagedQuery<CaseAnswer>(connection.client, {
      name: 'case.list',
      field: 'cases',
      args: { state: flags.state ?? null, specId, reverse: flags.reverse },
      limit: flags.limit,
      cursor: flags.cursor ?? null,
      call: { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    })
    await this.print({
      value: { cases: rows, cursor },
      items: rows,
      ids: rows.map((row) => row.caseId),
      text: async ({ table, paint }) => {
        const lines = rows.map((row) => [
          row.caseId,
          row.specId,
          row.state,
          formatLocalTime(row.createdAtMs),
          row.error,
        ])
        const listed = await table(['case', 'spec', 'state', 'created', 'error'], lines)
        return cursor === null ? listed : `${listed}\n${paint('dim', `There are more: --cursor ${cursor}`)}`
      },
    })
  }
}
