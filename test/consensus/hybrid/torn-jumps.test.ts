/**
 * Crashes in the middle of a jump: a member that was away is given a snapshot of a later epoch, and its disk has taken
 * the record of that epoch and not the new beginning of the log, or both and no more. It comes up in that
 * epoch, behind that snapshot, and is needed there.
 */
import { describe, expect, it } from 'vitest'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { describeNodes, orderMode, settle } from '../bft/steps.js'
import type { Cut } from '../disk.js'
import { hybridCluster } from './harness.js'

const INTERVAL = 8
const CUTS: readonly Cut[] = ['beforeBase', 'afterBase']
const MODES = ['pbft', 'hotstuff'] as const

function write(cluster: ByzantineCluster, count: number): void {
  for (let i = 0; i < count; i++) settle(cluster, [cluster.submit()])
}

const up = (cluster: ByzantineCluster): Node[] => [...cluster.nodes.values()].filter((node) => node.up)

function compactAt(cluster: ByzantineCluster, index: number): void {
  const nodes = up(cluster)
  for (const node of nodes) cluster.snapshot(node, index)
  const isDone = (): boolean => nodes.every((node) => node.core.status().firstIndex === index + 1)
  expect(cluster.runFor(10_000, isDone), describeNodes(cluster)).toBe(true)
}

function compact(cluster: ByzantineCluster): void {
  const least = Math.min(...up(cluster).map(({ executed }) => executed))
  compactAt(cluster, least - (least % INTERVAL))
}

function awayOf(cluster: ByzantineCluster): Node {
  return up(cluster).find((node) => node.id !== cluster.leader()?.id) as Node
}

function reach(cluster: ByzantineCluster, mode: string, epoch: number): void {
  const isThere = (node: Node): boolean => node.core.status().mode === mode && node.core.status().epoch === epoch
  expect(
    cluster.runFor(60_000, () => up(cluster).every(isThere)),
    describeNodes(cluster),
  ).toBe(true)
}

/** Starts it, crashes it where its next write changes the base, and starts it once more. */
function tear(cluster: ByzantineCluster, away: Node, cut: Cut, isUseless = false): Node {
  const { id } = cluster.restart(away)
  const { disk } = cluster.node(id)
  disk.failpoint = cut
  const isCut = (): boolean => !cluster.node(id).up
  expect(cluster.runFor(20_000, isCut), describeNodes(cluster)).toBe(true)
  if (isUseless) cluster.loseSnapshots(cluster.node(id))
  return cluster.restart(cluster.node(id))
}

/** It executes what the others do, after a further start too, and without it there is no quorum. */
function expectNeeded(cluster: ByzantineCluster, { id }: Node): void {
  write(cluster, 3)
  cluster.crash(cluster.node(id))
  write(cluster, 1)
  cluster.restart(cluster.node(id))
  write(cluster, 3)
  cluster.crash(up(cluster).find((node) => node.id !== id) as Node)
  write(cluster, 3)
  expect(cluster.rejected).toEqual([])
}

