/** Shows that orders and their answers come back as they were, and that nothing malformed passes for an order. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concatBytes } from '../../src/base/bytes.js'
import { KnhkError } from '../../src/base/error.js'
import { epoch, logIndex, nodeId } from '../../src/consensus/types.js'
import {
  type ClientOrder,
  decodeOrder,
  decodeOrdered,
  encodeOrder,
  encodeOrdered,
  type OrderedFrame,
} from '../../src/transport/client-orders.js'

const requestNumber = fc.nat({ max: 0xffff_ffff })
const name = fc.stringMatching(/^[a-z0-9-]{1,64}$/).map(nodeId)
const target = fc.record({
  id: name,
  publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  address: fc.string({ maxLength: 40 }),
  zone: fc.string({ maxLength: 20 }),
  role: fc.constantFrom('voter' as const, 'learner' as const),
  promote: fc.boolean(),
})
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const change = {
  kind: fc.constant('changeMembership' as const),
  planned: fc.maxSafeNat().map(logIndex),
  target: fc.array(target, { maxLength: 5 }),
}
const authority = fc.record({
  epoch: fc.nat({ max: 0xffff_ffff }).map(epoch),
  publicKey: bytes(32),
  signature: bytes(64),
})
const order: fc.Arbitrary<ClientOrder> = fc.oneof(
  fc.record({ kind: fc.constant('transferLeadership' as const), target: fc.option(name) }),
  fc.record(change),
  fc.record({ ...change, authority }),
  fc.constantFrom({ kind: 'takeSnapshot' as const }, { kind: 'compactLog' as const }),
)
const ordered: fc.Arbitrary<OrderedFrame> = fc.record({
  requestNumber,
  mode: fc.constantFrom('raft' as const, 'pbft' as const, 'hotstuff' as const),
  assurance: fc.constantFrom('quorum' as const, 'fast' as const, 'certified' as const),
  epoch: fc.nat(),
  index: fc.option(fc.maxSafeNat()),
  detail: fc.option(
    fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.oneof(fc.integer(), fc.string(), fc.boolean())),
  ),
})

/** What `decode` makes of the bytes; null where it refuses with the right code. */
function decoded<T>(decode: (payload: Uint8Array) => T, payload: Uint8Array): T | null {
  try {
    return decode(payload)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

test('every order comes back as it was', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(requestNumber, order, (number, value) => {
      seen.add(value.kind)
      const frame = { requestNumber: number, order: value }
      expect(decodeOrder(encodeOrder(frame))).toEqual(frame)
    }),
  )
  expect(seen.size).toBe(4)
})

test('every answer comes back as it was', () => {
  fc.assert(
    fc.property(ordered, (frame) => {
      const { detail, ...rest } = decodeOrdered(encodeOrdered(frame))
      expect({ ...rest, detail: detail === null ? null : { ...detail } }).toEqual({
        ...frame,
        detail: frame.detail === null ? null : { ...frame.detail },
      })
    }),
  )
})

test('a changed byte, a missing one, one too many: refused, or encoded to the very same bytes again', () => {
  fc.assert(
    fc.property(requestNumber, order, fc.nat(), fc.integer({ min: 1, max: 255 }), (number, value, place, change) => {
      const payload = encodeOrder({ requestNumber: number, order: value })
      const mutated = payload.slice()
      mutated[place % mutated.length] = (mutated[place % mutated.length] as number) ^ change
      const accepted = decoded(decodeOrder, mutated)
      if (accepted !== null) expect(encodeOrder(accepted)).toEqual(mutated)
      expect(decoded(decodeOrder, payload.subarray(0, payload.length - 1))).toBeNull()
      expect(decoded(decodeOrder, concatBytes([payload, Uint8Array.of(0)]))).toBeNull()
    }),
    { numRuns: 500 },
  )
})

test('an answer cut short, of an unknown mode, or with a detail that is no record is refused', () => {
  const payload = encodeOrdered({
    requestNumber: 1,
    mode: 'raft',
    assurance: 'quorum',
    epoch: 0,
    index: 7,
    detail: { moved: 1 },
  })
  expect(decoded(decodeOrdered, payload.subarray(0, 12))).toBeNull()
  expect(decoded(decodeOrdered, payload.subarray(0, payload.length - 1))).toBeNull()
  const mode = payload.slice()
  mode[4] = 9
  expect(decoded(decodeOrdered, mode)).toBeNull()
  const number = concatBytes([payload.subarray(0, 19), Uint8Array.of(5)])
  expect(decoded(decodeOrdered, number)).toBeNull()
})
