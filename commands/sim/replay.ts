/** `knhk sim replay`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { countFlag, countFlagWithDefault, optionalArg, outputFlags } from '../../src/terminal/flags.js'
import { BYZANTINE_MAX, NODES_MAX, protocolFlag } from '../../src/terminal/sim-flags.js'
import { REPLAY_SCHEMA } from '../../src/terminal/sim-schema.js'

export default class SimReplay extends BaseCommand {
  static override summary = 'Run one seed, or one case that was saved, again, and tell what happens in it.'
  static override description =
    'Ends with exit code 10 where the run breaks a promise. A FILE is what `knhk sim shrink --out` writes.'
  static override examples = [
    '<%= config.bin %> sim replay --nodes 5 --seed 42',
    '<%= config.bin %> sim replay --nodes 5 --seed 42 --report run.html --trace run.ndjson',
    '<%= config.bin %> sim replay smaller.json',
  ]
  static override exitCodes = [10]
  static override schema = REPLAY_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: optionalArg('A case that was saved.') }
  static override flags = {
    protocol: protocolFlag('What the cluster runs.'),
    nodes: countFlag('Members of the cluster; 3 if absent, 4 for a Byzantine protocol.', 1, NODES_MAX),
    byzantine: countFlagWithDefault('Members that may lie, as far as the protocol bears as many.', 0, BYZANTINE_MAX, 0),
    seed: countFlag('The seed.', 0, 2 ** 40),
    trace: Flags.string({ summary: 'Write every event, one a line.', helpValue: 'FILE' }),
    report: Flags.string({
      summary: 'Draw the run as one HTML page, or its first change of protocol as a picture (FILE.svg).',
      helpValue: 'FILE.html',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SimReplay)
    const { choosePlan, replayOutput, replayPlan } = await import('../../src/terminal/sim-replay.js')
    const { trace, report: page } = flags
    const plan = await choosePlan(args.file, {
      protocol: flags.protocol,
      seed: flags.seed,
      nodes: flags.nodes,
      byzantine: flags.byzantine,
    })
    const report = await replayPlan({
      plan,
      ...(trace === undefined ? {} : { trace }),
      ...(page === undefined ? {} : { report: page }),
    })
    await this.print(replayOutput(report))
    if (report.violation !== null) this.endWith(10)
  }
}
