/** `knhk sim run`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { countFlag, countFlagWithDefault, outputFlags } from '../../src/terminal/flags.js'
import { SIM_SCHEMA } from '../../src/terminal/sim-schema.js'

export default class SimRun extends BaseCommand {
  static override summary =
    'Run simulated clusters under faults, one per seed, and check them. Exit code 10 where one breaks its promises.'
  static override description =
    `The production node over simulated time, network and disks; a seed decides everything, so the same seeds give the
same report but for elapsedSeconds. Each violation comes with the command line that shows it again; what was seen is
noted on stderr. docs/testing/README.md says what is simulated and checked.`
  static override examples = [
    '<%= config.bin %> sim run --nodes 5 --seeds 20',
    '<%= config.bin %> sim run --protocol raft --nodes 3 --seed 1000 --minutes 10 --json',
  ]
  static override exitCodes = [10]
  static override schema = SIM_SCHEMA
  static override baseFlags = outputFlags
  static override flags = {
    protocol: Flags.option({ options: ['raft'] as const })({ summary: 'What the clusters run.', default: 'raft' }),
    nodes: countFlagWithDefault('Members of each cluster.', 1, 9, 3),
    seed: countFlagWithDefault('The first seed.', 0, 2 ** 40, 1),
    seeds: countFlag('How many seeds to run; 1 if absent, with --minutes as many as there is time for.', 1, 2 ** 30),
    minutes: countFlag('Start no further seed after so many minutes.', 1, 10_000),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(SimRun)
    const { simulate, simulationOutput } = await import('../../src/terminal/sim-run.js')
    const progress = await this.progress('simulating')
    const found: string[] = []
    const report = await simulate({
      nodes: flags.nodes,
      firstSeed: flags.seed,
      seeds: flags.seeds ?? (flags.minutes === undefined ? 1 : 2 ** 30),
      signal: this.signal,
      onSeed: ({ seed, violation }, done) => {
        progress.update(`${done} seeds`)
        if (violation !== null) found.push(`seed ${seed}: ${violation.invariant}: ${violation.detail}`)
      },
      ...(flags.minutes === undefined ? {} : { limitMs: flags.minutes * 60_000 }),
    }).finally(() => progress.stop())
    for (const violation of found) this.note(violation)
    await this.print(simulationOutput(report))
    if (report.violations.length > 0) this.endWith(10)
  }
}
