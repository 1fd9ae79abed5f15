/**
 * Shows every way in which a connection is refused, on both sides: with a typed error where the other
 * side can read one, with one clear log line at the node, and without disturbing anybody else.
 */
import { createServer, type Socket, connect as tcpConnect } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import { nodeId } from '../../src/consensus/types.js'
import type { KeyPair } from '../../src/crypto/keys.js'
import { type DialOptions, dialNode, type FrameLink } from '../../src/transport/dial.js'
import { FRAME } from '../../src/transport/frames.js'
import {
  decodeRefused,
  encodeHello,
  type Hello,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
} from '../../src/transport/handshake.js'
import { TRANSPORT_LIMITS } from '../../src/transport/limits.js'
import type { Transport } from '../../src/transport/transport.js'
import { until } from '../until.js'
import { CLUSTER_ID, CONFIG_HASH, helloOf, key, type Members, members, open, RecordingLogger } from './harness.js'

let setup: Members
let logger: RecordingLogger
let node: Transport
let address: string
let client: KeyPair
let bystander: FrameLink
const links: FrameLink[] = []
const sockets: Socket[] = []

beforeEach(async () => {
  setup = await members(2)
  logger = new RecordingLogger()
  node = await open(setup, 0, logger)
  node.clients.onFrame = (connection, type, payload) => {
    connection.send(type + 1, payload)
    node.clients.flush()
  }
  address = `127.0.0.1:${node.port}`
  client = await key(100)
  bystander = await dial()
})

/** Whatever was refused: a client that was there before is still served, and a new one too. */
afterEach(async () => {
  const echoed: number[] = []
  bystander.onFrame = (type) => echoed.push(type)
  bystander.send(0x40, new Uint8Array(3))
  await until(() => echoed.length === 1)
  expect(echoed).toEqual([0x41])
  await dial()
  for (const link of links.splice(0)) link.close()
  for (const socket of sockets.splice(0)) socket.destroy()
  await node.close()
})

async function dial(overrides: Partial<DialOptions> = {}): Promise<FrameLink> {
  const first = setup.configuration.members[0]
  if (first === undefined) throw new Error('no member')
  const link = await dialNode({
    address,
    alpn: 'knhk-client/1',
    key: client,
    expected: { publicKey: first.publicKey, clusterId: CLUSTER_ID, nodeId: first.id, configHash: CONFIG_HASH },
    ...overrides,
  })
  links.push(link)
  return link
}

async function refusal(overrides: Partial<DialOptions>): Promise<string> {
  const error = await dial(overrides).then(
    () => null,
    (cause: unknown) => cause,
  )
  if (!(error instanceof KnhkError)) throw new Error(`not refused: ${String(error)}`)
  return error.code
}

function expected(changes: Partial<DialOptions['expected']>): DialOptions['expected'] {
  const first = setup.configuration.members[0]
  if (first === undefined) throw new Error('no member')
  return { publicKey: first.publicKey, clusterId: CLUSTER_ID, nodeId: first.id, configHash: CONFIG_HASH, ...changes }
}

function peerHello(changes: Partial<Hello> = {}): () => Hello {
  const version = { major: PROTOCOL_MAJOR, minor: PROTOCOL_MINOR }
  return () => ({ version, clusterId: CLUSTER_ID, configHash: CONFIG_HASH, ...helloOf('n2'), ...changes })
}

/** A TLS connection made by hand, for what `dialNode` would never do. */
function raw(options: ConnectionOptions): Promise<{ socket: TLSSocket; received: Buffer[]; closed: () => boolean }> {
  const received: Buffer[] = []
  let closed = false
  const socket = tlsConnect({ host: '127.0.0.1', port: node.port, rejectUnauthorized: false, ...options })
  sockets.push(socket)
  socket.on('data', (chunk) => received.push(chunk))
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  return new Promise((resolve) => {
    socket.once('secureConnect', () => resolve({ socket, received, closed: () => closed }))
    socket.once('close', () => resolve({ socket, received, closed: () => closed }))
  })
}

const identity = (pair: KeyPair): ConnectionOptions => ({ key: pair.privateKeyPem, cert: pair.certificatePem })

function onlyFrame(received: readonly Buffer[]): { type: number; payload: Uint8Array } {
  const bytes = Buffer.concat(received)
  expect(bytes.length).toBe(4 + bytes.readUInt32LE(0))
  return { type: bytes[4] as number, payload: bytes.subarray(5) }
}

