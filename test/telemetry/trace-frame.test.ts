/** The frame that tells members which trace an entry belongs to, and the context beside a client's request. */
import { expect, it } from 'vitest'
import { proposePayload } from '../../src/client/propose-payload.js'
import { traceBytes } from '../../src/client/trace-bytes.js'
import { NO_SESSION } from '../../src/consensus/request.js'
import { logIndex, term } from '../../src/consensus/types.js'
import {
  requestNumberOf,
  requestOf,
  TRACE_BYTES_MAX,
  traceOf,
  writeProposeHeader,
} from '../../src/transport/client-protocol.js'
import { decodeTrace, encodeTrace } from '../../src/transport/trace-frame.js'

const TRACE = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`

it('gives back what was sent', () => {
  const trace = { index: logIndex(2 ** 40), term: term(7), traceparent: TRACE }
  expect(decodeTrace(encodeTrace(trace))).toEqual(trace)
})

it('leaves out contexts of another form, and refuses frames of another size', () => {
  const sound = encodeTrace({ index: logIndex(1), term: term(1), traceparent: TRACE })
  expect(decodeTrace(sound.subarray(0, 30))).toBeNull()
  expect(decodeTrace(sound.subarray(0, 16))).toBeNull()
  expect(() => decodeTrace(sound.subarray(0, 15))).toThrow(/too short/)
  expect(decodeTrace(new Uint8Array(16 + TRACE_BYTES_MAX))).toBeNull()
  expect(() => decodeTrace(new Uint8Array(17 + TRACE_BYTES_MAX))).toThrow(/too long/)
})

it('travels beside a request and changes nothing of it', () => {
  const header = { session: NO_SESSION, firstSequence: 0, ackedBelow: 0, clientKey: new Uint8Array(32).fill(5) }
  const operations = [new Uint8Array([1, 2, 3])]
  const [without, beside] = [proposePayload(header, operations), proposePayload(header, operations, traceBytes(TRACE))]
  for (const payload of [without, beside]) writeProposeHeader(payload, 77)
  expect(requestNumberOf(beside)).toBe(77)
  expect(Buffer.from(requestOf(beside))).toEqual(Buffer.from(requestOf(without)))
  expect(traceOf(without)).toBeNull()
  expect(Buffer.from(traceOf(beside) ?? []).toString()).toBe(TRACE)
})

it('sends nothing for a text that is no context', () => {
  for (const text of [undefined, '', 'x', `${TRACE}-more`]) expect(traceBytes(text)).toHaveLength(0)
})
