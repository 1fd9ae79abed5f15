/** `knhk overlay list`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { OVERLAY_LIST_SCHEMA, type OverlaySummary, shortSigma } from '../../src/terminal/overlays/schemas.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../src/terminal/paged-query.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class OverlayList extends ClusterCommand {
  static override summary = 'List overlays in order of their ids.'
  static override examples = [
    '<%= config.bin %> overlay list --phase Shadow',
    '<%= config.bin %> overlay list --output ndjson',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = OVERLAY_LIST_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    phase: Flags.option({ options: ['Shadow', 'Test', 'Validate', 'Promote', 'Promoted', 'RolledBack'] as const })({
      summary: 'Only overlays in this phase.',
    }),
    limit: countFlagWithDefault('How many at most.', 1, PAGED_ROWS_MAX, 100),
    reverse: Flags.boolean({ summary: 'Last id first.' }),
    cursor: Flags.string({ summary: 'Continue where an earlier list ended.', helpValue: 'CURSOR' }),
    read: readFlag,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(OverlayList)
    const connection = await this.connect(flags)
    const { rows, cursor } = await pagedQuery<OverlaySummary>(connection.client, {
      name: 'overlay.list',
      field: 'overlays',
      args: { phase: flags.phase ?? null, reverse: flags.reverse },
      limit: flags.limit,
      cursor: flags.cursor ?? null,
      call: { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    })
    await this.print({
      value: { overlays: rows, cursor },
      items: rows,
      ids: rows.map((row) => row.overlayId),
      text: async ({ table, paint }) => {
        const listed = await table(
          ['overlay', 'phase', 'base', 'proposed', 'changes', 'created', 'updated'],
          rows.map((row) => [
            row.overlayId,
            row.phase,
            shortSigma(row.base),
            shortSigma(row.sigma),
            row.changes,
            formatLocalTime(row.createdAtMs),
            formatLocalTime(row.updatedAtMs),
          ]),
        )
        return cursor === null ? listed : `${listed}\n${paint('dim', `There are more: --cursor ${cursor}`)}`
      },
    })
  }
}
