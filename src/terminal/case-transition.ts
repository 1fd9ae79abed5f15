/**
 * The commands that move a case to another state are one command with another name: this is it.
 */
import type { CaseState } from '../workflow/operations.js'
import { ClusterCommand, type ProposingFlags } from './cluster-command.js'
import { OPERATION_SCHEMA, placeText, submitOperation, WRITE_EXIT_CODES } from './operation-report.js'

interface TransitionFlags extends ProposingFlags {
  readonly dir?: string | undefined
  readonly context?: string | undefined
  readonly cluster?: string | undefined
  readonly key?: string | undefined
  readonly endpoints?: string | undefined
}

export abstract class CaseTransitionCommand extends ClusterCommand {
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = WRITE_EXIT_CODES
  static override schema = OPERATION_SCHEMA

  protected async moveCase(
    caseId: string,
    newState: CaseState,
    error: string | null,
    flags: TransitionFlags,
  ): Promise<void> {
    const { parseUuid } = await import('./case-operations.js')
    const operation = { type: 'UpdateCaseState', caseId: parseUuid(caseId, 'CASE'), newState, error } as const
    const connection = await this.connect(flags)
    const report = await submitOperation(connection.client, operation, this.submission(flags))
    await this.print({
      value: report,
      ids: [caseId],
      text: () => `case ${report.result.caseId} is ${newState} ${placeText(report)}`,
    })
  }
}
