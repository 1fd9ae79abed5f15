/**
 * How one epoch led to the next, provable to whoever trusts the earlier one: the decided change of
 * members and the certified checkpoint after it. A node that comes from far behind, or joins, walks these
 * steps to the present replicas before it believes a snapshot that they signed.
 */
import type { Entry, Sha256 } from '../../entry.js'
import { decodeMembership } from '../../membership.js'
import type { Epoch } from '../../types.js'
import { type Certificate, certificateChecks } from '../certificate.js'
import type { SignatureCheck } from '../checks.js'
import type { EpochStep } from '../epoch.js'
import { EpochContext, type EpochPorts } from '../epoch.js'
import { verifyPbftEntryCertificate } from './decision-proof.js'
import { checkpointProblem } from './statement-rules.js'

export interface Walk {
  /** Where the steps lead. */
  readonly context: EpochContext
  /** The epoch before that; null without steps. */
  readonly previous: { readonly context: EpochContext; readonly checkpoint: Certificate } | null
  readonly checks: readonly SignatureCheck[]
}

/** The epoch that follows `context` by this step. */
export function nextContext(ports: EpochPorts, context: EpochContext, { entry, checkpoint }: EpochStep): EpochContext {
  const origin = { index: entry.index, chain: checkpoint.statement.extra, timestampMs: entry.timestampMs }
  const record = { index: entry.index, membership: decodeMembership(entry.body) }
  return new EpochContext(ports, (context.epoch + 1) as Epoch, origin, record)
}

/** Walks the steps from `start`; those before it are skipped. Null where one is unsound. Throws `ProtocolViolation`. */
export function walkSteps(
  ports: EpochPorts,
  start: EpochContext,
  steps: readonly EpochStep[],
  digestOfBody: (entry: Entry) => Uint8Array,
): Walk | null {
  let context = start
  let previous: Walk['previous'] = null
  const checks: SignatureCheck[] = []
  for (const step of steps) {
    if (step.entry.epoch < context.epoch) continue
    const problem = stepProblem(ports.sha256, context, step, digestOfBody, checks)
    if (problem !== null) return null
    previous = { context, checkpoint: step.checkpoint }
    context = nextContext(ports, context, step)
  }
  return { context, previous, checks }
}

function stepProblem(
  sha256: Sha256,
  context: EpochContext,
  { entry, checkpoint }: EpochStep,
  digestOfBody: (entry: Entry) => Uint8Array,
  checks: SignatureCheck[],
): string | null {
  if (entry.kind !== 'membership' || entry.certificate === null) return 'no change of members ends an epoch here'
  if (digestOfBody(entry).some((byte, i) => byte !== entry.batchDigest[i])) return 'the body is not the one decided'
  const verdict = verifyPbftEntryCertificate(sha256, context, entry, entry.certificate)
  if (verdict.problem !== null) return verdict.problem
  const problem = checkpointProblem(context, checkpoint)
  if (problem !== null) return problem
  if (checkpoint.statement.sequence !== entry.index) return 'the checkpoint is not the one after the change'
  checks.push(...verdict.checks, ...certificateChecks(context.sign, context.replicas, checkpoint))
  return null
}
