/**
 * Rounds that fail. A replica whose round brings nothing signs a time-out, once, and repeats it until the
 * round is over; f + 1 of them make everybody join, a quorum is the TC that leads on. Every time-out
 * proves by its certificates that its sender was in the round, so a laggard catches up by receiving
 * one, and nobody can be led into a far future. A laggard's own time-out is answered with the way on.
 */
import type { NodeId } from '../../types.js'
import { makeTc, qcRound } from './certificates.js'
import { onQc, onTc } from './certified.js'
import { refuseChange } from './epoch-change.js'
import type { HsTimeout, SignedHeader } from './messages.js'
import type { HotStuffState } from './state.js'
import { onVote } from './voting.js'

/** Pieces of evidence that go along when a round is given up. */
const EVIDENCE_REPEATED_MAX = 4

/** The round lasts too long: gives it up, or says so again. */
export function giveUpRound(hs: HotStuffState): void {
  const message = hs.safety.timeout(hs.round, hs.tc, lastBlock(hs))
  hs.pacemaker.sent(hs.now.monotonicMs)
  // Who is beyond this epoch answers nothing else: with entries, or with a snapshot where those are gone.
  for (const peer of hs.peers) hs.sync.mayOffer.add(peer)
  hs.broadcast({ type: 'hsStatus', epoch: hs.epoch, round: hs.round, committedIndex: hs.log.last.index, asks: true })
  if (!hs.isLeader) refuseChange(hs, 'NotLeader', 'this node did not come to lead')
  for (const evidence of hs.evidence.waiting().slice(0, EVIDENCE_REPEATED_MAX))
    hs.broadcast({ type: 'hsEvidence', epoch: hs.epoch, evidence })
  if (message === null) return
  hs.journal.safety()
  hs.broadcastSigned(message)
  hs.journal.whenDurable(() => count(hs, message))
}

function lastBlock(hs: HotStuffState): SignedHeader | null {
  const { lastVote } = hs.safety.data
  const parts = lastVote === null ? null : (hs.tree.find(lastVote.digest)?.parts ?? null)
  return parts === null ? null : { header: parts.header, signature: parts.signature }
}

export function handleTimeout(hs: HotStuffState, from: NodeId, message: HsTimeout): void {
  onQc(hs, message.highQc)
  if (message.tc !== null) onTc(hs, message.tc)
  if (message.lastVote !== null) onVote(hs, message.lastVote)
  if (message.timeout.epoch !== hs.epoch) return
  if (message.timeout.view < hs.round) {
    hs.send(from, { type: 'hsAdvance', qc: hs.highQc, tc: hs.tc })
    return
  }
  count(hs, message)
}

function count(hs: HotStuffState, message: HsTimeout): void {
  const { timeout } = message
  if (timeout.epoch !== hs.epoch || timeout.view !== hs.round) return
  if (message.lastVote !== null) onVote(hs, message.lastVote)
  if (timeout.view !== hs.round) return
  hs.timeouts.set(timeout.signer, message)
  const { size } = hs.timeouts
  if (size >= hs.replicas.quorum) {
    const signed = [...hs.timeouts.values()].map((other) => other.timeout)
    onTc(hs, makeTc(hs.replicas, hs.epoch, hs.round, signed))
  } else if (size > hs.replicas.f && !hs.timeouts.has(hs.self) && hs.safety.timedOutRound < hs.round) {
    giveUpRound(hs)
  }
}

/** The time-out of the current round again, after a restart. */
export function resendTimeout(hs: HotStuffState): void {
  const message = hs.safety.data.lastTimeout
  if (message === null || message.timeout.view !== hs.round) return
  hs.broadcastSigned(message)
  count(hs, message)
}

/** True when its certificates prove that the sender was in the round that it gives up. */
export function provenRound({ timeout, highQc, tc }: HsTimeout): boolean {
  return timeout.view === (tc === null ? qcRound(highQc) : tc.round) + 1
}
