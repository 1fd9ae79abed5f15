/**
 * Shows the client side of the port: many small frames share a write and keep their order, answers go
 * to the connection that asked, ends are told once, and a client that does not read is let go.
 */
import { connect as tlsConnect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ClientConnection } from '../../src/node/ports.js'
import { type DialOptions, dialNode, type FrameLink } from '../../src/transport/dial.js'
import { TRANSPORT_LIMITS } from '../../src/transport/limits.js'
import type { Transport } from '../../src/transport/transport.js'
import { until } from '../until.js'
import { CLUSTER_ID, key, type Members, members, open, RecordingLogger } from './harness.js'

let setup: Members
let logger: RecordingLogger
let node: Transport
const links: FrameLink[] = []

beforeEach(async () => {
  setup = await members(1)
  logger = new RecordingLogger()
  node = await open(setup, 0, logger)
})
afterEach(async () => {
  for (const link of links.splice(0)) link.close()
  await node.close()
})

async function dial(overrides: Partial<DialOptions> = {}): Promise<FrameLink> {
  const link = await dialNode({
    address: `127.0.0.1:${node.port}`,
    alpn: 'knhk-client/1',
    key: await key(100),
    expected: { publicKey: (await key(1)).publicKey, clusterId: CLUSTER_ID, nodeId: 'n1' },
    ...overrides,
  })
  links.push(link)
  return link
}

/** Answers every frame with its own payload, flushed once per turn as the node loop does. */
function echo(): void {
  let scheduled = false
  node.clients.onFrame = (connection, type, payload) => {
    connection.send(type, payload)
    if (scheduled) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      node.clients.flush()
    })
  }
}

test('20,000 small frames on four connections come back in order, each to its sender', async () => {
  echo()
  const count = 5_000
  const all = await Promise.all([0, 1, 2, 3].map(() => dial()))
  const received = all.map(() => [] as number[])
  all.forEach((link, which) => {
    link.onFrame = (type, payload) => {
      expect(type).toBe(0x40 + which)
      received[which]?.push(Buffer.from(payload).readUInt32LE(0))
    }
  })
  for (let i = 0; i < count; i++) {
    const payload = Buffer.alloc(4 + (i % 300))
    payload.writeUInt32LE(i)
    all.forEach((link, which) => expect(link.send(0x40 + which, payload)).toBe(true))
    if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => received.every((numbers) => numbers.length === count))
  for (const numbers of received) expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i))
})

test('a payload may be changed after send, and one received may be kept', async () => {
  echo()
  const link = await dial()
  const kept: Uint8Array[] = []
  link.onFrame = (_type, payload) => kept.push(payload)
  const payload = new Uint8Array(64)
  for (let i = 0; i < 200; i++) {
    payload.fill(i)
    link.send(0x40, payload)
  }
  await until(() => kept.length === 200)
  kept.forEach((bytes, i) => expect(bytes.every((byte) => byte === i)).toBe(true))
})

test('a frame pushed right after the WELCOME waits for the first handler', async () => {
  node.clients.onOpen = (connection) => {
    connection.send(0x24, new Uint8Array([7]))
    node.clients.flush()
  }
  const link = await dial()
  await new Promise((resolve) => setTimeout(resolve, 20))
  const seen: number[] = []
  link.onFrame = (type, payload) => seen.push(type, payload[0] as number)
  expect(seen).toEqual([0x24, 7])
})

test('both sides learn of the end exactly once, with the reason where there is one', async () => {
  const opened: ClientConnection[] = []
  const closed: ClientConnection[] = []
  node.clients.onOpen = (connection) => opened.push(connection)
  node.clients.onClose = (connection) => closed.push(connection)
  const first = await dial()
  const ends: (string | null)[] = []
  first.onClose = (error) => ends.push(error === null ? null : error.code)
  first.close()
  expect(first.send(0x40, new Uint8Array(0))).toBe(false)
  await until(() => closed.length === 1 && ends.length === 1)
  const second = await dial()
  second.onClose = (error) => ends.push(error === null ? null : error.code)
  await until(() => opened.length === 2)
  opened[1]?.close('for the test')
  await until(() => closed.length === 2 && ends.length === 2)
  expect(ends).toEqual([null, 'Unreachable'])
  expect(closed).toEqual(opened)
  const reasons = logger.lines.filter((line) => line.event === 'closed a client connection')
  expect(reasons.map((line) => line.fields.reason)).toEqual(['for the test'])
})

test('what was queued before close still arrives', async () => {
  const frames: number[] = []
  node.clients.onFrame = (_connection, type) => frames.push(type)
  const link = await dial()
  for (let i = 0; i < 300; i++) link.send(0x40, new Uint8Array(5_000))
  link.close()
  await until(() => frames.length === 300)
})

test('a client that never reads is disconnected at the bound, not sooner', async () => {
  let connection: ClientConnection | null = null
  node.clients.onOpen = (opened) => {
    connection = opened
  }
  const { privateKeyPem, certificatePem } = await key(100)
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: node.port,
    key: privateKeyPem,
    cert: certificatePem,
    ALPNProtocols: ['knhk-client/1'],
    rejectUnauthorized: false,
  })
  socket.on('error', () => {})
  socket.pause()
  await until(() => connection !== null)
  const target = connection as unknown as ClientConnection
  const payload = new Uint8Array(1 << 20)
  let sent = 0
  let most = 0
  while (target.open) {
    target.send(0x40, payload)
    node.clients.flush()
    sent += 1
    most = Math.max(most, target.bufferedBytes)
    if (sent % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(sent * payload.length).toBeGreaterThanOrEqual(TRANSPORT_LIMITS.clientQueueBytes)
  expect(most).toBeLessThanOrEqual(TRANSPORT_LIMITS.clientQueueBytes)
  await until(() => logger.lines.some((line) => String(line.fields.reason).includes('does not read its answers')))
  socket.destroy()
})

test('the client side bounds its queue too, and knows what the node would not take', async () => {
  const link = await dial({ explicitFlush: true })
  const payload = new Uint8Array(TRANSPORT_LIMITS.clientFrameBytes - 1)
  expect(() => link.send(0x40, new Uint8Array(TRANSPORT_LIMITS.clientFrameBytes))).toThrow(/over the limit/)
  let accepted = 0
  while (link.send(0x40, payload)) accepted += 1
  expect(accepted).toBe(15)
  expect(link.bufferedBytes).toBeLessThanOrEqual(TRANSPORT_LIMITS.peerQueueBytes)
})
