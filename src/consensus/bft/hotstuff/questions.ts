/**
 * Questions to peers, one open at a time: for a block and its ancestors, for decided entries, or for a
 * snapshot. Unanswered, a question goes to the next peer, after growing pauses.
 */
import type { LogIndex, NodeId } from '../../types.js'
import { type Qc, qcRound } from './certificates.js'
import type { HotStuffState } from './state.js'

/** The block that `qc` certifies is missing: it is fetched, unless a newer one is wanted already. */
export function wantBlock(hs: HotStuffState, qc: Qc): void {
  const { sync } = hs
  const { digest } = qc.statement
  if (hs.tree.get(digest) !== undefined || qcRound(qc) <= hs.tree.root.header.round) return
  if (sync.wanted !== null && (sync.wanted.round >= qcRound(qc) || sync.wanted.blocks.length > 0)) return
  sync.wanted = { hash: digest, round: qcRound(qc), blocks: [], next: digest }
  ask(hs)
}

/** The open question was not answered in time: it goes to the next peer, and is brought up to date. */
export function askAgain(hs: HotStuffState): void {
  const { sync, highQc, options } = hs
  sync.unanswered++
  if (sync.wanted !== null && sync.wanted.round < qcRound(highQc)) {
    sync.wanted = null
    wantBlock(hs, highQc)
    return
  }
  const sinceMs = sync.snapshot?.sinceMs ?? hs.now.monotonicMs
  if (hs.now.monotonicMs - sinceMs > options.limits.transferTimeoutMs) {
    sync.snapshot = null
    sync.wantEntries()
  }
  ask(hs)
}

/** As the index from which entries are wanted: no entry has it, so a snapshot comes instead. */
const SNAPSHOT_WANTED = 0 as LogIndex

/** Puts the open question to the next peer. */
export function ask(hs: HotStuffState): void {
  const { sync, peers, epoch, options } = hs
  if (!sync.isOpen || peers.length === 0) {
    sync.retryAtMs = null
    sync.mayOffer.clear()
    return
  }
  const { retryMs, timeoutMaxMs } = options.limits
  sync.retryAtMs =
    hs.now.monotonicMs + Math.min(timeoutMaxMs, retryMs * 2 ** Math.min(10, sync.unanswered / peers.length))
  if (sync.snapshot !== null) {
    const { from, snapshot, checkpoint } = sync.snapshot
    hs.emit({ type: 'fetchSnapshot', from, snapshot, stateDigest: checkpoint.statement.digest })
    return
  }
  // Only a question takes a turn: whoever left the last one unanswered is not the next.
  const peer = peers[sync.turn++ % peers.length] as NodeId
  if (sync.needsState || sync.needsEntries) sync.mayOffer.add(peer)
  if (sync.needsState && (sync.turn % 2 === 1 || !sync.needsEntries)) {
    hs.send(peer, { type: 'hsFetchEntries', epoch, from: SNAPSHOT_WANTED })
  } else if (sync.needsEntries) {
    sync.asked = peer
    hs.send(peer, { type: 'hsFetchEntries', epoch, from: (hs.log.last.index + 1) as LogIndex })
  } else if (sync.wanted !== null) {
    const height = Math.max(0, hs.tree.root.header.height)
    hs.send(peer, { type: 'hsFetchBlocks', epoch, hash: sync.wanted.next, height })
  }
}
