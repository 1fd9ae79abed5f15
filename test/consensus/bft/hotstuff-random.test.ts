/**
 * Seeded random runs: losses, duplicates, late messages, slow disks, crashes and partitions over
 * clusters of four to seven HotStuff replicas. At every step honest replicas agree and never sign
 * twice (the watch of the harness); after the faults end everything that was asked for is decided.
 */
import { describe, expect, it } from 'vitest'
import { CALM } from './cluster.js'
import { begun } from './hotstuff-harness.js'

function run(seed: number): void {
  const count = 4 + (seed % 4)
  const cluster = begun({ seed, count })
  const ids = [...cluster.nodes.keys()]
  const { random } = cluster
  const pick = () => ids[Math.floor(random() * ids.length)] as (typeof ids)[number]
  const names: string[] = []
  cluster.faults = { drop: 0.05, duplicate: 0.05, delayMaxMs: 20, storeMaxMs: 10, verifyMaxMs: 3 }
  for (let at = 0; at < 60; at++) {
    const roll = random()
    if (roll < 0.1) cluster.crash(cluster.node(pick()))
    else if (roll < 0.35) for (const id of ids) if (random() < 0.5) cluster.restart(cluster.node(id))
    if (roll > 0.9) cluster.partition([pick()], ids)
    else if (roll > 0.8) cluster.heal()
    names.push(cluster.submit())
    cluster.runFor(random() * 600)
  }
  cluster.faults = CALM
  cluster.heal()
  for (const id of ids) cluster.restart(cluster.node(id))
  // Whoever was down when a request came is given it again, as its client would.
  names.push(cluster.submit())
  const last = names.at(-1) as string
  expect(
    cluster.runFor(60_000, () => cluster.executedBy(last)),
    `seed ${seed} goes on`,
  ).toBe(true)
  const lengths = cluster.honest.map((node) => node.executed)
  expect(
    cluster.runFor(60_000, () => new Set(cluster.honest.map((node) => node.executed)).size === 1),
    `${lengths}`,
  ).toBe(true)
}

describe('random runs', () => {
  it.each(Array.from({ length: Number(process.env['KNHK_SEEDS'] ?? 20) }, (_, i) => i + 1))('seed %i', (seed) =>
    run(seed),
  )
})
