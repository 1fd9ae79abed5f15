/**
 * After a start: the stored blocks are linked up again above the last committed one, what was decided is
 * told, and what was signed is sent again, never made anew.
 */
import { toHex } from '../../../base/bytes.js'
import type { PendingRecord } from '../../core.js'
import { endsEpoch } from '../mode-change.js'
import { type BlockHeader, hashHeader, linkProblem } from './block.js'
import type { BlockNode } from './block-tree.js'
import { onQc } from './certified.js'
import { resendCheckpoint } from './checkpointing.js'
import { decodeHotStuff } from './codec.js'
import { commitUpTo } from './commit.js'
import { endEpoch } from './epoch-change.js'
import type { BlockParts } from './messages.js'
import { decodeProof } from './proof.js'
import { ask } from './questions.js'
import type { HotStuffState } from './state.js'
import { isStepRecord } from './stored-state.js'
import { resendTimeout } from './timeouts.js'
import { resendVote } from './voting.js'

/**
 * A write that is cut behind an entry leaves the log ahead of the safety record: the last entry's own proof says which
 * block it is, and is the highest certificate where the record names a lower one.
 */
export function followLog(hs: HotStuffState): void {
  const { lastEntry } = hs.log
  if (lastEntry === undefined || lastEntry.certificate === null || lastEntry.epoch !== hs.epoch) return
  const { headers, qc } = decodeProof(lastEntry.certificate)
  const block = hashHeader(hs.modules.sha256, headers[0] as BlockHeader)
  if (block.header.height <= hs.tree.root.header.height) return
  hs.tree.reset({ ...block, parts: null })
  hs.safety.observe(qc)
}

/** Puts the stored blocks that still descend from the root back into the tree, and the empty ones that end at it. */
export function restoreBlocks(hs: HotStuffState, pending: readonly PendingRecord[]): void {
  const blocks = pending.flatMap((record) => blockIn(hs, record) ?? [])
  // Without them nobody who has only the entries could be led on from the last one.
  const stored = new Map(blocks.map((block) => [block.key, block]))
  const committed: BlockNode[] = []
  let at = stored.get(hs.tree.root.key)
  for (; at !== undefined; at = stored.get(toHex(at.header.parentHash))) committed.unshift(at)
  hs.tree.restore(committed)
  for (const block of blocks) {
    const parent = hs.tree.get(block.header.parentHash)
    if (parent === undefined || linkProblem(block.header, parent) !== null) continue
    hs.tree.insert(block, true, { round: hs.round, keep: [] })
  }
}

function blockIn(hs: HotStuffState, record: PendingRecord): BlockNode | null {
  if (record.kind !== 'block' || isStepRecord(record)) return null
  const message = decodeHotStuff(record.payload)
  if (message.type !== 'hsProposal' || message.header.epoch !== hs.epoch) return null
  const parts: BlockParts = message
  return { ...hashHeader(hs.modules.sha256, message.header), parts }
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
