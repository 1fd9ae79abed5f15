/** `knhk log inspect`. */
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../../src/base/error.js'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlag, countFlagWithDefault } from '../../src/terminal/flags.js'
import { INSPECT_SCHEMA, logFlags } from '../../src/terminal/log-flags.js'

interface FollowFlags {
  readonly node: string | undefined
  readonly from: number | undefined
  readonly kind: string | undefined
  readonly timeout: number
  readonly dir: string | undefined
  readonly context: string | undefined
  readonly cluster: string | undefined
  readonly key: string | undefined
  readonly endpoints: string | undefined
}

export default class LogInspect extends ClusterCommand {
  static override summary = 'Show entries of the log of one node: asked from the node, or read from its data directory.'
  static override description =
    `With --node, a running node is asked over its link; when it does not run and its directory is on this machine, the
directory is read. With --data-dir it is read in any case. Reading never writes, and works beside a running node.
--follow goes on with what is applied, a line each, until Ctrl-C. \`log export\` and \`watch changes\` show the operations.`
  static override examples = [
    '<%= config.bin %> log inspect --dir ./demo --node n1 --from 10 --limit 20',
    '<%= config.bin %> log inspect --dir ./demo --node n1 --kind membership --output ndjson',
    '<%= config.bin %> log inspect --dir ./demo --node n1 --follow',
    '<%= config.bin %> log inspect --data-dir ./demo/nodes/n1/data --json',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = INSPECT_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    ...logFlags,
    from: countFlag('First index.', 0, Number.MAX_SAFE_INTEGER),
    to: countFlag('Last index.', 0, Number.MAX_SAFE_INTEGER),
    limit: countFlagWithDefault('How many at most.', 1, 100_000, 100),
    kind: Flags.option({ options: ['data', 'membership', 'mode', 'evidence', 'empty'] as const })({
      summary: 'Only entries of this kind.',
    }),
    follow: Flags.boolean({ summary: 'Go on with what is applied.', exclusive: ['to', 'limit', 'data-dir', 'json'] }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LogInspect)
    if (flags.follow) return this.untilInterrupted(this.#follow(flags))
    const { inspectLive, inspectOutput, inspectStored } = await import('../../src/terminal/log-inspect.js')
    const range = { from: flags.from, to: flags.to, limit: flags.limit, kind: flags.kind ?? null }
    const dataDir = flags['data-dir']
    if (dataDir !== undefined) {
      await this.print(inspectOutput(await inspectStored(dataDir, range)))
      return
    }
    const connection = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    await this.print(inspectOutput(await inspectLive(connection, flags.node ?? null, range, call)))
  }

  async #follow(flags: FollowFlags): Promise<void> {
    const { format } = this
    if (format === 'json' || format === 'yaml') {
      throw new KnhkError('Usage', '--follow has no end, so there is no one document', { hint: 'Use --output ndjson.' })
    }
    const { entryLine, followEntries } = await import('../../src/terminal/log-inspect.js')
    const connection = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    const range = { from: flags.from, kind: flags.kind ?? null }
    for await (const entry of followEntries(connection, flags.node ?? null, range, call)) {
      const line =
        format === 'ndjson' ? JSON.stringify(entry) : format === 'id' ? String(entry.index) : entryLine(entry)
      await this.write(`${line}\n`)
    }
  }
}
