/** `knhk overlay history`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { SIGMA_HISTORY_SCHEMA, type SigmaMove, shortSigma } from '../../src/terminal/overlays/schemas.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../src/terminal/paged-query.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class OverlayHistory extends ClusterCommand {
  static override summary = 'Show every move of the active configuration: promotions and roll-backs, oldest first.'
  static override examples = ['<%= config.bin %> overlay history --reverse --limit 5']
  static override exitCodes = READ_EXIT_CODES
  static override schema = SIGMA_HISTORY_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    limit: countFlagWithDefault('How many at most.', 1, PAGED_ROWS_MAX, 100),
    reverse: Flags.boolean({ summary: 'Newest first.' }),
    cursor: Flags.string({ summary: 'Continue where an earlier list ended.', helpValue: 'CURSOR' }),
    read: readFlag,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(OverlayHistory)
    const connection = await this.connect(flags)
    const { rows, cursor } = await pagedQuery<SigmaMove>(connection.client, {
      name: 'sigma.history',
      field: 'moves',
      args: { reverse: flags.reverse },
      limit: flags.limit,
      cursor: flags.cursor ?? null,
      call: { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    })
    await this.print({
      value: { moves: rows, cursor },
      items: rows,
      ids: rows.map((row) => `${row.index}:${row.position}`),
      text: async ({ table, paint }) => {
        const listed = await table(
          ['index', 'overlay', 'from', 'to', 'time', 'actor'],
          rows.map((row) => [
            `${row.index}:${row.position}`,
            row.overlayId,
            shortSigma(row.from),
            shortSigma(row.to),
            formatLocalTime(row.atMs),
            row.actor,
          ]),
        )
        return cursor === null ? listed : `${listed}\n${paint('dim', `There are more: --cursor ${cursor}`)}`
      },
    })
  }
}
