/** Shows that frames come out whole and in order however the stream is cut, and that limits hold before memory does. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FRAME_HEADER_BYTES, FrameParser } from '../../src/transport/frames.js'
import { OutputQueue, payloadLength } from '../../src/transport/output-queue.js'

interface Frame {
  readonly type: number
  readonly payload: Uint8Array
}

const frameArbitrary = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  payload: fc.uint8Array({ maxLength: 400 }),
})

function wire(frames: readonly Frame[]): Uint8Array {
  const queue = new OutputQueue()
  for (const { type, payload } of frames) queue.append(type, payload, payload.length)
  return queue.take()
}

function collect(chunks: readonly Uint8Array[], maxFrameBytes = 1_000): Frame[] {
  const parser = new FrameParser(maxFrameBytes)
  const out: Frame[] = []
  for (const chunk of chunks) parser.push(chunk, (type, payload) => out.push({ type, payload }))
  expect(parser.heldBytes).toBe(0)
  return out
}

function plain(frames: readonly Frame[]): { type: number; payload: number[] }[] {
  return frames.map(({ type, payload }) => ({ type, payload: [...payload] }))
}

test('any cutting of any frames gives the same frames', () => {
  const property = fc.property(
    fc.array(frameArbitrary, { maxLength: 12 }),
    fc.array(fc.nat(), { maxLength: 30 }),
    (frames, cuts) => {
      const bytes = wire(frames)
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
      const chunks = places.slice(1).map((end, i) => bytes.slice(places[i], end))
      expect(plain(collect(chunks))).toEqual(plain(frames))
    },
  )
  fc.assert(property, { numRuns: 500 })
})

test('byte by byte gives the same frames', () => {
  const frames = [1, 2, 3].map((type) => ({ type, payload: new Uint8Array(300).fill(type) }))
  const bytes = wire(frames)
  expect(plain(collect([...bytes].map((byte) => Uint8Array.of(byte))))).toEqual(plain(frames))
})

test('a frame inside one chunk is a view of it, a plain Uint8Array; one over two chunks has memory of its own size', () => {
  const bytes = Buffer.from(wire([{ type: 5, payload: new Uint8Array(100) }]))
  const [whole] = collect([bytes])
  expect(whole?.payload.buffer).toBe(bytes.buffer)
  expect(whole?.payload.constructor).toBe(Uint8Array)
  const [spanning] = collect([bytes.subarray(0, 30), bytes.subarray(30)])
  expect(spanning?.payload.buffer.byteLength).toBe(FRAME_HEADER_BYTES + 100)
})

test('a frame put together survives the reuse of nothing: later frames leave it unchanged', () => {
  const frames = Array.from({ length: 50 }, (_, i) => ({ type: i, payload: new Uint8Array(700).fill(i) }))
  const bytes = wire(frames)
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += 512) chunks.push(bytes.slice(at, at + 512))
  expect(plain(collect(chunks))).toEqual(plain(frames))
})

test('a length over the limit is refused at once, and so is an empty frame; the limit itself passes', () => {
  const over = new FrameParser(100)
  expect(() => over.push(Uint8Array.of(101, 0, 0, 0), () => {})).toThrow(/over the limit/)
  const cut = new FrameParser(100)
  cut.push(Uint8Array.of(101, 0), () => {})
  expect(() => cut.push(Uint8Array.of(0, 0), () => {})).toThrow(/over the limit/)
  expect(() => new FrameParser(100).push(new Uint8Array(4), () => {})).toThrow(/without a type/)
  expect(collect([wire([{ type: 1, payload: new Uint8Array(99) }])], 100)).toHaveLength(1)
})

test('a large length alone reserves little', () => {
  const parser = new FrameParser(16 << 20)
  const before = process.memoryUsage().arrayBuffers
  parser.push(Uint8Array.of(0, 0, 0, 1, 7), () => {})
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
})

test('after stop nothing more is delivered, not even from the same chunk', () => {
  const parser = new FrameParser(100)
  const seen: number[] = []
  parser.push(wire([1, 2, 3].map((type) => ({ type, payload: new Uint8Array(0) }))), (type) => {
    seen.push(type)
    if (type === 2) parser.stop()
  })
  expect(seen).toEqual([1, 2])
})

test('parts are joined in order, and recycled memory never shows through', () => {
  const queue = new OutputQueue()
  for (let round = 1; round <= 5; round++) {
    const parts = [new Uint8Array(round).fill(round), new Uint8Array(0), new Uint8Array(6_000 / round).fill(9)]
    queue.append(round, parts, payloadLength(parts))
    expect(queue.frames).toBe(1)
    const taken = queue.take()
    const [frame] = collect([taken.slice()], 10_000)
    expect([...(frame?.payload ?? [])]).toEqual([...Buffer.concat(parts)])
    queue.recycle(taken)
    expect(queue.bytes).toBe(0)
  }
})
