/**
 * Blocks that arrive: proposals of leaders, and ancestors that were asked for. A proposal brings the
 * certificates that lead into its round; one whose parent is missing waits, the newest of each proposer,
 * until the parent is fetched. Nothing is voted on whose chain to the root is unknown.
 */
import type { NodeId } from '../../types.js'
import { type HashedHeader, hashHeader, linkProblem } from './block.js'
import type { BlockNode } from './block-tree.js'
import { onQc, onTc } from './certified.js'
import { insertBlock } from './insert.js'
import type { BlockParts, HsProposal } from './messages.js'
import { wantBlock } from './questions.js'
import type { HotStuffState } from './state.js'
import { considerVote } from './voting.js'

export function handleProposal(hs: HotStuffState, from: NodeId, proposal: HsProposal): void {
  const { header, justify, tc } = proposal
  onQc(hs, justify)
  if (tc !== null) onTc(hs, tc)
  if (header.epoch !== hs.epoch || header.round <= hs.tree.root.header.round) return
  if (hs.tree.get(header.parentHash) === undefined) {
    const before = hs.sync.waiting.get(from)
    if (before === undefined || before.header.round < header.round) hs.sync.waiting.set(from, proposal)
    wantBlock(hs, justify)
    return
  }
  takeProposal(hs, proposal)
}

/** The parent is in the tree. */
export function takeProposal(hs: HotStuffState, parts: BlockParts): void {
  const parent = hs.tree.get(parts.header.parentHash) as BlockNode
  const block = hashHeader(hs.modules.sha256, parts.header)
  if (linkProblem(parts.header, parent) !== null) return
  const known = hs.tree.get(block.hash)
  const node: BlockNode = known ?? { ...block, parts }
  if (known === undefined) {
    const isSure = isCertified(hs, block)
    // Who does not lead the round finds nobody to certify its block.
    if (!isSure && hs.leaders.leader(parts.header.round, parent) !== parts.header.proposer) return
    if (!insertBlock(hs, node, parent, isSure)) return
  }
  considerVote(hs, node, parent)
  // Its certificate may have come before it.
  if (isCertified(hs, block)) onQc(hs, hs.highQc)
}

/** Takes what waited for a block that is here now. */
export function takeWaiting(hs: HotStuffState): void {
  for (const [proposer, parts] of [...hs.sync.waiting]) {
    if (parts.header.epoch !== hs.epoch || parts.header.round <= hs.tree.root.header.round) {
      hs.sync.waiting.delete(proposer)
    } else if (hs.tree.get(parts.header.parentHash) !== undefined) {
      hs.sync.waiting.delete(proposer)
      takeProposal(hs, parts)
    }
  }
}

function isCertified(hs: HotStuffState, { hash }: HashedHeader): boolean {
  const { digest } = hs.highQc.statement
  return hash.every((byte, at) => byte === digest[at])
}
