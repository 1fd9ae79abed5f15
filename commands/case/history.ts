/** `knhk case history`. */
import { CASE_HISTORY_SCHEMA, type CaseEvent, parseUuid } from '../../src/terminal/case-operations.js'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag, requiredArg } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../src/terminal/paged-query.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class CaseHistory extends ClusterCommand {
  static override summary = 'Show what happened to a case: every operation, with its place in the log and who did it.'
  static override examples = ['<%= config.bin %> case history 7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11']
  static override exitCodes = READ_EXIT_CODES
  static override schema = CASE_HISTORY_SCHEMA
  static override baseFlags = clusterFlags
  static override args = { case: requiredArg('Id of the case, a UUID.') }
  static override flags = { limit: countFlagWithDefault('How many at most.', 1, PAGED_ROWS_MAX, 1_000), read: readFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CaseHistory)
    const caseId = parseUuid(args.case, 'CASE')
    const connection = await this.connect(flags)
    const { rows, cursor } = await pagedQuery<CaseEvent>(connection.client, {
      name: 'case.history',
      field: 'events',
      args: { caseId },
      limit: flags.limit,
      cursor: null,
      call: { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    })
    await this.print({
      value: { caseId, events: rows, cursor },
      items: rows,
      ids: rows.map((row) => `${row.index}:${row.position}`),
      text: ({ table }) =>
        table(
          ['index', 'operation', 'state', 'time', 'actor'],
          rows.map((row) => [
            `${row.index}:${row.position}`,
            row.operation,
            row.state,
            formatLocalTime(row.atMs),
            row.actor,
          ]),
        ),
    })
  }
}
