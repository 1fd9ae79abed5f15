/** What the overlay commands that write share: one operation, its report, one line for people. */
import type { TargetChoice } from '../../cluster/target.js'
import type { Operation } from '../../workflow/operations.js'
import { ClusterCommand, type ProposingFlags } from '../cluster-command.js'
import { OPERATION_SCHEMA, type OperationReport, submitOperation, WRITE_EXIT_CODES } from '../operation-report.js'
import { shortSigma } from './schemas.js'

export abstract class OverlayWriteCommand extends ClusterCommand {
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = WRITE_EXIT_CODES
  static override schema = OPERATION_SCHEMA

  protected async submitOverlay(
    operation: Operation,
    flags: { readonly [Name in keyof TargetChoice]?: string | undefined } & ProposingFlags,
  ): Promise<void> {
    const { client } = await this.connect(flags)
    const report = await submitOperation(client, operation, this.submission(flags))
    await this.printOverlay(report)
  }

  protected async printOverlay(report: OperationReport): Promise<void> {
    const { overlayId, phase, sigma, activeSigma } = report.result
    await this.print({
      value: report,
      ids: [String(overlayId)],
      text: ({ fields }) =>
        fields([
          ['overlay', String(overlayId)],
          ['phase', String(phase)],
          ['proposed', `${shortSigma(String(sigma))}${sigma === activeSigma ? ' (active)' : ''}`],
          ['active', shortSigma(String(activeSigma))],
          ['index', report.alreadyApplied ? `${report.index} (already applied)` : report.index],
        ]),
    })
  }
}
