/** Who ordered a change of members in a Raft epoch: a client's signature, for this epoch and the configuration in force in it. */
import { changeCheck } from '../bft/change-authority.js'
import type { SignatureCheck } from '../bft/checks.js'
import type { LogIndex } from '../types.js'
import type { RaftEpoch } from './positions.js'

/** `configuredAt` is the index of the configuration in force. Throws `ProtocolViolation` where the body carries no signature. */
export function orderCheck(
  { sha256, sign, epoch }: RaftEpoch,
  configuredAt: LogIndex,
  body: Uint8Array,
): SignatureCheck {
  return changeCheck(sha256, { clusterId: sign.clusterId, epoch, planned: configuredAt }, body)
}
