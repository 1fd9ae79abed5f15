/**
 * Who comes to an epoch when its log is gone already begins behind a snapshot: in view 0, with nothing signed. In
 * the middle of an epoch the checkpoint there is its stable one: a view change goes back to that, and would have to
 * show the certificates of what is before it. Where a change of members began the epoch, its INIT rests on that.
 */
import type { Certificate } from '../certificate.js'
import type { EpochContext, EpochStep } from '../epoch.js'
import { encodeSafety, freshRecord } from './safety-record.js'

/** How the members of the epoch before came to this one: with the core that they had. */
export interface StepBefore {
  readonly context: EpochContext
  readonly step: EpochStep
}

/** The safety record to begin with; `stable`: a verified checkpoint of this epoch, null at its beginning. */
export function recordBehind(context: EpochContext, stable: Certificate | null, before: StepBefore | null): Uint8Array {
  const fresh = { ...freshRecord(context), stable, snapshotCertificate: stable }
  if (before === null) return encodeSafety(fresh)
  const { step } = before
  const previous = { context: before.context, checkpoint: step.checkpoint }
  return encodeSafety({ ...fresh, previous, snapshotCertificate: stable ?? step.checkpoint, steps: [step] })
}
