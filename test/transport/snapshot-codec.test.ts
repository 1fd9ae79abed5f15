/** Shows that snapshot frames come back as they were and that the decoder takes nothing it would not have written. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concatBytes, writeU32 } from '../../src/base/bytes.js'
import { KnhkError } from '../../src/base/error.js'
import type { SnapshotFrame } from '../../src/node/ports.js'
import { TRANSPORT_LIMITS } from '../../src/transport/limits.js'
import { decodeSnapshotFrame, encodeSnapshotFrame, SNAPSHOT_FRAME } from '../../src/transport/snapshot-codec.js'

const id = fc.uint8Array({ minLength: 32, maxLength: 32 })
const offset = fc.maxSafeNat()
const frame: fc.Arbitrary<SnapshotFrame> = fc.oneof(
  fc.record({
    type: fc.constant('snapshotRequest' as const),
    id,
    offset,
    maxBytes: fc.integer({ min: 1, max: TRANSPORT_LIMITS.snapshotChunkBytes }),
  }),
  fc.record({ type: fc.constant('snapshotChunk' as const), id, offset, bytes: fc.uint8Array({ maxLength: 200 }) }),
  fc.record({ type: fc.constant('snapshotGone' as const), id }),
)

function wire(value: SnapshotFrame): { type: number; payload: Uint8Array } {
  const { type, parts } = encodeSnapshotFrame(value)
  return { type, payload: concatBytes(parts) }
}

function decodeOrNull(type: number, payload: Uint8Array): SnapshotFrame | null {
  try {
    return decodeSnapshotFrame(type, payload)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

test('every frame comes back as it was', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(frame, (value) => {
      seen.add(value.type)
      const { type, payload } = wire(value)
      expect(decodeSnapshotFrame(type, payload)).toEqual(value)
    }),
  )
  expect([...seen].sort()).toEqual(Object.keys(SNAPSHOT_FRAME).sort())
})

test('any bytes under a known type are refused, or encode to themselves', () => {
  const types = fc.constantFrom(...Object.values(SNAPSHOT_FRAME))
  fc.assert(
    fc.property(types, fc.uint8Array({ minLength: 28, maxLength: 60 }), (type, payload) => {
      const accepted = decodeOrNull(type, payload)
      if (accepted !== null) expect(wire(accepted)).toEqual({ type, payload })
    }),
    { numRuns: 1_000 },
  )
  expect(decodeSnapshotFrame(0x7f, new Uint8Array(3))).toBeNull()
})

test('a piece is bounded on both sides', () => {
  const name = new Uint8Array(32)
  const largest = TRANSPORT_LIMITS.snapshotChunkBytes
  const chunk = wire({ type: 'snapshotChunk', id: name, offset: 0, bytes: new Uint8Array(largest) })
  expect(chunk.payload.length + 1).toBeLessThanOrEqual(TRANSPORT_LIMITS.snapshotFrameBytes)
  expect(decodeOrNull(chunk.type, chunk.payload)).not.toBeNull()
  expect(decodeOrNull(chunk.type, concatBytes([chunk.payload, Uint8Array.of(0)]))).toBeNull()
  expect(() =>
    encodeSnapshotFrame({ type: 'snapshotChunk', id: name, offset: 0, bytes: new Uint8Array(largest + 1) }),
  ).toThrow(/bound/)
  const request = wire({ type: 'snapshotRequest', id: name, offset: 0, maxBytes: 1 })
  for (const wrong of [0, largest + 1]) {
    writeU32(request.payload, 40, wrong)
    expect(decodeOrNull(request.type, request.payload)).toBeNull()
  }
})
