/** `knhk log compact`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { timeoutFlag } from '../../src/terminal/flags.js'
import { COMPACT_SCHEMA } from '../../src/terminal/log-flags.js'

const COMPACT_TIMEOUT_MS = 120_000

export default class LogCompact extends ClusterCommand {
  static override summary = 'Drop from the log of a node what a snapshot covers.'
  static override description =
    `The node takes a snapshot of what it has applied and lets go of the entries before, those included that it keeps for
members that are a little behind. Nothing of the state is lost; entries that are gone can no longer be inspected, and a
member that lacks them gets the whole snapshot. Nodes compact by themselves too; this does it now. Needs the role operator.
Exit code 5 where a named node did not answer.`
  static override examples = [
    '<%= config.bin %> log compact --dir ./demo --node n1 --yes',
    '<%= config.bin %> log compact --dir ./demo --node all --dry-run --json',
  ]
  static override impact = 'dangerous' as const
  static override exitCodes = [4, 5, 6, 8]
  static override schema = COMPACT_SCHEMA
  static override baseFlags = { ...clusterFlags, timeout: timeoutFlag(COMPACT_TIMEOUT_MS) }
  static override flags = {
    node: Flags.string({ summary: 'The node whose log it is, or all.', required: true, helpValue: 'ID|all' }),
    yes: Flags.boolean({ summary: 'Do not ask.' }),
    'dry-run': Flags.boolean({ summary: 'Show what would go, and change nothing.' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LogCompact)
    const [{ compactLogs, compactOutput, lookBefore, plannedCompaction }, { confirm }] = await Promise.all([
      import('../../src/terminal/logs/compact.js'),
      import('../../src/terminal/confirm.js'),
    ])
    const connection = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    const scene = await lookBefore(connection, flags.node, call)
    for (const warning of scene.warnings) this.note(this.paint('yellow', warning))
    if (flags['dry-run']) {
      await this.print(compactOutput(plannedCompaction(scene)))
      return
    }
    await confirm({
      message: `Drops the compacted part of the log of ${scene.nodes.map(({ id }) => id).join(', ')}`,
      word: flags.node,
      yes: flags.yes,
      interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
      signal: this.signal,
    })
    const progress = await this.progress('compacting')
    const report = await compactLogs(connection, scene, call).finally(() => progress.stop())
    await this.print(compactOutput(report))
    if (report.nodes.some(({ errorCode }) => errorCode !== null)) this.endWith(5)
  }
}
