/** `knhk recover plan`. */
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags } from '../../src/terminal/flags.js'
import { PLAN_SCHEMA } from '../../src/terminal/recovery/schemas.js'

export default class RecoverPlan extends BaseCommand {
  static override summary = 'Look at what is left of a cluster that lost its quorum, and plan a new one from it.'
  static override description =
    `Reads the data directories of stopped members without changing them: terms, votes, logs, damage. Chooses the log that
an election would, and says what may be lost with the missing members and what may be in it that was never decided. The
plan goes to a file; \`recover apply\` carries it out. Where a quorum is left no recovery is needed.`
  static override examples = [
    '<%= config.bin %> recover plan --data-dir ./n1/data --data-dir ./n2/data --cluster cluster.yaml --out plan.json',
    '<%= config.bin %> recover plan --dir ./demo --out plan.json --json',
  ]
  static override impact = 'write' as const
  static override exitCodes = [4, 8, 9, 10]
  static override schema = PLAN_SCHEMA
  static override baseFlags = outputFlags
  static override flags = {
    'data-dir': Flags.string({
      summary: 'The data directory of a member that survived; may be given several times.',
      multiple: true,
      helpValue: 'DIR',
    }),
    dir: Flags.string({
      summary: 'Directory of the lost local cluster: all data directories in it.',
      helpValue: 'DIR',
    }),
    cluster: Flags.string({ summary: 'The cluster file of the lost cluster.', helpValue: 'FILE' }),
    out: Flags.string({ summary: 'Where the plan goes.', required: true, helpValue: 'PLAN' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(RecoverPlan)
    const [{ planOutput, planRecovery }, { writePlan }] = await Promise.all([
      import('../../src/terminal/recovery/plan.js'),
      import('../../src/cluster/recovery/plan.js'),
    ])
    const choice = { dataDirs: flags['data-dir'] ?? [], dir: flags.dir, cluster: flags.cluster }
    const progress = await this.progress('looking')
    const signed = await planRecovery(choice, (text) => progress.update(text)).finally(() => progress.stop())
    const file = resolve(flags.out)
    await writePlan(file, signed)
    await this.print(planOutput(signed, file))
  }
}
