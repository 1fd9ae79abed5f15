/** `knhk sim shrink`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { countFlag, countFlagWithDefault, optionalArg, outputFlags } from '../../src/terminal/flags.js'
import { BYZANTINE_MAX, NODES_MAX, protocolFlag } from '../../src/terminal/sim-flags.js'
import { SHRINK_SCHEMA } from '../../src/terminal/sim-schema.js'

export default class SimShrink extends BaseCommand {
  static override summary = 'Make a run that breaks a promise smaller: fewer faults, less time, fewer clients.'
  static override description =
    `The smaller case breaks the same promise. --out saves it for \`knhk sim replay FILE\`. Ends with exit code 10 where the run
does break a promise, with 0 where there is nothing to shrink.`
  static override examples = [
    '<%= config.bin %> sim shrink --nodes 5 --seed 42 --out smaller.json',
    '<%= config.bin %> sim shrink smaller.json --out smallest.json --runs 1000',
  ]
  static override exitCodes = [10]
  static override schema = SHRINK_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: optionalArg('A case that was saved.') }
  static override flags = {
    protocol: protocolFlag('What the cluster runs.'),
    nodes: countFlag('Members of the cluster; 3 if absent, 4 for a Byzantine protocol.', 1, NODES_MAX),
    byzantine: countFlagWithDefault('Members that may lie, as far as the protocol bears as many.', 0, BYZANTINE_MAX, 0),
    seed: countFlag('The seed.', 0, 2 ** 40),
    runs: countFlagWithDefault('Runs to try at most.', 1, 100_000, 200),
    out: Flags.string({ summary: 'Where to save the smaller case.', helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SimShrink)
    const { choosePlan, saveCase, shrinkOutput, shrinkPlan, shrinkReport } = await import(
      '../../src/terminal/sim-replay.js'
    )
    const plan = await choosePlan(args.file, {
      protocol: flags.protocol,
      seed: flags.seed,
      nodes: flags.nodes,
      byzantine: flags.byzantine,
    })
    const progress = await this.progress('shrinking')
    const shrunk = await shrinkPlan(plan, {
      runsMax: flags.runs,
      signal: this.signal,
      onSmaller: (text) => progress.update(text),
    }).finally(() => progress.stop())
    const isFound = shrunk.invariant !== null
    const file = isFound && flags.out !== undefined ? flags.out : null
    if (file !== null) await saveCase(file, shrunk.plan)
    await this.print(shrinkOutput(shrinkReport(shrunk, file)))
    if (isFound) this.endWith(10)
  }
}
