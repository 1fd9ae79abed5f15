/**
 * After a start: the stored blocks are linked up again above the last committed one, what was decided is
 * told, and what was signed is sent again, never made anew.
 */
import type { PendingRecord } from '../../core.js'
import { endsEpoch } from '../mode-change.js'
import { hashHeader, linkProblem } from './block.js'
import { onQc } from './certified.js'
import { resendCheckpoint } from './checkpointing.js'
import { decodeHotStuff } from './codec.js'
import { commitUpTo } from './commit.js'
import { endEpoch } from './epoch-change.js'
import type { BlockParts } from './messages.js'
import { ask } from './questions.js'
import type { HotStuffState } from './state.js'
import { isStepRecord } from './stored-state.js'
import { resendTimeout } from './timeouts.js'
import { resendVote } from './voting.js'

/** Puts the stored blocks that still descend from the root back into the tree. */
export function restoreBlocks(hs: HotStuffState, pending: readonly PendingRecord[]): void {
  for (const record of pending) {
    const { kind, payload } = record
    if (kind !== 'block' || isStepRecord(record)) continue
    const message = decodeHotStuff(payload)
    if (message.type !== 'hsProposal' || message.header.epoch !== hs.epoch) continue
    const parent = hs.tree.get(message.header.parentHash)
    if (parent === undefined || linkProblem(message.header, parent) !== null) continue
    const parts: BlockParts = message
    hs.tree.insert({ ...hashHeader(hs.modules.sha256, message.header), parts }, true, parent)
  }
}

/** In the first step: everything that is on disk was decided, and what may be lost is sent again. */
export function start(hs: HotStuffState): void {
  hs.hasStarted = true
  const { log } = hs
  commitUpTo(hs, log.last.index)
  const last = log.lastEntry
  if (last !== undefined && endsEpoch(last) && last.epoch === hs.epoch) endEpoch(hs, last)
  hs.tellRole()
  onQc(hs, hs.highQc)
  // How far the others are is not known: they are asked, one after the other, for what follows the own log.
  hs.sync.wantEntries()
  ask(hs)
  if (!hs.safety.maySign) return
  resendProposal(hs)
  resendVote(hs)
  resendTimeout(hs)
  resendCheckpoint(hs)
}

function resendProposal(hs: HotStuffState): void {
  const { lastProposedRound } = hs.safety.data
  if (lastProposedRound !== hs.round) return
  const own = hs.tree.above().find(({ header }) => header.proposer === hs.self && header.round === lastProposedRound)
  if (own !== undefined && own.parts !== null) hs.broadcast({ type: 'hsProposal', ...own.parts })
}
