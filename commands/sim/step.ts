/** `knhk sim step`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { countFlagWithDefault, optionalArg, outputFlags } from '../../src/terminal/flags.js'

export default class SimStep extends BaseCommand {
  static override summary = 'Go through a scenario, or a simulated cluster, step by step, forwards and back.'
  static override description =
    `Reads commands line by line, from a terminal or a pipe: step, back, run, messages, state, deliver, drop, crash,
restart; help lists them. With a scenario file every step is one of the story; without, the next event of a cluster of
--nodes nodes that --seed decides. Exit code 10 where the story did not go as it is told or a command was wrong.
docs/testing/scenarios.md has the format.`
  static override examples = [
    '<%= config.bin %> sim step fixtures/scenarios/paper/5.4.2-figure-8.yaml',
    `printf 'step 20\\nstate\\nback 3\\nmessages\\n' | <%= config.bin %> sim step --seed 7 --nodes 3`,
  ]
  static override exitCodes = [10]
  static override baseFlags = outputFlags
  static override args = { file: optionalArg('A scenario file.') }
  static override flags = {
    seed: countFlagWithDefault('The seed of a cluster without a scenario.', 0, 2 ** 40, 1),
    nodes: countFlagWithDefault('Members of that cluster.', 1, 9, 3),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SimStep)
    const { runSimStep, standardInputLines } = await import('../../src/terminal/sim-step.js')
    const { session } = this
    const own = session === null ? standardInputLines(this.signal) : null
    const isClean = await runSimStep({
      file: args.file ?? null,
      seed: flags.seed,
      nodes: flags.nodes,
      readLine: own?.readLine ?? ((prompt) => session?.readLine(prompt) ?? Promise.resolve(null)),
      write: (text) => this.write(text),
    }).finally(() => own?.close())
    if (!isClean) this.endWith(10)
  }
}
