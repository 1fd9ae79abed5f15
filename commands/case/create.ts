/** `knhk case create`. */
import { randomUUID } from 'node:crypto'
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, proposingFlags } from '../../src/terminal/cluster-command.js'
import { OPERATION_SCHEMA, placeText, submitOperation, WRITE_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { caseIdOf } from '../../src/terminal/request-id.js'

export default class CaseCreate extends ClusterCommand {
  static override summary = 'Create a case.'
  static override examples = [
    `<%= config.bin %> case create --spec-id 5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001 --data '{"amount":120}'`,
    `<%= config.bin %> case create --case-id 7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11 --spec-id 5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001 --data '{"amount":120}' --json`,
  ]
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = WRITE_EXIT_CODES
  static override schema = OPERATION_SCHEMA
  static override baseFlags = proposingFlags
  static override flags = {
    'case-id': Flags.string({
      summary: 'Id of the new case; a random one if absent, with --request-id one that follows from it.',
      helpValue: 'UUID',
    }),
    'spec-id': Flags.string({ summary: 'Id of its specification.', required: true, helpValue: 'UUID' }),
    data: Flags.string({
      summary: 'Its data: a JSON object with at least one key.',
      required: true,
      helpValue: 'JSON',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(CaseCreate)
    const { createCaseOperation } = await import('../../src/terminal/case-operations.js')
    const { 'case-id': given, 'request-id': requestId } = flags
    const operation = (caseId: string) => createCaseOperation(caseId, flags['spec-id'], flags.data)
    const drawn = operation(given ?? randomUUID())
    const { client, target } = await this.connect(flags)
    const isDerived = given === undefined && requestId !== undefined
    const created = isDerived ? operation(await caseIdOf(requestId, target)) : drawn
    const report = await submitOperation(client, created, this.submission(flags))
    await this.print({
      value: report,
      ids: [String(report.result.caseId)],
      text: () => `case ${report.result.caseId} is created ${placeText(report)}`,
    })
  }
}
