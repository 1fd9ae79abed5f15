/** What the commands that govern share: one operation, its report, one line for people. */
import type { TargetChoice } from '../../cluster/target.js'
import type { Operation } from '../../workflow/operations.js'
import type { Impact } from '../base-command.js'
import { ClusterCommand, type ProposingFlags } from '../cluster-command.js'
import {
  OPERATION_SCHEMA,
  type OperationReport,
  placeText,
  submitOperation,
  WRITE_EXIT_CODES,
} from '../operation-report.js'

export abstract class GovernCommand extends ClusterCommand {
  static override impact: Impact = 'write'
  static override exitCodes = WRITE_EXIT_CODES
  static override schema = OPERATION_SCHEMA

  /** `done` says what happened, for people. */
  protected async govern(
    operation: Operation,
    flags: { readonly [Name in keyof TargetChoice]?: string | undefined } & ProposingFlags,
    id: string,
    done: (result: OperationReport['result']) => string,
  ): Promise<void> {
    const { client } = await this.connect(flags)
    const report = await submitOperation(client, operation, this.submission(flags))
    await this.print({ value: report, ids: [id], text: () => `${done(report.result)} ${placeText(report)}` })
  }
}
