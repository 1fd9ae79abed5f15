/** `knhk case get`. */
import { CASE_SCHEMA, type CaseAnswer, parseUuid } from '../../src/terminal/case-operations.js'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { readFlag, requiredArg } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class CaseGet extends ClusterCommand {
  static override summary = 'Show one case.'
  static override examples = [
    '<%= config.bin %> case get 7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11',
    '<%= config.bin %> case get 7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11 --read local --json',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = CASE_SCHEMA
  static override baseFlags = clusterFlags
  static override args = { case: requiredArg('Id of the case, a UUID.') }
  static override flags = { read: readFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CaseGet)
    const id = parseUuid(args.case, 'CASE')
    const connection = await this.connect(flags)
    const answer = await connection.client.query(
      'case.get',
      { caseId: id },
      { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    )
    const found = answer.value as CaseAnswer & { readonly data: string }
    const { caseId, specId, state, data, createdAtMs, startedAtMs, completedAtMs, error, createdIndex, updatedIndex } =
      found
    await this.print({
      value: {
        caseId,
        specId,
        state,
        data: JSON.parse(data),
        createdAtMs,
        startedAtMs,
        completedAtMs,
        error,
        createdIndex,
        updatedIndex,
      },
      ids: [caseId],
      text: ({ fields }) =>
        fields([
          ['case', caseId],
          ['spec', specId],
          ['state', state],
          ['created', `${formatLocalTime(createdAtMs)} (index ${createdIndex})`],
          ['started', formatLocalTime(startedAtMs)],
          ['ended', formatLocalTime(completedAtMs)],
          ['error', error],
          ['data', data],
        ]),
    })
  }
}
