/**
 * Restarts: whatever a replica said it says again, byte for byte, and nothing else. The cluster watches
 * that no honest replica ever releases two digests for one slot; here it is crashed at every point.
 */
import { describe, expect, it } from 'vitest'
import { EpochContext } from '../../../src/consensus/bft/epoch.js'
import { SafetyRules } from '../../../src/consensus/bft/pbft/safety-rules.js'
import type { SignedStatement } from '../../../src/consensus/bft/statement.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { ByzantineDisk } from './byzantine-disk.js'
import { replicasOf, signAs } from './keys.js'
import { pbftCluster, pbftCore } from './pbft-harness.js'

const N1 = nodeId('n1')
const digest = (n: number): Uint8Array => sha256(Uint8Array.of(n))

function rules(maySign = true): SafetyRules {
  const ports = { sha256, clusterId: CLUSTER_ID, clusterConfigHash: CONFIG_HASH }
  const origin = { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
  const context = new EpochContext(ports, epoch(0), origin, { index: logIndex(0), membership: replicasOf(4) })
  return new SafetyRules(N1, signAs('n1'), { context, view: 0, active: true, silent: !maySign })
}

describe('the double-sign guard', () => {
  it('repeats itself and never says another digest', () => {
    const guard = rules()
    for (const type of ['prepare', 'commit'] as const) {
      const first = guard.vote(type, 3, digest(1))
      expect(guard.vote(type, 3, digest(1))).toBe(first)
      expect(() => guard.vote(type, 3, digest(2))).toThrow('one digest per slot')
    }
    guard.checkpoint(8, digest(1), digest(2))
    expect(() => guard.checkpoint(8, digest(1), digest(3))).toThrow('one digest per slot')
  })

  it('signs nothing in a view that it left, and enters each view once', () => {
    const guard = rules()
    guard.leaveFor(1, digest(1))
    expect(() => guard.vote('prepare', 5, digest(1))).toThrow('votes no more')
    expect(() => guard.leaveFor(1, digest(2))).toThrow('views only grow')
    guard.enter(1)
    expect(() => guard.enter(1)).toThrow('begins once')
    expect(() => guard.enter(0)).toThrow('begins once')
    expect(guard.vote('prepare', 5, digest(1)).view).toBe(1)
  })

  it('signs nothing for what is decided', () => {
    const guard = rules()
    guard.decided(4)
    expect(() => guard.vote('commit', 4, digest(1))).toThrow('needs no vote')
    expect(guard.vote('commit', 5, digest(1)).sequence).toBe(5)
  })

  it('knows after a restart what it signed before', () => {
    const signed = rules().vote('prepare', 3, digest(1))
    const guard = rules()
    guard.remember(signed)
    expect(guard.vote('prepare', 3, digest(1))).toBe(signed)
    expect(() => guard.vote('prepare', 3, digest(2))).toThrow('one digest per slot')
  })

  it('signs nothing without knowledge of the past', () => {
    expect(() => rules(false).vote('prepare', 3, digest(1))).toThrow('signs nothing')
  })
})

describe('a replica whose safety record is gone', () => {
  it('follows and signs nothing', () => {
    const cluster = pbftCluster()
    const names = [cluster.submit(), cluster.submit()]
    cluster.runFor(500, () => names.every((name) => cluster.executedBy(name)))
    const node = cluster.node('n4')
    cluster.crash(node)
    node.disk.safety = null
    const back = cluster.restart(node)
    const later = cluster.submit()
    expect(cluster.runFor(5000, () => cluster.executedBy(later))).toBe(true)
    expect(back.core.status().mayVote).toBe(false)
  })
})

describe('everything that leaves a replica', () => {
  it('is on its disk first, signature included', () => {
    const cluster = pbftCluster()
    for (const node of cluster.honest) node.disk.written = []
    let checked = 0
    cluster.intercept = (from, _to, message) => {
      const isOwn = 'vote' in message && message.vote.signer === from
      if (!isOwn) return null
      const signature = Buffer.from(message.vote.signature)
      const written = cluster.node(from).disk.written ?? []
      if (!written.some((bytes) => Buffer.from(bytes).includes(signature)))
        throw new Error(`${message.type} of ${message.vote.type} left early`)
      checked++
      return null
    }
    const names = Array.from({ length: 30 }, () => cluster.submit())
    cluster.runFor(3000, () => names.every((name) => cluster.executedBy(name)))
    cluster.rotate(cluster.node('n1'))
    names.push(cluster.submit())
    expect(cluster.runFor(5000, () => names.every((name) => cluster.executedBy(name)))).toBe(true)
    cluster.crash(cluster.node('n2'))
    names.push(cluster.submit())
    expect(cluster.runFor(9000, () => cluster.executedBy(names.at(-1) as string))).toBe(true)
    expect(checked).toBeGreaterThan(100)
  })

  it('a prepared certificate outlives a restart of all: the next view keeps its value', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.intercept = (_from, _to, message) => {
      if (message.type === 'pbftVote' && message.vote.type === 'commit') return []
      return message.type === 'pbftStatus' ? [] : null
    }
    const name = cluster.submit()
    cluster.runFor(100)
    const prepared = cluster.node('n2').core.status().lastIndex + 1
    for (const node of [...cluster.honest]) cluster.crash(node)
    // The requests themselves are lost with their clients: only the certificate knows the value.
    for (const node of cluster.honest) node.pool.clear()
    // Nobody hears the votes of view 0 again: the certificate has to come from the disk.
    cluster.intercept = (_from, _to, message) =>
      message.type === 'pbftVote' && message.vote.view === 0 && message.vote.type !== 'checkpoint' ? [] : null
    for (const id of ['n2', 'n3', 'n4']) cluster.restart(cluster.node(id))
    expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
    expect(cluster.watch.log[prepared - 1]?.kind).toBe('data')
  })
})

