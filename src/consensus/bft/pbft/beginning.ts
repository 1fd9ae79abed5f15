/**
 * Who comes to an epoch when its log is gone already begins behind a snapshot of its middle: in view 0, with
 * nothing signed, and with the checkpoint at its index for the stable one. A view change goes back to that, and
 * would have to show the certificates of what is before it.
 */
import type { Certificate } from '../certificate.js'
import type { EpochContext } from '../epoch.js'
import { encodeSafety } from './safety-record.js'

/** The safety record to begin with behind a verified checkpoint of the epoch. */
export function recordBehind(context: EpochContext, stable: Certificate): Uint8Array {
  const nothing = { previous: null, newView: null, ownViewChange: null, ownCheckpoints: [], evidence: [], steps: [] }
  return encodeSafety({
    ...nothing,
    context,
    view: 0,
    active: true,
    silent: false,
    stable,
    snapshotCertificate: stable,
  })
}
