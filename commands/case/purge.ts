/** `knhk case purge`. */
import type { Impact } from '../../src/terminal/base-command.js'
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { confirm } from '../../src/terminal/confirm.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { yesFlag } from '../../src/terminal/members/flags.js'
import { GovernCommand } from '../../src/terminal/policies/govern-command.js'

export default class CasePurge extends GovernCommand {
  static override summary = 'Remove a finished case and its history for good; its digest stays.'
  static override description =
    `Needs the role operator. The id stays taken. A case that was purged before is a success. Many at once: \`propose\`
with { "type": "PurgeCases", "caseIds": [UUID, …] }, up to 256 in each.`
  static override examples = ['<%= config.bin %> case purge 7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11 --yes']
  static override impact: Impact = 'dangerous'
  static override baseFlags = proposingFlags
  static override args = { case: requiredArg('Id of the case, a UUID.') }
  static override flags = { yes: yesFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CasePurge)
    const { parseUuid } = await import('../../src/terminal/case-operations.js')
    const caseId = parseUuid(args.case, 'CASE')
    await confirm({
      message: `case ${caseId} and its history will be gone for good`,
      word: caseId.slice(0, 8),
      yes: flags.yes,
      interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
      signal: this.signal,
    })
    await this.govern({ type: 'PurgeCases', caseIds: [caseId] }, flags, caseId, (result) =>
      result.purged === 1 ? `case ${caseId} is purged` : `case ${caseId} was purged before`,
    )
  }
}
