/** `knhk node stop`. */
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { durationFlag, outputFlags } from '../../src/terminal/flags.js'
import * as schema from '../../src/terminal/schema.js'

const GRACE_MS = 10_000

export default class NodeStop extends BaseCommand {
  static override summary = 'Stop one node of a local cluster, cleanly; its data stays.'
  static override examples = ['<%= config.bin %> node stop --dir ./demo --node n2']
  static override impact = 'write' as const
  static override exitCodes = [4]
  static override schema = schema.record({
    dir: schema.text,
    id: schema.text,
    pid: schema.nullable(schema.integer),
    outcome: schema.text,
  })
  static override baseFlags = outputFlags
  static override flags = {
    dir: Flags.string({
      summary: "Directory of the cluster; `local` in the user's data directory if absent.",
      env: 'KNHK_DIR',
      helpValue: 'DIR',
    }),
    node: Flags.string({ summary: 'Which member.', required: true, env: 'KNHK_NODE', helpValue: 'ID' }),
    grace: durationFlag('How long it may take before it is killed.', GRACE_MS),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(NodeStop)
    const [{ stopLocalNode }, { defaultClusterDirectory }, { requireLocalNode }] = await Promise.all([
      import('../../src/cluster/stop-local.js'),
      import('../../src/cluster/user-directories.js'),
      import('../../src/terminal/node-report.js'),
    ])
    const dir = resolve(flags.dir ?? defaultClusterDirectory(process.env))
    await requireLocalNode(dir, flags.node)
    const progress = await this.progress(`stopping ${flags.node}`)
    const stopped = await stopLocalNode(dir, flags.node, {
      graceMs: flags.grace,
      onProgress: (text) => this.note(text),
    }).finally(() => progress.stop())
    await this.print({
      value: { dir, ...stopped },
      ids: [stopped.id],
      text: () =>
        stopped.pid === null ? `${stopped.id} did not run` : `${stopped.id} (pid ${stopped.pid}) ${stopped.outcome}`,
    })
  }
}
