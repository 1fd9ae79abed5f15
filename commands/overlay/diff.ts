/** `knhk overlay diff`. */
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { readFlag, requiredArg } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { SIGMA_DIFF_SCHEMA, shortSigma } from '../../src/terminal/overlays/schemas.js'

interface DiffAnswer {
  readonly from: string
  readonly to: string
  readonly changes: readonly {
    readonly path: string
    readonly from: string | number | boolean | null
    readonly to: string | number | boolean | null
  }[]
}

export default class OverlayDiff extends ClusterCommand {
  static override summary = 'Show how two snapshots of the configuration differ, setting by setting.'
  static override description =
    'Each side is active, genesis, a content hash, or an overlay, which stands for what it proposes.'
  static override examples = [
    '<%= config.bin %> overlay diff active pause-admission',
    '<%= config.bin %> overlay diff genesis active --json',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = SIGMA_DIFF_SCHEMA
  static override baseFlags = clusterFlags
  static override args = { from: requiredArg('Before.'), to: requiredArg('After.') }
  static override flags = { read: readFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlayDiff)
    const connection = await this.connect(flags)
    const call = { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal }
    const { value } = await connection.client.query('sigma.diff', { from: args.from, to: args.to }, call)
    const { from, to, changes } = value as DiffAnswer
    await this.print({
      value: { from, to, changes },
      items: changes,
      ids: changes.map((change) => change.path),
      text: ({ table }) =>
        changes.length === 0
          ? `${shortSigma(from)} and ${shortSigma(to)} have the same settings`
          : table(
              ['setting', shortSigma(from) ?? '', shortSigma(to) ?? ''],
              changes.map((change) => [change.path, change.from, change.to]),
            ),
    })
  }
}
