/** `knhk cluster mode set`. */
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../../../src/terminal/cluster-command.js'
import { timeoutFlag } from '../../../src/terminal/flags.js'
import { MODE_SCHEMA, SETTABLE_MODES } from '../../../src/terminal/hybrid/mode.js'

const SWITCH_TIMEOUT_MS = 60_000

export default class ClusterModeSet extends ClusterCommand {
  static override summary = 'Order another protocol for a hybrid cluster, and wait until it decides.'
  static override description =
    `A hybrid cluster changes by itself; this is the operator's own word. To bft at any time, as the cluster was made (pbft or
hotstuff by name). Back to raft only when nothing speaks against it: no threat above Low, no evidence whose culprit is still
a member with the same key, and the residency is over; otherwise it is refused with the reason and, where time helps, after
how long. Nothing acknowledged is lost on the way. Needs the role admin.`
  static override examples = [
    '<%= config.bin %> cluster mode set bft --dir ./demo --yes',
    '<%= config.bin %> cluster mode set raft --yes --json',
  ]
  static override impact = 'dangerous' as const
  static override exitCodes = [4, 5, 6, 7, 8]
  static override schema = MODE_SCHEMA
  static override baseFlags = { ...clusterFlags, timeout: timeoutFlag(SWITCH_TIMEOUT_MS) }
  static override args = {
    mode: Args.string({ description: 'The mode.', required: true, options: [...SETTABLE_MODES] }),
  }
  static override flags = {
    yes: Flags.boolean({ summary: 'Do not ask.' }),
    'dry-run': Flags.boolean({ summary: 'Show the mode as it is, and change nothing.' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterModeSet)
    const [{ lookAtMode, modeOutput, setMode }, { confirm }] = await Promise.all([
      import('../../../src/terminal/hybrid/mode.js'),
      import('../../../src/terminal/confirm.js'),
    ])
    const { client } = await this.connect(flags)
    const mode = SETTABLE_MODES.find((known) => known === args.mode) ?? 'bft'
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    if (flags['dry-run']) {
      await this.print(modeOutput(await lookAtMode(client, call)))
      return
    }
    await confirm({
      message: `Orders the cluster into ${mode}`,
      word: mode,
      yes: flags.yes,
      interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
      signal: this.signal,
    })
    const progress = await this.progress(`switching to ${mode}`)
    const patience = { expiresAtMs: performance.now() + flags.timeout, signal: this.signal }
    const report = await setMode(client, mode, patience).finally(() => progress.stop())
    await this.print(modeOutput(report))
  }
}
