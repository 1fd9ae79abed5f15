/**
 * What members of a Byzantine epoch sign in favour of another mode. CLEAR: this member sees nothing that
 * speaks against Raft; it counts for a while, and is said again. An order: an operator told this member
 * to change the protocol. Each is a statement of its own, so that a MODE operation carries its proof.
 */
import { ByteWriter } from '../../../base/bytes.js'
import type { SignatureCheck } from '../../bft/checks.js'
import { decodeModeChange, type ModeChange } from '../../bft/mode-change.js'
import { NO_EXTRA, type SignedStatement, type Statement, sameStatement, signBytes } from '../../bft/statement.js'
import type { Sha256 } from '../../entry.js'
import type { Epoch, Millis, Mode } from '../../types.js'
import type { RaftEpoch } from '../positions.js'

/** A CLEAR counts for so long, and no longer ahead of the time that it is compared with. */
export const CLEAR_VALID_MS: Millis = 15_000
/** How often a member says it again. */
export const CLEAR_REPEAT_MS: Millis = 4000

interface Place {
  readonly mode: Mode
  readonly epoch: Epoch
}

/** `atMs` is the signer's time of day. */
export function clearStatement({ mode, epoch }: Place, atMs: Millis): Statement {
  return { mode, type: 'clear', epoch, view: 0, sequence: Math.floor(atMs), digest: NO_EXTRA, extra: NO_EXTRA }
}

/** One order per epoch and member: there is one other Byzantine protocol. */
export function orderStatement(sha256: Sha256, { mode, epoch }: Place, protocol: Mode): Statement {
  const digest = sha256(new ByteWriter(64).text('knhk/mode-order/1').text(protocol).finish())
  return { mode, type: 'panic', epoch, view: 0, sequence: 0, digest, extra: NO_EXTRA }
}

/** True for what a member of this epoch may say in favour of another mode. */
export function isBackVote(sha256: Sha256, place: Place, vote: SignedStatement): boolean {
  if (vote.type === 'clear') return sameStatement(vote, clearStatement(place, vote.sequence))
  return sameStatement(vote, orderStatement(sha256, place, place.mode === 'pbft' ? 'hotstuff' : 'pbft'))
}

export function isRecent(vote: SignedStatement, nowMs: Millis): boolean {
  return Math.abs(nowMs - vote.sequence) <= CLEAR_VALID_MS
}

/** The signature under one vote; null for a stranger's. */
export function voteCheck({ replicas, sign }: RaftEpoch, vote: SignedStatement): SignatureCheck | null {
  const publicKey = replicas.publicKeyOf(vote.signer)
  return publicKey === null ? null : { publicKey, bytes: signBytes(sign, vote), signature: vote.signature }
}

/**
 * The signatures in a MODE operation: back to Raft a quorum's CLEARs, to the other Byzantine protocol f + 1
 * orders, so that one honest member at least was told. Null where it is unsound. Throws `ProtocolViolation`.
 */
export function modeChecks(epoch: RaftEpoch, place: Place, body: Uint8Array): readonly SignatureCheck[] | null {
  const change = decodeModeChange(body)
  const { replicas, sha256 } = epoch
  if (change.epoch !== place.epoch || change.protocol === place.mode) return null
  const needed = change.protocol === 'raft' ? replicas.quorum : replicas.f + 1
  if (change.votes.length !== needed || !areOrdered(epoch, change)) return null
  const checks: SignatureCheck[] = []
  for (const vote of change.votes) {
    const isMeant =
      change.protocol === 'raft'
        ? sameStatement(vote, clearStatement(place, vote.sequence))
        : sameStatement(vote, orderStatement(sha256, place, change.protocol))
    const check = voteCheck(epoch, vote)
    if (!isMeant || check === null) return null
    checks.push(check)
  }
  return checks
}

/** Each member once, in the order of the configuration. */
function areOrdered({ replicas }: RaftEpoch, { votes }: ModeChange): boolean {
  return votes.every(({ signer }, at) => {
    const before = votes[at - 1]
    return replicas.has(signer) && (before === undefined || replicas.indexOf(before.signer) < replicas.indexOf(signer))
  })
}
