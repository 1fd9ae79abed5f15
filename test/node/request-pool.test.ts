/**
 * What a replica passes on to the primary: what waits for long, and again what still waits much later, because the
 * message can be lost and a learner brings about no other primary.
 */
import { expect, test } from 'vitest'
import { REQUEST_HEADER_BYTES } from '../../src/consensus/request.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { DEFAULT_NODE_LIMITS } from '../../src/node/limits.js'
import { RequestPool } from '../../src/node/request-pool.js'

const { forwardAfterMs } = DEFAULT_NODE_LIMITS

test('a request that waits is passed on, and after a while again, until it is proposed', () => {
  const pool = new RequestPool(DEFAULT_NODE_LIMITS)
  pool.add(new Uint8Array(REQUEST_HEADER_BYTES), 1000, null)
  const given = (nowMs: number): number => pool.toForward(nowMs).length
  expect(given(1000 + forwardAfterMs - 1)).toBe(0)
  const first = 1000 + forwardAfterMs
  expect(given(first)).toBe(1)
  expect(given(first + forwardAfterMs)).toBe(0)
  expect(given(first + 20 * forwardAfterMs)).toBe(1)
  expect(given(first + 21 * forwardAfterMs)).toBe(0)
  pool.take(first + 22 * forwardAfterMs)
  expect(given(first + 23 * forwardAfterMs)).toBe(0)
  pool.forgetProposals()
  expect(given(first + 24 * forwardAfterMs)).toBe(1)
})

test('a proposal that nothing came of is forgotten after a while, and the request proposed again', () => {
  const pool = new RequestPool(DEFAULT_NODE_LIMITS)
  const body = encodeBody([new Uint8Array(REQUEST_HEADER_BYTES)])
  pool.add(new Uint8Array(REQUEST_HEADER_BYTES), 1000, null)
  pool.noteProposed(body, 2000)
  expect(pool.isEmpty).toBe(true)
  pool.forgetOldProposals(2000 + forwardAfterMs)
  expect(pool.isEmpty).toBe(true)
  // Seen once more, so it may come through.
  pool.noteProposed(body, 2000 + 19 * forwardAfterMs)
  pool.forgetOldProposals(2000 + 20 * forwardAfterMs)
  expect(pool.isEmpty).toBe(true)
  pool.forgetOldProposals(2000 + 40 * forwardAfterMs)
  expect(pool.isEmpty).toBe(false)
  expect(pool.toForward(2000 + 40 * forwardAfterMs).length).toBe(1)
})
