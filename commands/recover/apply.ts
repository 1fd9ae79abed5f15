/** `knhk recover apply`. */
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../../src/base/error.js'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { newClusterFlags } from '../../src/terminal/new-cluster-flags.js'
import { NEW_CLUSTER_SCHEMA } from '../../src/terminal/snapshots/schemas.js'

const WORD_LENGTH = 8

export default class RecoverApply extends BaseCommand {
  static override summary = 'Make a new cluster from a recovery plan.'
  static override description =
    `The new cluster has an id, keys and an admin client of its own and records where it comes from; what it begins with is
the state after the last entry of the chosen log. The old data directories are only read, and have to be what they were
when the plan was made. Do not start the old members again: they are another cluster now.`
  static override examples = [
    '<%= config.bin %> recover apply plan.json --dir ./recovered --nodes 3',
    '<%= config.bin %> recover apply plan.json --dir ./recovered --nodes 3 --yes --json',
  ]
  static override impact = 'dangerous' as const
  static override idempotent = false
  static override exitCodes = [4, 8, 9, 10]
  static override schema = NEW_CLUSTER_SCHEMA
  static override baseFlags = outputFlags
  static override args = { plan: requiredArg('The plan file.') }
  static override flags = {
    ...newClusterFlags,
    digest: Flags.string({ summary: 'The digest that the plan has to have.', helpValue: 'HEX' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RecoverApply)
    const [{ readPlan }, { applyPlan, checkSources, lineageOf }, { planWords }, report, { confirm }] =
      await Promise.all([
        import('../../src/cluster/recovery/plan.js'),
        import('../../src/cluster/recovery/apply.js'),
        import('../../src/terminal/recovery/plan.js'),
        import('../../src/terminal/new-cluster-report.js'),
        import('../../src/terminal/confirm.js'),
      ])
    const signed = await readPlan(resolve(args.plan))
    if (flags.digest !== undefined && flags.digest !== signed.digest) {
      throw new KnhkError('StalePlan', `the plan has the digest ${signed.digest}, not the one given`)
    }
    const { nodes, protocol } = flags
    const { lastIndex: index, lastEpoch: epoch, lastTerm: term } = signed.plan
    const base = { index, epoch, term } as Parameters<typeof report.plannedCluster>[0]['base']
    const dir = resolve(flags.dir)
    const planned = { dir, nodes, protocol, base, dataDigest: null, lineage: lineageOf(signed, null) }
    const checking = await this.progress('comparing the data directories with the plan')
    await checkSources(signed.plan).finally(() => checking.stop())
    for (const words of planWords(signed)) this.note(this.paint('yellow', words))
    if (flags['dry-run']) {
      await this.print(report.newClusterOutput(report.plannedCluster(planned)))
      return
    }
    await confirm({
      message: `Makes a new cluster of ${nodes} nodes in ${dir} by the plan ${signed.digest}`,
      word: signed.digest.slice(0, WORD_LENGTH),
      yes: flags.yes,
      interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
      signal: this.signal,
    })
    const making = await this.progress('recovering')
    const options = { dir, nodes, protocol, onProgress: (text: string) => making.update(text) }
    const made = await applyPlan(signed, options).finally(() => making.stop())
    await this.print(report.newClusterOutput(report.madeCluster(planned, made)))
  }
}
