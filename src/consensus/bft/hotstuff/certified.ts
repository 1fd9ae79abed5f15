/**
 * What certificates do: a QC moves the lock, may commit, and leads into the next round; a TC leads into
 * the next round. Both have been verified before they come here.
 */
import { type Qc, qcRound, type Tc } from './certificates.js'
import { decide } from './commit.js'
import { wantBlock } from './questions.js'
import type { HotStuffState } from './state.js'

/** Takes a verified QC. `announce`: made here, so nobody else knows it yet. */
export function onQc(hs: HotStuffState, qc: Qc, announce = false): void {
  const { epoch } = hs
  if (qc.statement.epoch !== epoch) return
  const isNews = qcRound(qc) > qcRound(hs.highQc)
  if (isNews) {
    hs.safety.observe(qc)
    hs.announceQc = announce ? qc : null
  }
  const block = hs.tree.get(qc.statement.digest)
  if (block === undefined) {
    if (isNews && qcRound(qc) > hs.tree.root.header.round) wantBlock(hs, qc)
  } else {
    const locked = hs.rule.locked(block, hs.tree.parentOf)
    if (locked !== undefined) hs.safety.lock(locked)
    const committed = hs.rule.committed(block, hs.tree.parentOf)
    if (committed !== null) decide(hs, committed, block, qc)
  }
  if (hs.epoch === epoch) enterRound(hs, qcRound(qc) + 1, null)
}

/** Takes a verified TC: its round is over. */
export function onTc(hs: HotStuffState, tc: Tc): void {
  if (tc.epoch === hs.epoch) enterRound(hs, tc.round + 1, tc)
}

function enterRound(hs: HotStuffState, round: number, tc: Tc | null): void {
  if (!hs.pacemaker.enter(round, tc, hs.now.monotonicMs)) return
  hs.timeouts.clear()
  hs.rotating = false
  // What was proposed in a round that failed may be lost: the driver looks at its requests anew.
  if (tc !== null) hs.tellRole()
}
