/**
 * What a replica passes on to the primary: what waits for long, and again what still waits much later, because the
 * message can be lost and a learner brings about no other primary. What one replica passes on fills its own share only.
 */
import { expect, test } from 'vitest'
import { REQUEST_HEADER_BYTES } from '../../src/consensus/request.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { nodeId } from '../../src/consensus/types.js'
import { DEFAULT_NODE_LIMITS } from '../../src/node/limits.js'
import { RequestPool, requestName } from '../../src/node/request-pool.js'

const { forwardAfterMs } = DEFAULT_NODE_LIMITS
const PEER = { from: nodeId('n2'), bytesMax: DEFAULT_NODE_LIMITS.pendingBytesMax }

/** Nothing but a name, of which the first byte is part. */
function requestOf(name: number): Uint8Array {
  const request = new Uint8Array(REQUEST_HEADER_BYTES)
  request[8] = name
  return request
}

test('a request that waits is passed on, and after a while again, until it is proposed', () => {
  const pool = new RequestPool(DEFAULT_NODE_LIMITS)
  pool.addForwarded(requestOf(1), 1000, PEER)
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
  const body = encodeBody([requestOf(1)])
  pool.addForwarded(requestOf(1), 1000, PEER)
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

test('what one replica passes on fills its share, and leaves room for others', () => {
  const pool = new RequestPool(DEFAULT_NODE_LIMITS)
  const bytesMax = 2 * REQUEST_HEADER_BYTES
  const pass = (from: string, name: number) =>
    pool.addForwarded(requestOf(name), 1000, { from: nodeId(from), bytesMax })
  for (const name of [1, 2, 3]) pass('n2', name)
  expect(pool.size).toBe(2)
  for (const name of [1, 3, 4]) pass('n3', name)
  expect(pool.size).toBe(4)
  // Executed: there is room again.
  pool.executed(requestName(requestOf(1), 0))
  pass('n2', 5)
  expect(pool.size).toBe(4)
})
