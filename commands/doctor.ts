/** `knhk doctor`. */
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import { CHECKS_SCHEMA } from '../src/terminal/doctor/checks.js'

export default class Doctor extends ClusterCommand {
  static override summary =
    'Examine a cluster: who leads, whether each node is ready and why not, versions, clocks, disks.'
  static override description =
    `Asks every member that can be reached, and for a local cluster looks at processes, logs and disks. Looking is no
failure: the exit code is 0 whatever is found (see "healthy" in the JSON), and 5 where nobody can be reached.`
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --dir ./demo --json']
  static override exitCodes = [4, 5, 6, 8]
  static override schema = CHECKS_SCHEMA
  static override baseFlags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Doctor)
    const connection = await this.connect(flags)
    const { checksOutput, examine } = await import('../src/terminal/doctor/examine.js')
    const { version } = this.config
    await this.print(
      checksOutput(await examine(connection, { timeoutMs: flags.timeout, signal: this.signal, version })),
    )
  }
}
