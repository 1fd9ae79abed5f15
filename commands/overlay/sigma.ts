/** `knhk overlay sigma`. */
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { optionalArg, readFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { SIGMA_SCHEMA } from '../../src/terminal/overlays/schemas.js'

interface SigmaAnswer {
  readonly sigma: string
  readonly parent: string | null
  readonly settings: readonly { readonly path: string; readonly value: string | number | boolean }[]
}

export default class OverlaySigma extends ClusterCommand {
  static override summary = 'Show the settings of a snapshot of the configuration, the active one by default.'
  static override examples = [
    '<%= config.bin %> overlay sigma',
    '<%= config.bin %> overlay sigma genesis --json',
    '<%= config.bin %> overlay sigma pause-admission',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = SIGMA_SCHEMA
  static override baseFlags = clusterFlags
  static override args = { sigma: optionalArg('active, genesis, a content hash, or an overlay for what it proposes.') }
  static override flags = { read: readFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlaySigma)
    const connection = await this.connect(flags)
    const call = { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal }
    const { value } = await connection.client.query('sigma.get', { sigma: args.sigma ?? 'active' }, call)
    const answer = value as SigmaAnswer
    await this.print({
      value: answer,
      items: answer.settings,
      ids: [answer.sigma],
      text: async ({ fields, table }) => {
        const head = fields([
          ['snapshot', answer.sigma],
          ['parent', answer.parent],
        ])
        const listed = await table(
          ['setting', 'value'],
          answer.settings.map(({ path, value: setting }) => [path, setting]),
        )
        return `${head}\n${listed}`
      },
    })
  }
}
