/**
 * A replica that may have forgotten what it signed, because its log was damaged, and that takes part again in
 * the same epoch. It votes for nothing before it knows a round that is above all that it can have voted in:
 * every replica that its forgotten vote rested on voted in the round before, and any quorum less itself
 * contains an honest one of them, which says so, freshly, with the certificates that it holds. Above that
 * round the rules need no lock of its own: a time-out certificate names a QC as high as any forgotten one.
 * Until then it counts as one of the f.
 */
import type { NodeId } from '../../types.js'
import { qcRound } from './certificates.js'
import { onQc, onTc } from './certified.js'
import type { HsRejoin, HsStanding } from './messages.js'
import type { HotStuffState } from './state.js'

/** In a tick: asks everybody who has not answered, or was behind. */
export function askToRejoin(hs: HotStuffState): void {
  const { rejoin, now, options, epoch } = hs
  if (rejoin === null || rejoin.askAtMs > now.monotonicMs) return
  rejoin.askAtMs = now.monotonicMs + options.limits.timeoutMs
  hs.broadcast({ type: 'hsRejoin', epoch, nonce: rejoin.nonce })
}

/** Only who knows what it signed can answer. Where nothing is decided, rounds go on for who asks, now and then. */
export function handleRejoin(hs: HotStuffState, from: NodeId, { epoch, nonce }: HsRejoin): void {
  if (epoch !== hs.epoch || !hs.safety.maySign || !hs.replicas.has(from)) return
  const { highQc, tc, log, rotatedFor, now, options } = hs
  hs.send(from, { type: 'hsStanding', nonce, qc: highQc, tc, committedIndex: log.last.index })
  const before = rotatedFor.get(from)
  if (before !== undefined && now.monotonicMs - before < options.limits.timeoutMs) return
  rotatedFor.set(from, now.monotonicMs)
  hs.rotating = true
}

export function handleStanding(hs: HotStuffState, from: NodeId, message: HsStanding): void {
  const { qc, tc, nonce, committedIndex } = message
  if (qc.statement.epoch !== hs.epoch) return
  onQc(hs, qc)
  if (tc !== null) onTc(hs, tc)
  if (hs.rejoin?.nonce !== nonce) return
  hs.rejoin.standings.set(from, { round: Math.max(qcRound(qc), tc?.round ?? 0), committedIndex })
}

/** At the end of a step: is everything that may be forgotten over, and the log whole? */
export function finishRejoin(hs: HotStuffState): void {
  const { rejoin, log, replicas } = hs
  if (rejoin === null || hs.ending !== null) return
  const standings = [...rejoin.standings.values()]
  if (rejoin.floor === null && standings.length >= replicas.quorum - 1) {
    // A certificate of round r proves that its signers voted in r; they, and this node, may be in the next one.
    rejoin.floor = Math.max(...standings.map(({ round }) => round)) + 2
  }
  if (rejoin.floor === null || hs.round <= rejoin.floor) return
  const reached = standings.filter(({ committedIndex }) => committedIndex <= log.last.index)
  if (reached.length < replicas.quorum - 1) return
  hs.rejoin = null
  hs.safety.rejoin(rejoin.floor)
  hs.journal.safety()
  hs.journal.whenDurable(() => hs.emit({ type: 'repaired' }))
}
