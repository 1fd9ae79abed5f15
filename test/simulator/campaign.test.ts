/**
 * Shows that production nodes keep their promises under seeded faults, that every kind of fault strikes
 * across a batch of seeds, that leaders change in it, and that a seed decides everything: two runs of
 * one seed give the same trace, byte for byte.
 */
import { describe, expect, it } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { DEFAULT_NODE_LIMITS } from '../../src/node/limits.js'
import { ReadQueue } from '../../src/node/reads.js'
import { isLie } from '../../src/simulator/byzantine/lies.js'
import { nodesOf, runCampaign } from '../../src/simulator/campaign.js'
import { addFaults, FAULT_IDS, noFaults } from '../../src/simulator/fault-counts.js'
import { formatHistory } from '../../src/simulator/history.js'
import { runSeed } from '../../src/simulator/run-seed.js'
import { formatTraceEvent } from '../../src/simulator/trace.js'

describe('a campaign', () => {
  const struck = noFaults()

  it.each([
    [3, 10],
    [5, 14],
    [7, 6],
  ])(
    'of clusters of %i finds nothing in %i seeds, all of which count',
    async (nodes, seeds) => {
      const details: string[] = []
      const report = await runCampaign({
        nodes: [nodes],
        firstSeed: 1,
        seeds,
        workers: 1,
        onSeed: ({ seed, violation }) => {
          if (violation !== null) details.push(`seed ${seed}: ${violation.invariant}: ${violation.detail}`)
        },
      })
      expect(details).toEqual([])
      expect(report).toMatchObject({ seeds, violations: [], viewChanges: null, switches: null })
      expect(report.counted).toBe(seeds)
      expect(report.commits).toBeGreaterThanOrEqual(200 * seeds)
      expect(report.leaderChanges).toBeGreaterThan(seeds)
      addFaults(struck, report.faults)
    },
    120_000,
  )

  it('has seen every fault but lies, which Raft does not bear', () => {
    expect(FAULT_IDS.filter((id) => struck[id] === 0 && !isLie(id))).toEqual([])
  })

  it('splits seeds evenly over several sizes, wherever it begins', () => {
    expect([7, 8, 9, 10].map((seed) => nodesOf([3, 5, 7], seed))).toEqual([5, 7, 3, 5])
  })

  it('is decided by its seed', async () => {
    const run = async (seed: number) => {
      const lines: string[] = []
      const onTrace = (event: Parameters<typeof formatTraceEvent>[0]) => void lines.push(formatTraceEvent(event))
      const { history, ...rest } = await runSeed({ seed, nodes: 3, sha256, onTrace })
      return { ...rest, history: formatHistory(history), trace: lines.join('\n') }
    }
    const first = await run(42)
    expect(first.history).not.toBe('')
    const second = await run(42)
    expect(second.trace === first.trace).toBe(true)
    expect(second).toEqual(first)
    expect((await run(43)).trace).not.toBe(first.trace)
    // Looking on changes nothing.
    const { history, ...unseen } = await runSeed({ seed: 42, nodes: 3, sha256 })
    const { trace: _trace, ...seen } = first
    expect({ ...unseen, history: formatHistory(history) }).toEqual(seen)
  })
})

describe('what the simulator found', () => {
  it('a read falls due at its deadline, even where a difference of times would round below it', () => {
    const limits = DEFAULT_NODE_LIMITS
    const asked: number[] = []
    const reads = new ReadQueue({ limits, firstId: 1, begin: (id) => void asked.push(id) })
    const askedMs = 3794.2234567
    reads.add(() => {}, false)
    reads.beginRound(askedMs)
    const dueMs = reads.deadline() as number
    expect(dueMs - askedMs).toBeLessThan(limits.readRetryMs)
    reads.retry(dueMs)
    expect(asked).toHaveLength(2)
  })
})
