/** `knhk sim run`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { countFlag, countFlagWithDefault, optionalArg, outputFlags } from '../../src/terminal/flags.js'
import { BYZANTINE_MAX, nodesFlag, protocolFlag } from '../../src/terminal/sim-flags.js'
import { SIM_SCHEMA } from '../../src/terminal/sim-schema.js'

export default class SimRun extends BaseCommand {
  static override summary =
    'Run simulated clusters under faults, one per seed, and check them. Exit code 10 where one breaks its promises.'
  static override description =
    `The production node over simulated time, network and disks; a seed decides everything, so the same seeds give the
same report and the same trace, whatever the number of workers, but for elapsedSeconds. Each violation comes with the
command line that shows it again; what was seen is noted on stderr. docs/testing/README.md says what is simulated and checked.`
  static override examples = [
    '<%= config.bin %> sim run --nodes 5 --seeds 100',
    '<%= config.bin %> sim run --nodes 3,5,7 --minutes 60 --resume campaign.json --json',
    '<%= config.bin %> sim run --nodes 5 --seed 7 --report run.html',
    '<%= config.bin %> sim run --protocol pbft --nodes 4,5,7,10 --byzantine 3 --seeds 100',
    '<%= config.bin %> sim run fixtures/scenarios/paper/5.1-leader-enters-a-higher-term.yaml',
  ]
  static override exitCodes = [10]
  static override schema = SIM_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: optionalArg('A scenario file, instead of seeds.') }
  static override flags = {
    protocol: protocolFlag('What the clusters run.'),
    nodes: nodesFlag('Members of each cluster; several sizes, comma-separated, share the seeds evenly.'),
    byzantine: countFlagWithDefault(
      'Members that may lie: as many as the protocol bears at most; plain Raft bears none.',
      0,
      BYZANTINE_MAX,
      0,
    ),
    seed: countFlagWithDefault('The first seed.', 0, 2 ** 40, 1),
    seeds: countFlag('How many seeds to run; 1 if absent, with --minutes as many as there is time for.', 1, 2 ** 30),
    minutes: countFlag('Start no further seed after so many minutes.', 1, 10_000),
    workers: countFlag('Threads; as many as there are cores if absent.', 1, 256),
    resume: Flags.string({
      summary: 'A record of the campaign: goes on behind the seeds in it and adds to its counts.',
      helpValue: 'FILE',
    }),
    trace: Flags.string({ summary: 'Write every event of every run, one a line.', helpValue: 'FILE' }),
    report: Flags.string({
      summary: 'Draw the first run that breaks a promise, or else the first.',
      helpValue: 'FILE.html',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SimRun)
    if (args.file !== undefined) {
      await this.#story(args.file)
      return
    }
    const { simulate, simulationOutput } = await import('../../src/terminal/sim-run.js')
    const progress = await this.progress('simulating')
    const found: string[] = []
    const { minutes, workers, resume, trace, report: page } = flags
    const report = await simulate({
      protocol: flags.protocol,
      nodes: flags.nodes,
      byzantine: flags.byzantine,
      firstSeed: flags.seed,
      seeds: flags.seeds ?? (minutes === undefined ? 1 : 2 ** 30),
      signal: this.signal,
      onSeed: ({ seed, violation }, { seeds, violations, commits }) => {
        progress.update(`${seeds} seeds, ${commits} commits, ${violations.length} violations`)
        if (violation !== null) found.push(`seed ${seed}: ${violation.invariant}: ${violation.detail}`)
      },
      ...(minutes === undefined ? {} : { limitMs: minutes * 60_000 }),
      ...(workers === undefined ? {} : { workers }),
      ...(resume === undefined ? {} : { resume }),
      ...(trace === undefined ? {} : { trace }),
      ...(page === undefined ? {} : { report: page }),
    }).finally(() => progress.stop())
    for (const violation of found) this.note(violation)
    await this.print(simulationOutput({ ...report, scenario: null }))
    if (report.violations.length > 0) this.endWith(10)
  }

  async #story(file: string): Promise<void> {
    const { runStory, storyOutput } = await import('../../src/terminal/sim-scenario.js')
    const report = await runStory(file)
    await this.print(storyOutput(report))
    if (report.violations.length > 0) this.endWith(10)
  }
}
