/**
 * Which block a certified block commits, and which it locks (Yin et al., section 5; DiemBFT v4 for two).
 * Three certified blocks that are direct parents in contiguous rounds commit the first. The test of the
 * rounds matters: where rounds can be skipped, parents alone would let two branches commit (the flaw of
 * Fast-HotStuff without it).
 */
import type { HashedHeader } from './block.js'

/** The parent of a block as far as this node holds it. */
export type ParentOf = (block: HashedHeader) => HashedHeader | undefined

export class CommitRule {
  /** Certified blocks in a row that commit the first of them. */
  readonly length: 2 | 3

  constructor(length: 2 | 3) {
    this.length = length
  }

  /** The newest block that `certified`, of which a QC is held, commits; null for none. */
  committed(certified: HashedHeader, parentOf: ParentOf): HashedHeader | null {
    let block = certified
    for (let depth = 1; depth < this.length; depth++) {
      const parent = parentOf(block)
      if (parent === undefined || !this.linked(parent, block)) return null
      block = parent
    }
    return block
  }

  /** What nobody may vote against once `certified` has a QC; undefined where it is not held. */
  locked(certified: HashedHeader, parentOf: ParentOf): HashedHeader | undefined {
    return this.length === 2 ? certified : parentOf(certified)
  }

  /** True when the child follows in the very next round. */
  protected linked(parent: HashedHeader, child: HashedHeader): boolean {
    return child.header.round === parent.header.round + 1
  }
}