describe('a crash in the middle of a jump', () => {
  for (const cut of CUTS) {
    for (const bft of MODES) {
      it(`into the middle of an epoch (${bft}, ${cut})`, () => {
        const cluster = hybridCluster({ bft, seed: 21 })
        write(cluster, 3)
        const away = awayOf(cluster)
        cluster.crash(away)
        write(cluster, 3)
        orderMode(cluster, 'bft', up(cluster))
        write(cluster, 20)
        compact(cluster)
        write(cluster, 3)
        const { id } = tear(cluster, away, cut)
        write(cluster, 1)
        expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, epoch: 1, mayVote: true })
        expectNeeded(cluster, cluster.node(id))
      })

      it(`to the beginning of an epoch of Raft (after ${bft}, ${cut})`, () => {
        const cluster = hybridCluster({ bft, seed: 11, residencyMs: 1000 })
        write(cluster, 3)
        const away = awayOf(cluster)
        cluster.crash(away)
        orderMode(cluster, 'bft', up(cluster))
        reach(cluster, bft, 1)
        write(cluster, 12)
        for (let tries = 0; tries < 5 && up(cluster).some(({ core }) => core.status().epoch < 2); tries++) {
          cluster.runFor(6000)
          orderMode(cluster, 'raft', up(cluster))
        }
        reach(cluster, 'raft', 2)
        const wedge = cluster.watch.log.findLast(({ kind, epoch }) => kind === 'mode' && epoch === 1)
        compactAt(cluster, wedge?.index ?? 0)
        write(cluster, 2)
        const { id } = tear(cluster, away, cut)
        write(cluster, 1)
        expect(cluster.node(id).core.status()).toMatchObject({ mode: 'raft', epoch: 2, mayVote: true })
        expectNeeded(cluster, cluster.node(id))
      })
    }

    for (const bft of MODES) {
      it(`of a member with a longer branch that lost (${bft}, ${cut})`, () => {
        const cluster = hybridCluster({ bft, seed: 5, count: 7, batchMax: 1 })
        write(cluster, 3)
        const away = awayOf(cluster)
        const leader = cluster.leader() as Node
        const pair = [away.id, leader.id]
        const others = up(cluster).filter(({ id }) => !pair.includes(id))
        cluster.partition(
          pair,
          others.map(({ id }) => id),
        )
        for (let i = 0; i < 60; i++) cluster.submit([leader.id])
        cluster.runFor(100)
        for (const id of pair) cluster.crash(cluster.node(id))
        cluster.heal()
        write(cluster, 3)
        orderMode(cluster, 'bft', up(cluster))
        reach(cluster, bft, 1)
        write(cluster, 16)
        compact(cluster)
        expect(away.disk.lastIndex).toBeGreaterThan(cluster.node(others[0]?.id ?? '').core.status().lastIndex)
        const { id } = tear(cluster, away, cut)
        write(cluster, 3)
        expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, epoch: 1, mayVote: true })
        write(cluster, 3)
      })
    }

    it(`to the end of the epoch that it is in (${cut})`, () => {
      const cluster = hybridCluster({ seed: 7 })
      write(cluster, 3)
      const away = awayOf(cluster)
      cluster.crash(away)
      write(cluster, 24)
      compact(cluster)
      orderMode(cluster, 'bft', up(cluster))
      reach(cluster, 'pbft', 1)
      const { id } = tear(cluster, away, cut)
      expect(cluster.node(id).disk.aborts).toHaveLength(1)
      write(cluster, 1)
      expect(cluster.node(id).core.status()).toMatchObject({ mode: 'pbft', epoch: 1, mayVote: true })
      expectNeeded(cluster, cluster.node(id))
    })

    it(`or of what a leader of Raft gives within its epoch (${cut})`, () => {
      const cluster = hybridCluster({ seed: 2 })
      write(cluster, 3)
      const away = awayOf(cluster)
      cluster.crash(away)
      write(cluster, 24)
      compact(cluster)
      const { id } = tear(cluster, away, cut)
      write(cluster, 1)
      expect(cluster.node(id).core.status()).toMatchObject({ mode: 'raft', epoch: 0, mayVote: true })
      expectNeeded(cluster, cluster.node(id))
    })
  }

  for (const bft of MODES) {
    it(`after which the snapshot is gone (${bft})`, () => {
      const cluster = hybridCluster({ bft, seed: 21 })
      write(cluster, 3)
      const away = awayOf(cluster)
      cluster.crash(away)
      write(cluster, 3)
      orderMode(cluster, 'bft', up(cluster))
      reach(cluster, bft, 1)
      write(cluster, 20)
      compact(cluster)
      const { id } = tear(cluster, away, 'beforeBase', true)
      expect(cluster.node(id).core.status().mayVote).toBe(false)
      write(cluster, 3)
      expect(cluster.counts.installs).toBe(1)
    })
  }
})
