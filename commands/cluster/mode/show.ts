/** `knhk cluster mode show`. */
import { ClusterCommand, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { MODE_SCHEMA } from '../../../src/terminal/hybrid/mode.js'

export default class ClusterModeShow extends ClusterCommand {
  static override summary = 'Show which protocol decides now, since when, and in which epoch.'
  static override examples = [
    '<%= config.bin %> cluster mode show --dir ./demo',
    '<%= config.bin %> cluster mode show --json',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = MODE_SCHEMA
  static override baseFlags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterModeShow)
    const { lookAtMode, modeOutput } = await import('../../../src/terminal/hybrid/mode.js')
    const { client } = await this.connect(flags)
    await this.print(modeOutput(await lookAtMode(client, { timeoutMs: flags.timeout, signal: this.signal })))
  }
}
