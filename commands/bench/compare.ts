/** `knhk bench compare`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { COMPARE_SCHEMA } from '../../src/terminal/bench/compare-schema.js'
import { outputFlags, requiredArg, shareFlag } from '../../src/terminal/flags.js'

export default class BenchCompare extends BaseCommand {
  static override summary = 'Compare two reports of `bench --json`, and tell whether the second is worse.'
  static override description =
    'Exit code 10 where throughput, a percentile or the errors are worse by more than --tolerance; for CI.'
  static override examples = [
    '<%= config.bin %> bench compare before.json after.json',
    '<%= config.bin %> bench compare before.json after.json --tolerance 0.05 --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = COMPARE_SCHEMA
  static override baseFlags = outputFlags
  static override args = { a: requiredArg('The report to compare with.'), b: requiredArg('The report to judge.') }
  static override flags = { tolerance: shareFlag('How much worse is still the same, 0 to 1.', 0.1) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(BenchCompare)
    const { compareReports, comparisonOutput } = await import('../../src/terminal/bench/compare.js')
    const comparison = await compareReports(args.a, args.b, flags.tolerance)
    await this.print(comparisonOutput(comparison))
    if (comparison.regression) this.endWith(10)
  }
}
