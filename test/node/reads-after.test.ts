/**
 * Shows that a read which a client placed behind an index of its own is served once that index is applied,
 * not before, and is refused in time where it never is; such reads are bounded like all others.
 */
import { expect, test } from 'vitest'
import { logIndex } from '../../src/consensus/types.js'
import { DEFAULT_NODE_LIMITS } from '../../src/node/limits.js'
import { type ReadCallback, ReadQueue } from '../../src/node/reads.js'

const LIMITS = { ...DEFAULT_NODE_LIMITS, queriesWaitingMax: 2, readTimeoutMs: 100 }

function queue(): ReadQueue {
  return new ReadQueue({ limits: LIMITS, firstId: 1, begin: () => {} })
}

test('it waits for its index, and for nothing else', () => {
  const reads = queue()
  const told: Parameters<ReadCallback>[0][] = []
  expect(reads.addAfter(logIndex(5), 0, (refusal) => told.push(refusal))).toBe(true)
  reads.beginRound(0)
  reads.serve(logIndex(4))
  expect(told).toEqual([])
  reads.serve(logIndex(5))
  expect(told).toEqual([null])
  expect(reads.isIdle).toBe(true)
})

test('an index that is never reached is refused when its time is over, which the queue asks to be woken for', () => {
  const reads = queue()
  const told: Parameters<ReadCallback>[0][] = []
  reads.addAfter(logIndex(2 ** 52), 1_000, (refusal) => told.push(refusal))
  expect(reads.deadline()).toBe(1_100)
  reads.retry(1_099)
  expect(told).toEqual([])
  reads.retry(1_100)
  expect(told).toEqual([{ code: 'DeadlineExceeded', leader: null }])
  expect(reads.deadline()).toBeUndefined()
  reads.serve(logIndex(2 ** 52))
  expect(told).toHaveLength(1)
})

test('too many are not taken', () => {
  const reads = queue()
  for (const _ of [1, 2]) expect(reads.addAfter(logIndex(9), 0, () => {})).toBe(true)
  expect(reads.addAfter(logIndex(9), 0, () => {})).toBe(false)
  reads.retry(100)
  expect(reads.addAfter(logIndex(9), 100, () => {})).toBe(true)
})
