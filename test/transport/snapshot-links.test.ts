/**
 * Shows that snapshots travel on a connection of their own, made when the first frame wants to go and
 * ended when nothing moves; that a sender is told to wait instead of filling memory; and that only
 * members are let in.
 */
import { expect, test } from 'vitest'
import { bytesEqual } from '../../src/base/bytes.js'
import { nodeId } from '../../src/consensus/types.js'
import type { KeyPair } from '../../src/crypto/keys.js'
import type { SnapshotFrame } from '../../src/node/ports.js'
import { dialNode } from '../../src/transport/dial.js'
import { type Hello, PROTOCOL_MAJOR, PROTOCOL_MINOR } from '../../src/transport/handshake.js'
import { TRANSPORT_LIMITS } from '../../src/transport/limits.js'
import { encodeSnapshotFrame } from '../../src/transport/snapshot-codec.js'
import type { Transport } from '../../src/transport/transport.js'
import { until } from '../until.js'
import { CLUSTER_ID, CONFIG_HASH, helloOf, key, members, RecordingLogger } from './harness.js'
import { starting } from './starting.js'

const start = starting()

const [n1, n2] = [nodeId('n1'), nodeId('n2')]
const id = new Uint8Array(32).fill(7)
const piece = TRANSPORT_LIMITS.snapshotChunkBytes

/** Tries until the frame is taken. */
const deliver = (from: Transport, to: typeof n1, frame: SnapshotFrame): Promise<void> =>
  until(() => from.snapshots.send(to, frame))

test('a file moves piece by piece as it is asked for, while the node itself never waits', async () => {
  const setup = await members(2)
  const a = await start(setup, 0, new RecordingLogger())
  const b = await start(setup, 1, new RecordingLogger())
  const file = new Uint8Array(5 * piece + 123).map((_, i) => (i * 31) & 0xff)
  const received = new Uint8Array(file.length)
  let at = 0
  a.snapshots.onFrame = (from, frame) => {
    if (frame.type !== 'snapshotRequest') throw new Error(frame.type)
    const bytes = file.subarray(frame.offset, frame.offset + frame.maxBytes)
    expect(a.snapshots.send(from, { type: 'snapshotChunk', id: frame.id, offset: frame.offset, bytes })).toBe(true)
  }
  const ask = () => b.snapshots.send(n1, { type: 'snapshotRequest', id, offset: at, maxBytes: piece })
  b.snapshots.onFrame = (from, frame) => {
    expect(from).toBe('n1')
    if (frame.type !== 'snapshotChunk') throw new Error(frame.type)
    expect(frame.offset).toBe(at)
    received.set(frame.bytes, at)
    at += frame.bytes.length
    if (at < file.length) expect(ask()).toBe(true)
  }
  expect(ask()).toBe(false)
  await until(ask)
  await until(() => at === file.length)
  expect(bytesEqual(received, file)).toBe(true)
})

test('too much in the queue is refused, and taken again once it has drained', async () => {
  const setup = await members(2)
  const a = await start(setup, 0, new RecordingLogger())
  const b = await start(setup, 1, new RecordingLogger())
  let bytes = 0
  b.snapshots.onFrame = (_from, frame) => {
    if (frame.type === 'snapshotChunk') bytes += frame.bytes.length
  }
  const chunk: SnapshotFrame = { type: 'snapshotChunk', id, offset: 0, bytes: new Uint8Array(piece) }
  await deliver(a, n2, chunk)
  let taken = 1
  while (a.snapshots.send(n2, chunk)) taken += 1
  expect(taken * piece).toBeLessThanOrEqual(TRANSPORT_LIMITS.snapshotQueueBytes)
  await deliver(a, n2, chunk)
  await until(() => bytes === (taken + 1) * piece)
})

test('an idle connection ends and the next frame makes a new one; both sides may begin at once', async () => {
  const setup = await members(2)
  const a = await start(setup, 0, new RecordingLogger(), { snapshotIdleMs: 20 })
  const b = await start(setup, 1, new RecordingLogger(), { snapshotIdleMs: 20 })
  const got = { a: 0, b: 0 }
  a.snapshots.onFrame = () => {
    got.a += 1
  }
  b.snapshots.onFrame = () => {
    got.b += 1
  }
  const gone: SnapshotFrame = { type: 'snapshotGone', id }
  const sent = { a: 0, b: 0 }
  for (let round = 0; round < 3; round++) {
    await Promise.all([deliver(a, n2, gone), deliver(b, n1, gone)])
    sent.a += 1
    sent.b += 1
    await until(() => got.b === sent.a && got.a === sent.b)
    // Nothing moves between two attempts; once the connection has ended, the frame is not taken.
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 60))
      if (!a.snapshots.send(n2, gone)) break
      sent.a += 1
    }
  }
  await until(() => got.b === sent.a && got.a === sent.b)
})

test('a stranger, a client and a frame of no meaning do not get through', async () => {
  const setup = await members(2)
  const logger = new RecordingLogger()
  const a = await start(setup, 0, logger)
  const seen: string[] = []
  a.snapshots.onFrame = (_from, frame) => seen.push(frame.type)
  const version = { major: PROTOCOL_MAJOR, minor: PROTOCOL_MINOR }
  const hello = (): Hello => ({ version, clusterId: CLUSTER_ID, configHash: CONFIG_HASH, ...helloOf('n2') })
  const dial = (pair: KeyPair) =>
    dialNode({
      address: `127.0.0.1:${a.port}`,
      alpn: 'knhk-snapshot/1',
      key: pair,
      expected: { publicKey: setup.keys[0]?.publicKey as Uint8Array, clusterId: CLUSTER_ID, nodeId: 'n1' },
      hello,
    })
  for (const pair of [await key(66), await key(100)]) {
    await expect(dial(pair)).rejects.toMatchObject({ code: 'UnknownKey' })
  }
  expect(logger.refusals()).toEqual(['UnknownKey', 'UnknownKey'])

  const link = await dial(setup.keys[1] as KeyPair)
  const ended = new Promise((resolve) => {
    link.onClose = resolve
  })
  const { type, parts } = encodeSnapshotFrame({ type: 'snapshotGone', id })
  link.send(0x7e, new Uint8Array(2))
  link.send(type, parts)
  await until(() => seen.length === 1)
  expect(logger.lines.some((line) => line.event.includes('unknown type') && line.fields.type === 0x7e)).toBe(true)
  link.send(type, new Uint8Array(5))
  await ended
  await until(() => logger.lines.some((line) => line.fields.code === 'ProtocolViolation'))
  expect(seen).toEqual(['snapshotGone'])
})
