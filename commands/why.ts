/** `knhk why`. */
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../src/base/error.js'
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import { requireReachable } from '../src/terminal/status-report.js'
import { WHY_SCHEMA } from '../src/terminal/why/finding.js'

export default class Why extends ClusterCommand {
  static override summary = 'Say, with the numbers, why there is no leader, no commit, or a node that lags.'
  static override description =
    `Asks every member that can be reached, and for a local cluster looks at processes and logs. Looking is no failure:
the exit code is 0 whatever is found, and 5 where nobody can be reached.`
  static override examples = [
    '<%= config.bin %> why',
    '<%= config.bin %> why --node n3',
    '<%= config.bin %> why --dir ./demo --json',
  ]
  static override exitCodes = [4, 5, 6, 8]
  static override schema = WHY_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    node: Flags.string({ summary: 'Only what concerns this one, and the cluster as a whole.', helpValue: 'ID' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Why)
    const { client, target } = await this.connect(flags)
    const [{ gatherEvidence }, { consensusFindings }, { readinessFindings }, { turnText }] = await Promise.all([
      import('../src/terminal/why/evidence.js'),
      import('../src/terminal/why/findings.js'),
      import('../src/terminal/why/readiness-findings.js'),
      import('../src/terminal/turn.js'),
    ])
    const evidence = await gatherEvidence(client, target.dir, { timeoutMs: flags.timeout, signal: this.signal })
    requireReachable(evidence.status)
    const ids = evidence.status.nodes.map(({ id }) => id)
    if (flags.node !== undefined && !ids.includes(flags.node)) {
      throw new KnhkError('NotFound', `the cluster has no member ${JSON.stringify(flags.node)}`, {
        hint: `Members: ${ids.join(', ')}.`,
        details: { node: flags.node },
      })
    }
    const found = [...consensusFindings(evidence), ...readinessFindings(evidence)]
    const findings = found.filter(({ node }) => flags.node === undefined || node === null || node === flags.node)
    await this.print({
      value: { healthy: findings.length === 0, findings },
      items: findings,
      ids: findings.map(({ code }) => code),
      text: ({ paint, fold }) =>
        findings.length === 0
          ? `nothing is wrong: ${evidence.leader?.id} leads in ${turnText(evidence.status)}, committed is ${evidence.leader?.commitIndex}`
          : findings
              .map(({ code, message, hint }) => {
                const head = fold(`${code}: ${message}`).replace(code, paint('yellow', code))
                return `${head}\n${paint('dim', fold(hint, '  '))}`
              })
              .join('\n'),
    })
  }
}
