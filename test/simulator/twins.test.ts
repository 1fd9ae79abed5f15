/**
 * Shows by Twins that a member which is two instances of the core under one key splits nobody, in every
 * partition of a few phases and in seeded ones beyond; and that the check would see a fork: with more
 * twins than the protocol bears there is one.
 */
import { describe, expect, it } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { allScenarios, drawScenario, partitionsOf, runTwins } from '../../src/simulator/twins/twins.js'

const PROTOCOLS = ['pbft', 'hotstuff'] as const

it('partitions are all there, each once', () => {
  expect(partitionsOf(5, 2)).toHaveLength(16)
  expect(partitionsOf(5, 5)).toHaveLength(52)
  expect(new Set(partitionsOf(5, 3).map(String)).size).toBe(41)
})

describe.each(PROTOCOLS)('%s', (protocol) => {
  it('splits in no scenario of two phases', { timeout: 120_000 }, () => {
    let decided = 0
    let scenarios = 0
    for (const scenario of allScenarios(4, 2, 2)) {
      const result = runTwins(protocol, 4, scenario, sha256)
      expect(result.fork, JSON.stringify(scenario)).toBeNull()
      decided += result.decided
      scenarios++
    }
    expect(scenarios).toBe(16 * 16 * 4)
    expect(decided).toBeGreaterThan(scenarios / 2)
  })

  it('splits in no drawn scenario of up to seven members and eight phases', { timeout: 120_000 }, () => {
    for (let seed = 1; seed <= 40; seed++) {
      const nodes = 4 + (seed % 4)
      const scenario = drawScenario(seed, { nodes, twins: nodes === 7 ? 2 : 1, phases: 8 })
      expect(runTwins(protocol, nodes, scenario, sha256).fork, JSON.stringify(scenario)).toBeNull()
    }
  })

  it('with two twins of four the halves decide differently, and it is seen', () => {
    // n1, n2 and n3 in one half, their twins and n4 in the other: each half is a quorum.
    const halves = [0, 0, 0, 1, 1, 1]
    const scenario = { twinned: [0, 1], phases: [halves, halves, halves, halves, halves, halves] }
    expect(runTwins(protocol, 4, scenario, sha256).fork).toMatch(/decided differently/)
  })
})
