/** `knhk cluster quotas show`. */
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { readFlag } from '../../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../../src/terminal/operation-report.js'
import { QUOTA_SCHEMA, type QuotaAnswer } from '../../../src/terminal/policies/schemas.js'

export default class ClusterQuotasShow extends ClusterCommand {
  static override summary = 'Show the quotas and what is used of them.'
  static override examples = ['<%= config.bin %> cluster quotas show', '<%= config.bin %> cluster quotas show --json']
  static override exitCodes = READ_EXIT_CODES
  static override schema = QUOTA_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = { read: readFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterQuotasShow)
    const connection = await this.connect(flags)
    const call = { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal }
    const value = (await connection.client.query('quotas.get', {}, call)).value as QuotaAnswer
    await this.print({
      value,
      items: value.clients,
      ids: value.clients.map(({ id }) => id),
      text: ({ fields }) =>
        fields([
          ...Object.entries(value.quotas).map(([name, max]) => [name, max] as const),
          ['cases', value.cases],
          ['open cases', value.openCases],
          ...value.clients.map(
            ({ id, operations, bytes }) => [`${id}, this minute`, `${operations} operations, ${bytes} bytes`] as const,
          ),
        ]),
    })
  }
}