describe('crash at every point', () => {
  it('of the primary: it re-sends what it signed, and signs nothing anew', () => {
    for (let at = 1; at <= 60; at++) {
      const cluster = pbftCluster({ seed: at })
      cluster.runFor(at * 0.5)
      const first = [cluster.submit(), cluster.submit(), cluster.submit()]
      cluster.runFor(at * 0.25)
      cluster.crash(cluster.node('n1'))
      cluster.restart(cluster.node('n1'))
      const name = cluster.submit()
      const all = (): boolean => [...first, name].every((one) => cluster.executedBy(one))
      expect(cluster.runFor(15_000, all), `crash ${at}`).toBe(true)
    }
  })

  it('of all at once, also during a view change', () => {
    for (let at = 1; at <= 40; at++) {
      const cluster = pbftCluster({ seed: at })
      cluster.runFor(100)
      const first = [cluster.submit(), cluster.submit()]
      cluster.runFor(at * 0.2)
      if (at % 2 === 0) cluster.rotate(cluster.node('n1'))
      cluster.runFor(at * 0.3)
      for (const id of ['n1', 'n2', 'n3', 'n4']) cluster.crash(cluster.node(id))
      for (const id of ['n1', 'n2', 'n3', 'n4']) cluster.restart(cluster.node(id))
      const name = cluster.submit()
      const all = (): boolean => [...first, name].every((one) => cluster.executedBy(one))
      expect(cluster.runFor(20_000, all), `crash ${at}`).toBe(true)
    }
  })

  it('after a compaction nothing of the open slots is forgotten', () => {
    const cluster = pbftCluster({ batchMax: 1 })
    const names = Array.from({ length: 20 }, () => cluster.submit())
    cluster.runFor(2000, () => names.every((name) => cluster.executedBy(name)))
    cluster.runFor(100)
    cluster.intercept = (_from, _to, message) =>
      message.type === 'pbftVote' && message.vote.type === 'commit' ? [] : null
    const open = [cluster.submit(), cluster.submit()]
    cluster.runFor(100)
    const released: SignedStatement[] = []
    for (const node of cluster.honest) {
      cluster.snapshot(node, 16)
      expect(node.disk.pending.length).toBeGreaterThan(0)
    }
    cluster.runFor(100)
    for (const node of cluster.honest) expect(node.disk.pending.length).toBeGreaterThan(0)
    for (const node of [...cluster.honest]) cluster.crash(node)
    cluster.intercept = () => null
    cluster.onDeliver = (_from, _to, message) => {
      if (message.type === 'pbftVote' && message.vote.type === 'commit') released.push(message.vote)
    }
    for (const node of [...cluster.honest]) cluster.restart(node)
    expect(cluster.runFor(5000, () => open.every((name) => cluster.executedBy(name)))).toBe(true)
    expect(released.some(({ view }) => view === 0)).toBe(true)
  })

  it('a tail shorter than the window is read back before a view change', () => {
    const cluster = pbftCluster({ batchMax: 1, settings: { checkpointInterval: 64, windowSlots: 128 } })
    const names = Array.from({ length: 20 }, () => cluster.submit())
    expect(cluster.runFor(5000, () => names.every((name) => cluster.executedBy(name)))).toBe(true)
    const node = cluster.node('n2')
    cluster.crash(node)
    const restored = node.disk.restored(2)
    const disk = new ByzantineDisk()
    expect(disk.entries).toEqual([])
    const now = { monotonicMs: cluster.nowMs, wallMs: cluster.nowMs }
    const random = (): number => 0.5
    const core = pbftCore({ self: node.id, membership: replicasOf(4), sign: signAs('n2'), random, restored, now })
    const effects = core.step({ type: 'tick' }, now)
    const load = effects.find((effect) => effect.type === 'load')
    expect(load).toMatchObject({ peer: node.id, from: 1 })
    const late = { ...now, monotonicMs: now.monotonicMs + 5000 }
    core.step({ type: 'demand', waitingSinceMs: now.monotonicMs }, now)
    expect(
      core
        .step({ type: 'tick' }, late)
        .some((effect) => effect.type === 'send' && effect.message.type === 'pbftViewChange'),
    ).toBe(false)
    core.step({ type: 'loaded', peer: node.id, from: logIndex(1), entries: node.disk.entries }, late)
    const later = { ...now, monotonicMs: now.monotonicMs + 20_000 }
    expect(
      core
        .step({ type: 'tick' }, later)
        .some((effect) => effect.type === 'send' && effect.message.type === 'pbftViewChange'),
    ).toBe(true)
  })
})