test('a stranger is refused as client and as peer', async () => {
  const stranger = await key(66)
  expect(await refusal({ key: stranger })).toBe('UnknownKey')
  expect(await refusal({ key: stranger, alpn: 'knhk-peer/1', hello: peerHello() })).toBe('UnknownKey')
  expect(logger.refusals()).toEqual(['UnknownKey', 'UnknownKey'])
  expect(logger.lines.at(-1)?.fields.key).toMatch(/^knhk:/)
})

test('a client key does not open a peer link', async () => {
  expect(await refusal({ alpn: 'knhk-peer/1', hello: peerHello() })).toBe('UnknownKey')
})

test('a peer of another cluster, of another name, or with another configuration is refused', async () => {
  const peer = { key: setup.keys[1] as KeyPair, alpn: 'knhk-peer/1' as const }
  const foreign = { ...peer, hello: peerHello({ clusterId: new Uint8Array(16).fill(7) }) }
  expect(await refusal(foreign)).toBe('ForeignCluster')
  expect(await refusal({ ...peer, hello: peerHello({ nodeId: nodeId('n1') }) })).toBe('WrongNode')
  const otherHash = { ...peer, hello: peerHello({ configHash: new Uint8Array(32).fill(7) }) }
  expect(await refusal(otherHash)).toBe('ConfigurationMismatch')
  expect(logger.refusals()).toEqual(['ForeignCluster', 'WrongNode', 'ConfigurationMismatch'])
  await dial({ ...peer, hello: peerHello() })
})

test('the dialling side turns away a wrong key, cluster, name and configuration', async () => {
  expect(await refusal({ expected: expected({ publicKey: client.publicKey }) })).toBe('WrongNode')
  expect(await refusal({ expected: expected({ clusterId: new Uint8Array(16) }) })).toBe('ForeignCluster')
  expect(await refusal({ expected: expected({ nodeId: 'n2' }) })).toBe('WrongNode')
  expect(await refusal({ expected: expected({ configHash: new Uint8Array(32) }) })).toBe('ConfigurationMismatch')
})

test('without ALPN the connection is closed, without certificate it is refused', async () => {
  const noAlpn = await raw(identity(client))
  await until(noAlpn.closed)
  expect(noAlpn.received).toEqual([])
  const noCertificate = await raw({ ALPNProtocols: ['knhk-client/1'] })
  await until(noCertificate.closed)
  const { type, payload } = onlyFrame(noCertificate.received)
  expect(type).toBe(FRAME.refused)
  expect(decodeRefused(payload).code).toBe('UnknownKey')
  const otherAlpn = await raw({ ...identity(client), ALPNProtocols: ['h2'] })
  await until(otherAlpn.closed)
  expect(logger.refusals()).toEqual(['ProtocolViolation', 'UnknownKey', 'ProtocolViolation'])
})

test('TLS 1.2 is not spoken', async () => {
  const old = await raw({ ...identity(client), ALPNProtocols: ['knhk-client/1'], maxVersion: 'TLSv1.2' })
  await until(old.closed)
  await until(() => logger.refusals().length === 1)
  expect(logger.refusals()).toEqual(['ProtocolViolation'])
})

test('a session is never resumed', async () => {
  const options = { ...identity(client), ALPNProtocols: ['knhk-client/1'] }
  const tickets: Buffer[] = []
  const first = await raw(options)
  first.socket.on('session', (ticket) => tickets.push(ticket))
  await until(() => tickets.length > 0)
  const session = tickets[0] as Buffer
  const second = await raw({ ...options, session })
  expect(second.socket.isSessionReused()).toBe(false)
  await until(() => second.received.length > 0)
  expect(onlyFrame(second.received).type).toBe(FRAME.welcome)
})

test('plain text is closed and logged', async () => {
  const socket = tcpConnect(node.port, '127.0.0.1')
  sockets.push(socket)
  let closed = false
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  socket.resume()
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(() => closed)
  expect(logger.refusals()).toEqual(['ProtocolViolation'])
})

