/** `knhk cluster clients list`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag } from '../../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../../src/terminal/operation-report.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../../src/terminal/paged-query.js'
import { CLIENT_LIST_SCHEMA, type ClientRow } from '../../../src/terminal/policies/schemas.js'

export default class ClusterClientsList extends ClusterCommand {
  static override summary = 'List the clients of the cluster, their keys and roles, as they are now.'
  static override examples = [
    '<%= config.bin %> cluster clients list',
    '<%= config.bin %> cluster clients list --output id',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = CLIENT_LIST_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    limit: countFlagWithDefault('How many at most.', 1, PAGED_ROWS_MAX, 1_000),
    cursor: Flags.string({ summary: 'Continue where an earlier list ended.', helpValue: 'CURSOR' }),
    read: readFlag,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterClientsList)
    const { formatPublicKey } = await import('../../../src/crypto/key-encoding.js')
    const { fromHex } = await import('../../../src/base/bytes.js')
    const connection = await this.connect(flags)
    const { rows, cursor } = await pagedQuery<ClientRow>(connection.client, {
      name: 'clients.list',
      field: 'clients',
      args: {},
      limit: flags.limit,
      cursor: flags.cursor ?? null,
      call: { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    })
    const clients = rows.map((row) => ({
      ...row,
      publicKey: formatPublicKey(fromHex(row.publicKey)),
      identity: formatPublicKey(fromHex(row.identity)),
    }))
    await this.print({
      value: { clients, cursor },
      items: clients,
      ids: clients.map(({ id }) => id),
      text: async ({ table, paint }) => {
        const lines = clients.map(({ id, role, publicKey }) => [id, role, publicKey])
        const listed = await table(['client', 'role', 'public key'], lines)
        return cursor === null ? listed : `${listed}\n${paint('dim', `There are more: --cursor ${cursor}`)}`
      },
    })
  }
}
