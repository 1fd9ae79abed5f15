/** `knhk node check`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { CHECKS_SCHEMA } from '../../src/terminal/doctor/checks.js'
import { outputFlags } from '../../src/terminal/flags.js'

export default class NodeCheck extends BaseCommand {
  static override summary =
    'Check a node before it starts: files, key, disk speed, clock, way to its peers. Exit code 10 where something is wrong.'
  static override description =
    `Says the node as \`node start\` does. Changes nothing, but for a file that it writes next to the data and removes again
to measure the disk. Peers that do not answer are told and are no failure: they may start later.`
  static override examples = [
    '<%= config.bin %> node check --dir ./demo --node n1',
    '<%= config.bin %> node check --cluster ./cluster.yaml --node n1 --key ./n1 --data-dir /var/lib/knhk --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = CHECKS_SCHEMA
  static override baseFlags = outputFlags
  static override flags = {
    node: Flags.string({ summary: 'Which member this is.', required: true, env: 'KNHK_NODE', helpValue: 'ID' }),
    dir: Flags.string({ summary: 'Directory of a local cluster.', env: 'KNHK_DIR', helpValue: 'DIR' }),
    cluster: Flags.string({ summary: 'The cluster file.', env: 'KNHK_CLUSTER', helpValue: 'FILE' }),
    key: Flags.string({ summary: "The node's key.", env: 'KNHK_KEY', helpValue: 'FILE' }),
    'data-dir': Flags.string({ summary: 'Its data directory.', env: 'KNHK_DATA_DIR', helpValue: 'DIR' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(NodeCheck)
    const [{ nodeFiles }, { checkNode }, { checksOutput }] = await Promise.all([
      import('../../src/cluster/run-node.js'),
      import('../../src/terminal/check/node-check.js'),
      import('../../src/terminal/doctor/examine.js'),
    ])
    const files = await nodeFiles({
      node: flags.node,
      dir: this.given.has('cluster') ? undefined : flags.dir,
      cluster: flags.cluster,
      key: flags.key,
      dataDir: flags['data-dir'],
    })
    const checks = await checkNode(files)
    await this.print(checksOutput(checks))
    if (checks.some(({ ok }) => !ok)) this.endWith(10)
  }
}
