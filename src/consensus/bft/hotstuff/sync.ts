/**
 * Catching up. A certificate for a block that is not here makes this node fetch it with its ancestors, by
 * hash, from whoever has them. Where they reach too far back, decided entries are fetched instead, each
 * with its proof, and where those are gone a snapshot at a certified checkpoint. One question is open at
 * a time; unanswered it goes to the next peer.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { NodeId } from '../../types.js'
import { type HashedHeader, hashHeader, hasPayload, linkProblem } from './block.js'
import type { BlockNode } from './block-tree.js'
import { takeWaiting } from './blocks.js'
import { onQc } from './certified.js'
import { encodeHotStuff } from './codec.js'
import { insertBlock } from './insert.js'
import type { BlockParts, HsBlocks, HsFetchBlocks } from './messages.js'
import { ask, wantBlock } from './questions.js'
import type { HotStuffState } from './state.js'
import type { WantedBlock } from './sync-state.js'

/** Answers with the block and its ancestors above the asked height, as far as they are here. */
export function handleFetchBlocks(hs: HotStuffState, from: NodeId, { epoch, hash, height }: HsFetchBlocks): void {
  if (epoch !== hs.epoch) return
  const { answerBlocksMax, answerBytesMax } = hs.options.limits
  const blocks: BlockParts[] = []
  let bytes = 0
  let node = hs.tree.find(hash)
  while (node !== undefined && node.parts !== null && node.header.height >= height && blocks.length < answerBlocksMax) {
    bytes += node.parts.body.length
    if (blocks.length > 0 && bytes > answerBytesMax) break
    blocks.push(node.parts)
    node = hs.tree.find(node.header.parentHash)
  }
  hs.send(from, { type: 'hsBlocks', epoch, hash, blocks, committedIndex: hs.log.last.index })
}

export function handleBlocks(
  hs: HotStuffState,
  _from: NodeId,
  { epoch, hash, blocks, committedIndex }: HsBlocks,
): void {
  const { sync } = hs
  const { wanted } = sync
  if (epoch !== hs.epoch || wanted === null || !bytesEqual(hash, wanted.next)) return
  sync.unanswered = 0
  for (const parts of blocks) {
    const block = hashHeader(hs.modules.sha256, parts.header)
    if (!bytesEqual(block.hash, wanted.next)) return
    wanted.blocks.push(parts)
    wanted.next = parts.header.parentHash
    beginAtDecided(hs, wanted)
    if (link(hs)) return
  }
  const isOver = wanted.blocks.length > hs.options.limits.treeBlocksMax
  const isBelow = wanted.blocks.some(({ header }) => header.height <= hs.tree.root.header.height)
  if (isOver || isBelow || (committedIndex > hs.log.last.index && blocks.length < hs.options.limits.answerBlocksMax)) {
    sync.wanted = null
    sync.wantEntries()
  }
  // An empty answer waits for its turn, so that nobody is asked in circles.
  if (blocks.length > 0 || sync.needsEntries) ask(hs)
}

/**
 * Where the last blocks that came, all certified, decide an empty one that follows the own log: the tree begins
 * there. Nothing but empty blocks lies between, of which the others keep a few only.
 */
function beginAtDecided(hs: HotStuffState, wanted: WantedBlock): void {
  const { rule, tree, log, modules } = hs
  const row = wanted.blocks.slice(-rule.length).map((parts) => ({ ...hashHeader(modules.sha256, parts.header), parts }))
  const [certified, first] = [row[0] as BlockNode, row.at(-1) as BlockNode]
  const parentOf = ({ header }: HashedHeader) => row.find(({ hash }) => bytesEqual(hash, header.parentHash))
  if (rule.committed(certified, parentOf)?.key !== first.key) return
  const { header, parts } = first
  const isNext = !hasPayload(header) && header.index === log.last.index + 1
  if (!isNext || header.height <= tree.root.header.height) return
  wanted.blocks.pop()
  wanted.next = first.hash
  tree.reset(first)
  hs.journal.block(header.index, encodeHotStuff({ type: 'hsProposal', ...(parts as BlockParts) }))
  hs.journal.safety()
}

/** Where what came reaches a block of the tree: takes all of it, oldest first. True when it did. */
function link(hs: HotStuffState): boolean {
  const { sync, tree } = hs
  if (sync.wanted === null || tree.get(sync.wanted.next) === undefined) return false
  const { blocks } = sync.wanted
  sync.wanted = null
  sync.retryAtMs = null
  for (const parts of blocks.reverse()) {
    const parent = hs.tree.get(parts.header.parentHash)
    if (parent === undefined || linkProblem(parts.header, parent) !== null) break
    const node: BlockNode = { ...hashHeader(hs.modules.sha256, parts.header), parts: { ...parts, tc: null } }
    insertBlock(hs, node, parent, true)
    // What it justifies is verified with it, and may commit.
    onQc(hs, parts.justify)
  }
  afterCatchUp(hs)
  return true
}

/** Looks again at what had to wait for a block. */
export function afterCatchUp(hs: HotStuffState): void {
  onQc(hs, hs.highQc)
  takeWaiting(hs)
  if (hs.tip === undefined) wantBlock(hs, hs.highQc)
  // A block may have been wanted all along, behind the entries.
  if (hs.sync.retryAtMs === null) ask(hs)
}
