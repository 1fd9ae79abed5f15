/**
 * `overlay promote`: the phases one after the other up to the one that is asked for, each an operation
 * of its own in one ordered request. Running it again goes on where it stopped, or finds it done.
 */
import { KnhkError } from '../../base/error.js'
import type { CallOptions, Client } from '../../client/api.js'
import type { Operation } from '../../workflow/operations.js'
import { OVERLAY_PHASES, type OverlayPhase } from '../../workflow/overlays/overlay.js'
import { type OperationReport, rejection, reportOf } from '../operation-report.js'
import { activeSigma } from './deploy.js'
import type { OverlayAnswer } from './schemas.js'

/** Phases that an overlay can be promoted to, in order. */
export const PROMOTION_PHASES = ['Test', 'Validate', 'Promote', 'Promoted'] as const
export type PromotionPhase = (typeof PROMOTION_PHASES)[number]

export interface Promotion {
  readonly overlayId: string
  /** Null: the phase after the present one. */
  readonly to: PromotionPhase | null
}

/** `already`: it was there before, and the report tells the operation that brought it there. */
export async function promoteOverlay(
  client: Client,
  { overlayId, to }: Promotion,
  options: CallOptions,
): Promise<{ readonly report: OperationReport; readonly already: boolean }> {
  const answer = await client.query('overlay.get', { overlayId }, options)
  const overlay = answer.value as OverlayAnswer
  const at = OVERLAY_PHASES.indexOf(overlay.phase as OverlayPhase)
  const goal = to === null ? Math.min(at + 1, OVERLAY_PHASES.indexOf('Promoted')) : OVERLAY_PHASES.indexOf(to)
  const reached =
    overlay.phase === 'RolledBack' ? undefined : overlay.steps.find((step) => step.phase === OVERLAY_PHASES[goal])
  if (reached !== undefined) {
    const { activeSigma: active } = await activeSigma(client, options)
    const { index, position } = reached
    const { epoch, mode, assurance } = answer
    const result = { overlayId, phase: overlay.phase, sigma: overlay.sigma, activeSigma: active }
    return { report: { index, position, epoch, mode, assurance, alreadyApplied: true, result }, already: true }
  }
  // A rolled-back one is asked for a step too: the state machine says why it cannot be.
  const phases = overlay.phase === 'RolledBack' ? ([to ?? 'Test'] as const) : OVERLAY_PHASES.slice(at + 1, goal + 1)
  const operations = phases.map((phase): Operation => ({ type: 'AdvanceOverlay', overlayId, to: phase }))
  return { report: await submitInOrder(client, operations, options), already: false }
}

/** The report of the last operation; throws the first rejection. */
async function submitInOrder(
  client: Client,
  operations: readonly Operation[],
  options: CallOptions,
): Promise<OperationReport> {
  const session = await client.openSession({ ...options, ordered: true })
  try {
    const settled = await session.submit(operations, options)
    const rejected = settled.find((one) => !one.outcome.ok)
    if (rejected !== undefined) throw rejection(rejected)
    const [operation, last] = [operations.at(-1), settled.at(-1)]
    if (operation === undefined || last === undefined) throw new KnhkError('Bug', 'a promotion has at least one step')
    return await reportOf(operation, last, session.id)
  } finally {
    // The result is what the caller came for; a session that stays open expires by itself.
    await session.close(options).catch(() => undefined)
  }
}
