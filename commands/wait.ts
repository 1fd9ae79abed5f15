/** `knhk wait`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import { timeoutFlag } from '../src/terminal/flags.js'
import * as schema from '../src/terminal/schema.js'
import { parseCondition, type WaitCondition, waitForCondition } from '../src/terminal/wait-condition.js'

const WAIT_TIMEOUT_MS = 30_000

export default class Wait extends ClusterCommand {
  static override summary = 'Wait until the cluster has a leader, is healthy, has applied an index, or agrees.'
  static override description = `Conditions:
  leader       a leader is known
  healthy      all members are reachable, follow one leader and are caught up
  caught-up    all live members have applied what is committed
  converged    all live members show one state digest at one index, which is printed
  applied=N    all live members have applied index N
  members=N    the cluster has N members
  mode=M       the protocol that decides is M`
  static override examples = [
    '<%= config.bin %> wait --for healthy --timeout 30',
    '<%= config.bin %> wait --for applied=1000 --timeout 500ms',
    '<%= config.bin %> wait --for converged --json',
  ]
  static override exitCodes = [6]
  static override schema = schema.record({
    condition: schema.text,
    elapsedMs: schema.integer,
    leader: schema.nullable(schema.text),
    mode: schema.text,
    commitIndex: schema.nullable(schema.integer),
    members: schema.integer,
    digestIndex: schema.nullable(schema.integer),
    stateDigest: schema.nullable(schema.text),
  })
  static override baseFlags = { ...clusterFlags, timeout: timeoutFlag(WAIT_TIMEOUT_MS) }
  static override flags = {
    for: Flags.custom<WaitCondition>({
      summary: 'What to wait for.',
      required: true,
      helpValue: 'CONDITION',
      parse: async (text) => parseCondition(text),
    })(),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Wait)
    const { client } = await this.connect(flags)
    const progress = await this.progress(`waiting for ${flags.for.text}`)
    const report = await waitForCondition(client, flags.for, {
      timeoutMs: flags.timeout,
      signal: this.signal,
      onProgress: (problem) => progress.update(`waiting for ${flags.for.text}: ${problem}`),
    }).finally(() => progress.stop())
    await this.print({
      value: report,
      text: ({ fields }) => {
        const where =
          report.stateDigest === null
            ? []
            : ([
                ['digest index', report.digestIndex],
                ['state digest', report.stateDigest],
              ] as const)
        return fields([
          ['reached', report.condition],
          ['after', `${report.elapsedMs} ms`],
          ['leader', report.leader],
          ...where,
        ])
      },
    })
  }
}
