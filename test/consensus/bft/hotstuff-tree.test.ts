/**
 * Shows that the tree of undecided blocks stays bounded and stops nothing: not by blocks of who does not lead, not by
 * rounds that failed, and not by certified blocks alone, which in an idle cluster need not commit for a long time.
 */
import { describe, expect, it } from 'vitest'
import { type BlockHeader, EMPTY_BODY, genesisOf, hashHeader } from '../../../src/consensus/bft/hotstuff/block.js'
import { type BlockNode, BlockTree } from '../../../src/consensus/bft/hotstuff/block-tree.js'
import { genesisQc } from '../../../src/consensus/bft/hotstuff/certificates.js'
import { decodeHotStuff } from '../../../src/consensus/bft/hotstuff/codec.js'
import { decodeState } from '../../../src/consensus/bft/hotstuff/stored-state.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { begun, forgeProposal, isType } from './hotstuff-harness.js'
import { decide } from './steps.js'

const CONTEXT = { clusterId: CLUSTER_ID, configHash: CONFIG_HASH }
const ORIGIN = { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
const GENESIS: BlockNode = { ...genesisOf(sha256, CONTEXT, epoch(0), ORIGIN), parts: null }
const BLOCKS_MAX = 16
const BYTES_MAX = 4096

function child(parent: BlockNode, round: number, by = 'n2', body: Uint8Array = EMPTY_BODY): BlockNode {
  const header: BlockHeader = {
    ...parent.header,
    round,
    height: parent.header.height + 1,
    parentHash: parent.hash,
    parentRound: parent.header.round,
    proposer: nodeId(by),
  }
  const signature = new Uint8Array(64)
  const parts = { header, body, justify: genesisQc(GENESIS), tc: null, signature }
  return { ...hashHeader(sha256, header), parts }
}

const treeOf = (): BlockTree =>
  new BlockTree(GENESIS, { treeBlocksMax: BLOCKS_MAX, treeBytesMax: BYTES_MAX, keptBlocksMax: 1 })

describe('a full tree', () => {
  it('lets go of the oldest rounds that failed, though they are later than the highest certificate', () => {
    const tree = treeOf()
    const tip = child(GENESIS, 1)
    tree.insert(tip, true, { round: 1, keep: [] })
    const failed = Array.from({ length: 100 }, (_, at) => child(tip, 2 + at))
    for (const block of failed) {
      const { round } = block.header
      expect(tree.insert(block, false, { round, keep: [tip] })).toBe(true)
      expect(tree.size).toBeLessThanOrEqual(BLOCKS_MAX)
    }
    expect(tree.has(tip.key)).toBe(true)
    expect(tree.has((failed.at(-2) as BlockNode).key)).toBe(true)
    // What comes late finds no room, and takes nobody's place.
    expect(tree.insert(failed[0] as BlockNode, false, { round: 101, keep: [tip] })).toBe(false)
    expect(tree.has((failed.at(-2) as BlockNode).key)).toBe(true)
  })

  it('lets go of large bodies before there are many', () => {
    const tree = treeOf()
    const body = new Uint8Array(BYTES_MAX / 4)
    for (let round = 1; round < 40; round++) {
      expect(tree.insert(child(GENESIS, round, 'n2', body), false, { round, keep: [GENESIS] })).toBe(true)
      expect(tree.above().length).toBeLessThanOrEqual(4)
    }
  })

  it('keeps what is voted for, and nothing without its parent', () => {
    const tree = treeOf()
    const voted = child(GENESIS, 1)
    const other = child(GENESIS, 1, 'n3')
    const orphan = child(other, 90)
    for (const block of [voted, other, orphan]) tree.insert(block, true, { round: 1, keep: [] })
    for (let round = 2; round < 40; round++) {
      expect(tree.insert(child(GENESIS, round), false, { round, keep: [GENESIS, voted] })).toBe(true)
    }
    expect([voted, other, orphan].map(({ key }) => tree.has(key))).toEqual([true, false, false])
  })

  it('lets in the block of the current round, though certified blocks fill it alone', () => {
    const tree = treeOf()
    let tip = GENESIS
    for (let round = 1; round <= 2 * BLOCKS_MAX; round++) {
      tip = child(tip, round)
      tree.insert(tip, true, { round, keep: [] })
    }
    const round = tip.header.round + 1
    const next = [1, 2, 3].map((height) => child({ ...tip, header: { ...tip.header, height } }, round))
    const areIn = next.map((block) => tree.insert(block, false, { round, keep: [tip] }))
    expect(areIn).toEqual([true, true, false])
    expect(tree.path(GENESIS, tip)?.length).toBe(2 * BLOCKS_MAX)
  })
})

it('who does not lead a round finds no place for its block, in the tree or on the disk', () => {
  const cluster = begun()
  const liar = nodeId('n3')
  cluster.lie(liar)
  const { disk } = cluster.node('n1')
  disk.written = []
  const forged = new Set<string>()
  cluster.onDeliver = (from, to, message) => {
    if (from === liar || to !== 'n1' || !isType(message, 'hsProposal')) return
    const proposal = forgeProposal(cluster, message, { proposer: liar })
    forged.add(hashHeader(sha256, proposal.header).key)
    cluster.inject(liar, to, proposal)
  }
  for (let at = 0; at < 10; at++) decide(cluster, ['n1', 'n2', 'n4'])
  expect(forged.size).toBeGreaterThan(5)
  expect(cluster.rejected).toEqual([])
  const blocks = disk.written.flatMap((bytes) => blockIn(bytes) ?? [])
  expect(blocks.length).toBeGreaterThan(5)
  expect(blocks.filter((key) => forged.has(key))).toEqual([])
})

/** The name of the block in what was written; null where it is a safety record. */
function blockIn(bytes: Uint8Array): string | null {
  try {
    const message = decodeHotStuff(bytes)
    return message.type === 'hsProposal' ? hashHeader(sha256, message.header).key : null
  } catch {
    return null
  }
}

it.each([true, false])(
  'a liar that asks two members for its way back for ever, in an idle cluster: silent %s',
  (isSilent) => {
    const cluster = begun({ seed: 5, batchMax: 1, limits: { treeBlocksMax: 32 } })
    const liar = nodeId('n3')
    cluster.lie(liar)
    cluster.runFor(2000)
    const { core, disk } = cluster.node('n1')
    const before = core.status().round as number
    for (let at = 0; at < 120; at++) {
      for (const to of ['n1', 'n2']) cluster.inject(liar, nodeId(to), { type: 'hsRejoin', epoch: epoch(0), nonce: 1 })
      cluster.runFor(2100)
    }
    const { root } = decodeState(disk.safety as Uint8Array)
    const round = core.status().round as number
    expect(round - before).toBeGreaterThan(64)
    expect(round - (root as BlockHeader).round).toBeLessThan(48)
    if (isSilent) cluster.intercept = (from) => (from === liar ? [] : null)
    decide(cluster, ['n1', 'n2', 'n4'], 100_000)
  },
)
