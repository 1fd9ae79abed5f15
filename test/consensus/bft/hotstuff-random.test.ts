/**
 * Seeded random runs: losses, duplicates, late messages, slow disks, crashes and partitions over
 * clusters of four to seven HotStuff replicas, without liars and with as many as may lie. At every step
 * honest replicas agree, never sign twice and are never accused (the watch of the harness); after the
 * faults end everything that was asked for is decided.
 */
import { describe, expect, it } from 'vitest'
import { timeoutStatement } from '../../../src/consensus/bft/hotstuff/certificates.js'
import { type SignedStatement, type Statement, signBytes } from '../../../src/consensus/bft/statement.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import type { NodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import { type ByzantineCluster, CALM } from './cluster.js'
import { begun, forgeProposal, isType } from './hotstuff-harness.js'
import { signAs } from './keys.js'

function faulty(seed: number, liars: boolean, commitRule: 2 | 3 = 3): void {
  const cluster = begun({ seed, count: 4 + (seed % 4), limits: { keptBlocksMax: 8 }, commitRule })
  const ids = [...cluster.nodes.keys()]
  const { random } = cluster
  const pick = () => ids[Math.floor(random() * ids.length)] as NodeId
  if (liars) lie(cluster, ids.slice(0, Math.floor((ids.length - 1) / 3)))
  const honest = ids.filter((id) => !cluster.watch.liars.has(id))
  cluster.faults = { drop: 0.05, duplicate: 0.05, delayMaxMs: 20, storeMaxMs: 10, verifyMaxMs: 3 }
  for (let at = 0; at < 50; at++) {
    const roll = random()
    if (roll < 0.1) cluster.crash(cluster.node(pick()))
    else if (roll < 0.35) for (const id of ids) if (random() < 0.5) cluster.restart(cluster.node(id))
    if (roll > 0.9) cluster.partition([pick()], ids)
    else if (roll > 0.8) cluster.heal()
    cluster.submit()
    cluster.runFor(random() * 600)
  }
  cluster.faults = CALM
  cluster.heal()
  for (const id of ids) cluster.restart(cluster.node(id))
  const last = cluster.submit()
  const nodes = () => honest.map((id) => cluster.node(id))
  expect(
    cluster.runFor(120_000, () => cluster.executedBy(last, nodes())),
    `seed ${seed} goes on`,
  ).toBe(true)
  const isEqual = () => new Set(nodes().map((node) => node.executed)).size === 1
  expect(cluster.runFor(60_000, isEqual), `seed ${seed} ends with ${nodes().map((node) => node.executed)}`).toBe(true)
}

/** Small lies, signed as they should be: another value, another vote, an older certificate, silence, the past. */
function lie(cluster: ByzantineCluster, liars: readonly NodeId[]): void {
  cluster.lie(...liars)
  const past: ProtocolMessage[] = []
  const sign = (by: NodeId, statement: Statement): SignedStatement => {
    const configHash = cluster.node(by).core.configHash()
    return {
      ...statement,
      signer: by,
      signature: signAs(by)(signBytes({ clusterId: CLUSTER_ID, configHash }, statement)),
    }
  }
  cluster.intercept = (from, _to, message) => {
    if (!cluster.watch.liars.has(from)) return null
    past.push(message)
    if (past.length > 200) past.shift()
    const roll = cluster.random()
    if (roll < 0.15) return []
    if (roll < 0.25) return [message, past[Math.floor(cluster.random() * past.length)] as ProtocolMessage]
    if (roll < 0.5 && isType(message, 'hsProposal')) {
      const timestampMs = message.header.timestampMs + Math.floor(cluster.random() * 3)
      const forged = forgeProposal(cluster, message, { timestampMs })
      return cluster.random() < 0.5 ? [forged] : [message, forged]
    }
    if (roll < 0.5 && isType(message, 'hsVote')) {
      const other = { ...message.vote, digest: sha256(message.vote.digest) }
      return [{ ...message, vote: sign(from, other) }, message]
    }
    if (roll < 0.5 && isType(message, 'hsTimeout')) {
      const { view, epoch } = message.timeout
      return [message, { ...message, timeout: sign(from, timeoutStatement(epoch, view, 0)) }]
    }
    return null
  }
}

const SEEDS = Array.from({ length: Number(process.env.KNHK_SEEDS ?? 12) }, (_, i) => i + 1)

describe('random runs', () => {
  it.each(SEEDS)('seed %i', (seed) => faulty(seed, false))
  it.each(SEEDS)('seed %i, with liars', (seed) => faulty(1000 + seed, true))
  it.each(SEEDS)('seed %i, with liars, two blocks in a row deciding', (seed) => faulty(2000 + seed, true, 2))
})
