/** Blocks enter the tree, and the block store with it: what is voted on can be linked up after a crash. */
import type { HashedHeader } from './block.js'
import type { BlockNode } from './block-tree.js'
import { encodeHotStuff } from './codec.js'
import type { HotStuffState } from './state.js'

/** Takes a block whose parent is in the tree. False where it is known, or there is no room for it. */
export function insertBlock(hs: HotStuffState, node: BlockNode, parent: HashedHeader, isCertified: boolean): boolean {
  const { tree, tip, round } = hs
  const { lastVote } = hs.safety.data
  // What this node voted for may be certified in the hands of somebody who shows it later.
  const voted = lastVote === null ? undefined : tree.get(lastVote.digest)
  const keep = [parent, tip, voted].filter((block) => block !== undefined)
  if (node.parts === null || !tree.insert(node, isCertified, { round, keep })) return false
  hs.journal.block(node.header.index, encodeHotStuff({ type: 'hsProposal', ...node.parts }))
  return true
}

/**
 * Blocks that come and go without an entry leave records behind that no start needs, empty ones above all: a log holds
 * a bounded number.
 */
export function renewBlocks(hs: HotStuffState): void {
  const { blockRecordsMax, blockBytesMax } = hs.options.limits
  const { records, bytes } = hs.journal.blocksWritten
  if (records < blockRecordsMax && bytes < blockBytesMax) return
  hs.journal.renewBlocks(hs.liveBlocks())
}
