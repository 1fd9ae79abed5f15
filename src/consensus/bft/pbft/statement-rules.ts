/** What statements and certificates of PBFT must look like, whatever their signatures are worth. */
import { bytesEqual } from '../../../base/bytes.js'
import { type Certificate, certificateProblem } from '../certificate.js'
import type { EpochContext } from '../epoch.js'
import { NO_EXTRA, type Statement, type StatementType } from '../statement.js'

/** What is wrong with a checkpoint certificate of this epoch apart from its signatures; null when nothing is. */
export function checkpointProblem(context: EpochContext, certificate: Certificate): string | null {
  const { statement } = certificate
  if (statement.mode !== 'pbft' || statement.type !== 'checkpoint') return 'not a checkpoint of PBFT'
  if (statement.epoch !== context.epoch || statement.view !== 0) return 'a checkpoint of another epoch'
  if (statement.sequence <= context.origin.index) return 'a checkpoint before the epoch began'
  return certificateProblem(context.replicas, certificate)
}

/** What is wrong with the fields of a statement that binds nothing extra; null when nothing is. */
export function statementProblem(context: EpochContext, statement: Statement, type: StatementType): string | null {
  if (statement.mode !== 'pbft' || statement.type !== type) return `not a ${type} of PBFT`
  if (statement.epoch !== context.epoch) return 'a statement of another epoch'
  if (!bytesEqual(statement.extra, NO_EXTRA)) return `a ${type} binds nothing extra`
  return null
}
