/**
 * The blocks that may still be committed, as a tree above the last committed one, and a few committed
 * blocks below it for peers that fetch them. Bounded: at most two proposals per round and proposer (two
 * are already evidence), and a limit on all; beyond it what nobody certified goes first, and only blocks of
 * the current round are let in: a path that fills the tree alone can still grow until something commits.
 */
import { assert } from '../../../base/assert.js'
import { toHex } from '../../../base/bytes.js'
import { type HashedHeader, hasPayload } from './block.js'
import type { HotStuffLimits } from './config.js'
import type { BlockParts } from './messages.js'

export interface BlockNode extends HashedHeader {
  /** Null for the genesis block and for a root that is known by its header only. */
  readonly parts: BlockParts | null
}

/** Where there is no room: what goes first, and what stays. */
export interface Crowding {
  /** The current round: blocks of earlier ones that nobody certified go, the oldest first. */
  readonly round: number
  /** These stay with their ancestors. */
  readonly keep: readonly HashedHeader[]
}

const PROPOSALS_PER_ROUND_MAX = 2

export class BlockTree {
  readonly #blocksMax: number
  readonly #bytesMax: number
  readonly #keptMax: number
  readonly #nodes = new Map<string, BlockNode>()
  /** Committed blocks below the root, oldest first. */
  #kept: BlockNode[] = []
  #root: BlockNode

  constructor(root: BlockNode, limits: Pick<HotStuffLimits, 'treeBlocksMax' | 'treeBytesMax' | 'keptBlocksMax'>) {
    this.#root = root
    this.#blocksMax = limits.treeBlocksMax
    this.#bytesMax = limits.treeBytesMax
    this.#keptMax = limits.keptBlocksMax
    this.#nodes.set(root.key, root)
  }

  /** The last committed block. */
  get root(): BlockNode {
    return this.#root
  }

  get size(): number {
    return this.#nodes.size
  }

  /** A block at or above the root. */
  get(hash: Uint8Array): BlockNode | undefined {
    return this.#nodes.get(toHex(hash))
  }

  has(key: string): boolean {
    return this.#nodes.has(key)
  }

  /** The parent, as long as the block is above the root. */
  parentOf = (block: HashedHeader): BlockNode | undefined =>
    block.key === this.#root.key ? undefined : this.get(block.header.parentHash)

  /** Committed blocks below the root too. */
  find(hash: Uint8Array): BlockNode | undefined {
    const key = toHex(hash)
    return this.#nodes.get(key) ?? this.#kept.find((node) => node.key === key)
  }

  /** The committed blocks that are kept, up to the root, oldest first. */
  committed(): BlockNode[] {
    return [...this.#kept, this.#root]
  }

  /** All blocks above the root, in the order in which they came. */
  above(): BlockNode[] {
    return [...this.#nodes.values()].filter((node) => node.key !== this.#root.key)
  }

  /**
   * Takes a block whose parent is held. False where it is known already, or one too many of its round
   * and proposer, or where there is no room and it is of an earlier round. A `certified` block is always taken.
   */
  insert(node: BlockNode, certified: boolean, crowding: Crowding): boolean {
    if (this.#nodes.has(node.key)) return false
    assert(this.get(node.header.parentHash) !== undefined, 'a block is inserted after its parent')
    if (!certified) {
      const { round, proposer } = node.header
      let same = 0
      for (const { header } of this.#nodes.values()) {
        if (header.round === round && header.proposer === proposer) same++
      }
      if (same >= PROPOSALS_PER_ROUND_MAX) return false
      const bytes = bytesOf(node) + this.#bytes()
      if (this.#isOver(bytes)) {
        if (round < crowding.round) return false
        this.#makeRoom(crowding, bytes)
      }
    }
    this.#nodes.set(node.key, node)
    return true
  }

  /** The blocks from above `from` up to `to`, oldest first; null where `to` does not descend from it. */
  path(from: HashedHeader, to: HashedHeader): BlockNode[] | null {
    const path: BlockNode[] = []
    let at = this.#nodes.get(to.key)
    while (at !== undefined && at.key !== from.key) {
      if (at.header.height <= from.header.height) return null
      path.push(at)
      at = this.parentOf(at)
    }
    return at === undefined ? null : path.reverse()
  }

  extends(block: HashedHeader, ancestor: HashedHeader): boolean {
    return this.path(ancestor, block) !== null
  }

  /** Blocks with a payload between the root and `tip`, oldest first. */
  undecided(tip: HashedHeader): BlockNode[] {
    return (this.path(this.#root, tip) ?? []).filter((node) => hasPayload(node.header))
  }

  /** Moves the root up to a descendant; what does not descend from it goes. */
  commit(node: BlockNode): void {
    const path = this.path(this.#root, node)
    assert(path !== null, 'what is committed descends from what was committed')
    const committed = [this.#root, ...path.slice(0, -1)].filter((block) => block.parts !== null)
    this.#kept = [...this.#kept, ...committed].slice(-this.#keptMax)
    this.#root = node
    const stays = new Set([node.key])
    const byHeight = [...this.#nodes.values()].sort((a, b) => a.header.height - b.header.height)
    for (const block of byHeight) {
      if (stays.has(toHex(block.header.parentHash))) stays.add(block.key)
    }
    for (const key of [...this.#nodes.keys()]) if (!stays.has(key)) this.#nodes.delete(key)
  }

  /** After a start: what is stored of the committed blocks, oldest first, up to the root. */
  restore(committed: readonly BlockNode[]): void {
    const root = committed.at(-1)
    if (root === undefined) return
    assert(root.key === this.#root.key, 'what was committed ends at the root')
    this.#kept = committed.slice(0, -1).slice(-this.#keptMax)
    this.#root = root
    this.#nodes.set(root.key, root)
  }

  /** The log was carried beyond the root by other means: the tree begins anew at this committed block. */
  reset(root: BlockNode): void {
    this.#nodes.clear()
    this.#kept = []
    this.#root = root
    this.#nodes.set(root.key, root)
  }

  #bytes(): number {
    let bytes = 0
    for (const node of this.#nodes.values()) bytes += bytesOf(node)
    return bytes
  }

  /** True where there is no place for one block more, with which the bodies come to so many bytes. */
  #isOver(bytes: number): boolean {
    return this.#nodes.size >= this.#blocksMax || bytes > this.#bytesMax
  }

  #makeRoom({ round, keep }: Crowding, bytes: number): void {
    const kept = new Set(keep.flatMap((block) => this.path(this.#root, block) ?? []).map((node) => node.key))
    const byRound = this.above().sort((a, b) => a.header.round - b.header.round)
    let left = bytes
    for (const node of byRound) {
      const isOld = node.header.round < round && this.#isOver(left)
      // What descends from a block that went goes too.
      if (kept.has(node.key) || (!isOld && this.get(node.header.parentHash) !== undefined)) continue
      this.#nodes.delete(node.key)
      left -= bytesOf(node)
    }
  }
}

function bytesOf({ parts }: BlockNode): number {
  return parts?.body.length ?? 0
}
