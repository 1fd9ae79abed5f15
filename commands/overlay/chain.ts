/** `knhk overlay chain`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { activeSigma } from '../../src/terminal/overlays/deploy.js'
import { SIGMA_CHAIN_SCHEMA, type SigmaSnapshot } from '../../src/terminal/overlays/schemas.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../src/terminal/paged-query.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class OverlayChain extends ClusterCommand {
  static override summary = 'Show the chain of the active configuration, from its head back to genesis.'
  static override examples = ['<%= config.bin %> overlay chain', '<%= config.bin %> overlay chain --limit 1 --json']
  static override exitCodes = READ_EXIT_CODES
  static override schema = SIGMA_CHAIN_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    limit: countFlagWithDefault('How many snapshots at most.', 1, PAGED_ROWS_MAX, 100),
    cursor: Flags.string({ summary: 'Continue where an earlier list ended.', helpValue: 'CURSOR' }),
    read: readFlag,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(OverlayChain)
    const connection = await this.connect(flags)
    const call = { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal }
    const state = await activeSigma(connection.client, call)
    const { rows, cursor } = await pagedQuery<SigmaSnapshot>(connection.client, {
      name: 'sigma.chain',
      field: 'snapshots',
      args: {},
      limit: flags.limit,
      cursor: flags.cursor ?? null,
      call,
    })
    await this.print({
      value: { ...state, snapshots: rows, cursor },
      items: rows,
      ids: rows.map((row) => row.sigma),
      text: async ({ table, paint }) => {
        const listed = await table(
          ['snapshot', 'overlay', 'settings', 'promoted'],
          rows.map((row) => [row.sigma, row.overlayId, row.settings, formatLocalTime(row.promotedAtMs)]),
        )
        return cursor === null ? listed : `${listed}\n${paint('dim', `There are more: --cursor ${cursor}`)}`
      },
    })
  }
}
