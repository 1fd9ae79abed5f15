/** `knhk up`. */
import { join } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../src/terminal/base-command.js'
import { diskArguments, diskFlags } from '../src/terminal/disk-flags.js'
import { countFlag, outputFlags, timeoutFlag } from '../src/terminal/flags.js'
import * as schema from '../src/terminal/schema.js'

const UP_TIMEOUT_MS = 60_000

export default class Up extends BaseCommand {
  static override summary = 'Start a local cluster of real processes, and the REPL on it.'
  static override description =
    `Makes the cluster if DIR holds none: keys, data directories, free loopback ports; four nodes of the hybrid if nothing
else is said, plain Raft with fewer than four. An existing one is resumed with its data and its protocol, and only what does
not run is started.

On a terminal the REPL opens once the cluster is healthy. Without one, up stays in the foreground until SIGINT or
SIGTERM. Either way it stops what it started when it ends. With --detach it returns at once and the nodes go on,
without anybody who starts them again.`
  static override examples = [
    '<%= config.bin %> up',
    '<%= config.bin %> up --nodes 3 --protocol raft --dir ./demo --detach',
    '<%= config.bin %> up --dir ./demo --detach --json',
  ]
  static override impact = 'write' as const
  static override exitCodes = [6, 8]
  static override schema = schema.record({
    clusterId: schema.text,
    dir: schema.text,
    clusterFile: schema.text,
    context: schema.nullable(schema.text),
    protocol: schema.text,
    nodes: schema.list(
      schema.record({
        id: schema.text,
        address: schema.text,
        http: schema.nullable(schema.text),
        pid: schema.integer,
        dataDir: schema.text,
      }),
    ),
  })
  static override baseFlags = outputFlags
  static override flags = {
    dir: Flags.string({
      summary: "Where the cluster lives; `local` in the user's data directory if absent.",
      env: 'KNHK_DIR',
      helpValue: 'DIR',
    }),
    nodes: countFlag('Members of a new cluster; 4, or 3 of plain Raft.', 1, 31),
    protocol: Flags.option({ options: ['raft', 'pbft', 'hotstuff', 'hybrid'] as const })({
      summary:
        'What decides in a new cluster: raft bears nodes that fail, pbft and hotstuff nodes that lie; hybrid, the default from four nodes on, runs raft until one lies.',
    }),
    ...diskFlags,
    detach: Flags.boolean({ summary: 'Return once the cluster is healthy and leave the nodes running.' }),
    timeout: timeoutFlag(UP_TIMEOUT_MS),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Up)
    if (!flags.detach) this.stopOn('SIGTERM')
    const { bringUp, keepUp, upOutput } = await import('../src/terminal/up.js')
    const progress = await this.progress('starting the cluster')
    const up = await bringUp({
      dir: flags.dir ?? null,
      nodes: flags.nodes ?? null,
      protocol: flags.protocol ?? null,
      given: this.given,
      nodeArguments: diskArguments(flags),
      launcher: [process.execPath, join(this.config.root, 'bin', 'run.js')],
      timeoutMs: flags.timeout,
      signal: this.signal,
      onProgress: (text) => progress.update(text),
      note: (text) => this.note(text),
    }).finally(() => progress.stop())
    await this.print(upOutput(up, flags.detach))
    const note = (text: string) => this.note(text)
    const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true && this.format === 'table'
    if (flags.detach) for (const child of up.cluster.started) child.release()
    else
      await keepUp(up, { signal: this.signal, note, repl: interactive && this.session === null ? this.config : null })
  }
}