test('what answers without TLS is no node; what does not answer is unreachable', async () => {
  const server = createServer((socket) =>
    socket
      .on('error', () => {})
      .resume()
      .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  expect(await refusal({ address: `127.0.0.1:${port}` })).toBe('WrongNode')
  await new Promise((resolve) => server.close(resolve))
  expect(await refusal({ address: `127.0.0.1:${port}` })).toBe('Unreachable')
})

test('a server that stays silent runs into the dialling side’s deadline, an abort ends it sooner', async () => {
  const server = createServer((socket) => sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const silent = `127.0.0.1:${(server.address() as { port: number }).port}`
  expect(await refusal({ address: silent, timeoutMs: 50 })).toBe('DeadlineExceeded')
  expect(await refusal({ address: silent, signal: AbortSignal.timeout(20) })).toBe('Aborted')
  expect(await refusal({ address: silent, signal: AbortSignal.abort() })).toBe('Aborted')
  server.close()
})

test('connections that stay silent, before or after TLS, are closed at the time-out', async () => {
  const plain = tcpConnect(node.port, '127.0.0.1')
  sockets.push(plain)
  let closed = false
  plain.on('close', () => {
    closed = true
  })
  plain.resume()
  const member = setup.keys[1] as KeyPair
  const mute = await raw({ ...identity(member), ALPNProtocols: ['knhk-peer/1'] })
  await until(() => closed && mute.closed())
  expect(onlyFrame(mute.received).type).toBe(FRAME.welcome)
  expect(logger.refusals()).toEqual(['DeadlineExceeded', 'DeadlineExceeded'])
})

test('garbage instead of HELLO and a frame over the cap are refused before anything is allocated', async () => {
  const member = { ...identity(setup.keys[1] as KeyPair), ALPNProtocols: ['knhk-peer/1'] }
  const garbage = await raw(member)
  garbage.socket.write(Buffer.from([3, 0, 0, 0, FRAME.hello, 1, 2]))
  await until(garbage.closed)
  const wrongType = await raw(member)
  wrongType.socket.write(Buffer.from([1, 0, 0, 0, 0x24]))
  await until(wrongType.closed)
  const huge = await raw(member)
  huge.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
  await until(huge.closed)
  expect(logger.refusals()).toEqual(['ProtocolViolation', 'ProtocolViolation', 'FrameTooLarge'])
})

test('an authenticated client that breaks the rules loses its connection', async () => {
  const closed: (string | undefined)[] = []
  const send = async (type: number, payload: Uint8Array): Promise<void> => {
    const link = await dial()
    link.onClose = (error) => closed.push(error?.code)
    link.send(type, payload)
  }
  const options = { ...identity(client), ALPNProtocols: ['knhk-client/1'] }
  const huge = await raw(options)
  await until(() => huge.received.length > 0)
  huge.socket.write(Buffer.from([0x01, 0x00, 0x40, 0x00, 0x40]))
  await until(huge.closed)
  await send(FRAME.hello, encodeHello(peerHello()()))
  await until(() => closed.length === 1)
  await send(FRAME.ping, new Uint8Array(3))
  await until(() => closed.length === 2)
  expect(closed).toEqual(['Unreachable', 'Unreachable'])
  const lines = logger.lines.filter((line) => line.event === 'closed a client connection')
  expect(lines.map((line) => String(line.fields.reason).split(':')[0])).toEqual([
    'FrameTooLarge',
    'ProtocolViolation',
    'ProtocolViolation',
  ])
})

test('the largest client frame passes', async () => {
  const link = await dial()
  const lengths: number[] = []
  link.onFrame = (_type, payload) => lengths.push(payload.length)
  link.send(0x40, new Uint8Array(TRANSPORT_LIMITS.clientFrameBytes - 1))
  await until(() => lengths.length === 1)
  expect(lengths).toEqual([TRANSPORT_LIMITS.clientFrameBytes - 1])
})

test('strangers who hold connections open leave room for nobody but themselves only up to the bound', async () => {
  const crowd: Socket[] = []
  let closed = 0
  for (let i = 0; i < TRANSPORT_LIMITS.unauthenticatedConnections + 5; i++) {
    const socket = tcpConnect(node.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.on('close', () => {
      closed += 1
    })
    socket.resume()
    crowd.push(socket)
    sockets.push(socket)
  }
  await until(() => closed === 5)
  expect(logger.refusals().every((code) => code === 'ResourceExhausted')).toBe(true)
  for (const socket of crowd) socket.destroy()
  await until(() => closed === crowd.length)
})
