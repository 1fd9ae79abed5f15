/**
 * Checkpoints and watermarks (Castro and Liskov, section 4.3): every replica signs the digest of its
 * state at the same indexes. What a quorum signed alike is stable: slots up to there are forgotten, the
 * window moves, and a replica whose own digest differs knows that its state is wrong.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { LogIndex } from '../../types.js'
import { type Certificate, encodeCertificate } from '../certificate.js'
import type { SignedStatement } from '../statement.js'
import { compactIfStable } from './compaction.js'
import type { PbftState } from './state.js'

/** Certificates of checkpoints that are remembered: enough for the slowest snapshot. */
const CERTIFIED_MAX = 64
const CHAINS_MAX = 1024

/** The driver told the digest of the own state at `index`. */
export function handleOwnDigest(state: PbftState, index: LogIndex, digest: Uint8Array): void {
  const certified = state.certified.get(index)
  if (certified !== undefined) compare(state, certified, digest)
  const chain = state.chains.get(index)
  if (chain === undefined || state.diverged || index < state.stableIndex) return
  state.digests.set(index, digest)
  if (certified !== undefined || !state.rules.maySign || index <= state.stableIndex) return
  if (state.rules.ownCheckpoints().some(({ sequence }) => sequence === index)) return
  const vote = state.rules.checkpoint(index, digest, chain)
  state.storeSafety()
  state.broadcast({ type: 'pbftVote', vote })
  receiveCheckpoint(state, vote)
}

/** A checkpoint of a replica, verified or own. */
export function receiveCheckpoint(state: PbftState, vote: SignedStatement): void {
  const certificate = state.checkpoints.note(vote)
  if (certificate !== null) becomeStable(state, certificate)
}

/** A verified certificate, from whomever it came. */
export function adoptCheckpoint(state: PbftState, certificate: Certificate): void {
  if (certificate.statement.sequence <= state.stableIndex) return
  if (state.checkpoints.adopt(certificate) !== null) becomeStable(state, certificate)
}

function becomeStable(state: PbftState, certificate: Certificate): void {
  const index = certificate.statement.sequence as LogIndex
  state.verified.add(certificate)
  state.certified.set(index, certificate)
  if (state.certified.size > CERTIFIED_MAX) state.certified.delete(state.certified.keys().next().value as number)
  state.emit({
    type: 'checkpointStable',
    index,
    stateDigest: certificate.statement.digest,
    certificate: encodeCertificate(certificate),
  })
  const own = state.digests.get(index)
  if (own !== undefined) compare(state, certificate, own)
  collectGarbage(state, index)
  state.snapshots.certified(certificate)
  if (state.ending?.index === index) state.epochDue = certificate
  state.storeSafety()
  compactIfStable(state)
}

/** Slots that are both stable and decided here are over; what is only stable still has to be learned. */
function collectGarbage(state: PbftState, stableIndex: LogIndex): void {
  state.slots.dropUpTo(Math.min(stableIndex, state.log.lastIndex))
  state.log.forgetCertificates(stableIndex)
  state.rules.forget(stableIndex)
  for (const index of state.digests.keys()) if (index < stableIndex) state.digests.delete(index)
  for (const index of state.chains.keys()) {
    if (index < stableIndex && index <= state.executedIndex) state.chains.delete(index)
    else if (state.chains.size > CHAINS_MAX) state.chains.delete(index)
  }
  const floor = state.sequenceOf(stableIndex)
  const isOver = ({ type, sequence, view }: SignedStatement) =>
    type === 'checkpoint'
      ? sequence < stableIndex
      : (type === 'prepare' || type === 'commit') && sequence <= floor
        ? true
        : (type === 'viewChange' || type === 'newView') && view + 1 < state.view
  state.statements.forget(isOver)
  state.unverified.forget(isOver)
}

function compare(state: PbftState, certificate: Certificate, digest: Uint8Array): void {
  const { statement } = certificate
  if (bytesEqual(statement.digest, digest)) {
    state.agreedIndex = Math.max(state.agreedIndex, statement.sequence) as LogIndex
    return
  }
  if (state.diverged) return
  state.diverged = true
  state.emit({ type: 'diverged', index: statement.sequence as LogIndex, agreedIndex: state.agreedIndex })
}
