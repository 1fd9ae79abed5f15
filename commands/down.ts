/** `knhk down`. */
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../src/terminal/base-command.js'
import { durationFlag, outputFlags } from '../src/terminal/flags.js'
import * as schema from '../src/terminal/schema.js'

const GRACE_MS = 10_000

export default class Down extends BaseCommand {
  static override summary = 'Stop all nodes of a local cluster, cleanly; its data stays.'
  static override examples = ['<%= config.bin %> down --dir ./demo', '<%= config.bin %> down --dir ./demo --json']
  static override impact = 'write' as const
  static override exitCodes = [6]
  static override schema = schema.record({
    dir: schema.text,
    nodes: schema.list(schema.record({ id: schema.text, pid: schema.nullable(schema.integer), outcome: schema.text })),
  })
  static override baseFlags = outputFlags
  static override flags = {
    dir: Flags.string({
      summary: "Directory of the cluster; `local` in the user's data directory if absent.",
      env: 'KNHK_DIR',
      helpValue: 'DIR',
    }),
    grace: durationFlag('How long a node may take before it is killed.', GRACE_MS),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(this.ctor as typeof Down)
    const [{ stopLocalCluster }, { defaultClusterDirectory }] = await Promise.all([
      import('../src/cluster/stop-local.js'),
      import('../src/cluster/user-directories.js'),
    ])
    const dir = resolve(flags.dir ?? defaultClusterDirectory(process.env))
    const progress = await this.progress('stopping the nodes')
    const nodes = await stopLocalCluster(dir, { graceMs: flags.grace, onProgress: (text) => this.note(text) }).finally(
      () => progress.stop(),
    )
    await this.print({
      value: { dir, nodes },
      items: nodes,
      ids: nodes.map((node) => node.id),
      text: ({ table }) =>
        table(
          ['node', 'pid', 'outcome'],
          nodes.map((node) => [node.id, node.pid, node.outcome]),
        ),
    })
  }
}
