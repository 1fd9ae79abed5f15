/** Blocks enter the tree, and the block store with it: what is voted on can be linked up after a crash. */
import type { BlockNode } from './block-tree.js'
import { encodeHotStuff } from './codec.js'
import type { HotStuffState } from './state.js'

/** Takes a block whose parent is in the tree. False where it is known, or there is no room for it. */
export function insertBlock(hs: HotStuffState, node: BlockNode, isCertified: boolean): boolean {
  const { tree, genesis, tip } = hs
  if (node.parts === null || !tree.insert(node, isCertified, tip ?? genesis)) return false
  hs.journal.block(node.header.index, encodeHotStuff({ type: 'hsProposal', ...node.parts }))
  return true
}
