/** `knhk overlay mode show`. */
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { readFlag } from '../../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../../src/terminal/operation-report.js'
import { activeSigma } from '../../../src/terminal/overlays/deploy.js'
import { OVERLAY_MODE_SCHEMA } from '../../../src/terminal/overlays/schemas.js'

export default class OverlayModeShow extends ClusterCommand {
  static override summary = 'Show whether the configuration may change: its mode, head and open overlays.'
  static override examples = ['<%= config.bin %> overlay mode show', '<%= config.bin %> overlay mode show --json']
  static override exitCodes = READ_EXIT_CODES
  static override schema = OVERLAY_MODE_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = { read: readFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(OverlayModeShow)
    const connection = await this.connect(flags)
    const call = { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal }
    const { mode, activeSigma: active, height, openOverlays } = await activeSigma(connection.client, call)
    await this.print({
      value: { mode, activeSigma: active, height, openOverlays },
      ids: [mode],
      text: ({ fields }) =>
        fields([
          ['mode', mode],
          ['active', active],
          ['promoted since genesis', height],
          ['open overlays', openOverlays],
        ]),
    })
  }
}
