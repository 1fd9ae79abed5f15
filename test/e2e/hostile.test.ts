/**
 * Shows that whatever knocks on a real node's port without belonging there is refused with one clear
 * line in the node's log, and that the cluster neither stops serving nor elects because of it.
 */
import { readFile } from 'node:fs/promises'
import { type AddressInfo, type Socket, connect as tcpConnect } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { ClusterStatus } from '../../src/client/api.js'
import type { ClusterClient } from '../../src/client/index.js'
import { parseClusterFile } from '../../src/cluster/cluster-file.js'
import { epoch, logIndex, nodeId, term } from '../../src/consensus/types.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'
import { type KeyPair, keyPairOfSeed } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { configurationHash } from '../../src/node/compose.js'
import { CLIENT_FRAME } from '../../src/transport/client-protocol.js'
import { FRAME } from '../../src/transport/frames.js'
import {
  type Alpn,
  CLIENT_ALPN,
  encodeHello,
  type Hello,
  PEER_ALPN,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
} from '../../src/transport/handshake.js'
import { TRANSPORT_LIMITS } from '../../src/transport/limits.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { eventually, type LogLine, World } from './harness.js'

let world: World
let client: ClusterClient
let port: number
let termBefore: number | null
let serial = 0

beforeAll(async () => {
  world = await World.make({ quick: true })
  const { nodes } = await world.up()
  port = Number(nodes[0]?.address.split(':')[1])
  client = await world.client()
  termBefore = (await client.clusterStatus()).term
})
afterAll(async () => {
  await client.close()
  await world.remove()
})

/** The same nodes serve on, under the same leader: nothing of this was worth an election. */
afterEach(async () => {
  const value = Buffer.from(`v${++serial}`)
  const written = await client.submitOnce(kvOperation({ operation: 'kv.put', key: Buffer.from('k'), value }))
  expect(written.outcome.ok).toBe(true)
  const read = await client.query('kv.get', { key: Buffer.from('k') }, { node: 'n1' })
  expect(Buffer.from((read.value as { value: Uint8Array }).value)).toEqual(value)
  const status: ClusterStatus = await client.clusterStatus()
  expect(status.nodes.map((node) => node.reachable)).toEqual([true, true, true])
  expect(status.term).toBe(termBefore)
})

/** Waits for the line about `connection` and shows that it is the only one. */
async function refusal(connection: Connection): Promise<LogLine> {
  await eventually('the node ends the connection', async () => connection.closed)
  const mine = (line: LogLine) => line.remote === connection.local
  await eventually('the node logs the refusal', async () => (await world.log('n1')).some(mine))
  const lines = (await world.log('n1')).filter(mine)
  expect(lines).toHaveLength(1)
  return lines[0] as LogLine
}

interface Connection {
  readonly socket: Socket
  /** As the node sees it. */
  readonly local: string
  readonly closed: boolean
  /** Chunks, as they came. */
  readonly received: Buffer[]
}

function watch(socket: Socket, ready: 'connect' | 'secureConnect'): Promise<Connection> {
  const state = { socket, local: '', closed: false, received: [] as Buffer[] }
  socket.on('data', (chunk: Buffer) => state.received.push(chunk))
  socket.on('error', () => {})
  socket.on('close', () => {
    state.closed = true
  })
  return new Promise((resolve, reject) => {
    socket.once('connect', () => {
      const { address, port: own } = socket.address() as AddressInfo
      state.local = `${address}:${own}`
    })
    socket.once(ready, () => resolve(state))
    socket.once('error', reject)
  })
}

function secure(key: KeyPair, alpn: Alpn): Promise<Connection> {
  const { privateKeyPem, certificatePem } = key
  const options = { host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: [alpn] }
  return watch(tlsConnect({ ...options, key: privateKeyPem, cert: certificatePem }), 'secureConnect')
}

function frame(type: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32LE(payload.length + 1)
  head.writeUInt8(type, 4)
  return Buffer.concat([head, payload])
}

const stranger = () => keyPairOfSeed(new Uint8Array(32).fill(77))
const admin = () => loadKeyPair(join(world.dir, 'clients', 'admin'))
const memberTwo = () => loadKeyPair(join(world.dir, 'nodes', 'n2', 'node'))

async function helloOfMemberTwo(changes: Partial<Hello>): Promise<Uint8Array> {
  const configuration = parseClusterFile(await readFile(join(world.dir, 'cluster.yaml'), 'utf8'))
  return encodeHello({
    version: { major: PROTOCOL_MAJOR, minor: PROTOCOL_MINOR },
    clusterId: configuration.clusterId,
    configHash: configurationHash(sha256, configuration),
    nodeId: nodeId('n2'),
    incarnation: new Uint8Array(16).fill(9),
    epoch: epoch(0),
    term: term(1_000_000),
    lastIndex: logIndex(1_000_000),
    ...changes,
  })
}

it("a stranger's key, as a client and as a peer", async () => {
  for (const alpn of [CLIENT_ALPN, PEER_ALPN] as const) {
    expect(await refusal(await secure(await stranger(), alpn))).toMatchObject({ level: 'warn', code: 'UnknownKey' })
  }
})

it("a client's key that claims to be a peer", async () => {
  expect(await refusal(await secure(await admin(), PEER_ALPN))).toMatchObject({ code: 'UnknownKey' })
})

it('plain text', async () => {
  const connection = await watch(tcpConnect({ host: '127.0.0.1', port }), 'connect')
  connection.socket.write('GET / HTTP/1.1\r\nHost: knhk\r\n\r\n')
  expect(await refusal(connection)).toMatchObject({ level: 'warn', code: 'ProtocolViolation' })
})

it("a member's key with another cluster's id", async () => {
  const connection = await secure(await memberTwo(), PEER_ALPN)
  connection.socket.write(frame(FRAME.hello, await helloOfMemberTwo({ clusterId: new Uint8Array(16).fill(5) })))
  expect(await refusal(connection)).toMatchObject({ level: 'warn', code: 'ForeignCluster' })
})

it("a member's key on another disk: the incarnation is not the one that the cluster knows", async () => {
  const connection = await secure(await memberTwo(), PEER_ALPN)
  connection.socket.write(frame(FRAME.hello, await helloOfMemberTwo({})))
  expect(await refusal(connection)).toMatchObject({ code: 'DataDirectoryLost' })
})

it('garbage instead of an introduction', async () => {
  const connection = await secure(await memberTwo(), PEER_ALPN)
  connection.socket.write(frame(FRAME.hello, Buffer.from('garbage')))
  expect(await refusal(connection)).toMatchObject({ code: 'ProtocolViolation' })
})

it('a frame over the limit before authentication', async () => {
  const connection = await secure(await memberTwo(), PEER_ALPN)
  connection.socket.write(Buffer.from([0xff, 0xff, 0xff, 0x7f]))
  expect(await refusal(connection)).toMatchObject({ code: 'FrameTooLarge' })
})

it('garbage and over-long frames of a client that was admitted', async () => {
  const tooLong = Buffer.alloc(5)
  tooLong.writeUInt32LE(TRANSPORT_LIMITS.clientFrameBytes + 2)
  const hostile = [
    { bytes: frame(CLIENT_FRAME.query, Buffer.from('garbage')), says: 'no frame of ours' },
    { bytes: frame(0xee, Buffer.alloc(3)), says: 'frame type 238 is unknown' },
    { bytes: frame(FRAME.hello, Buffer.alloc(3)), says: 'ProtocolViolation' },
    { bytes: tooLong, says: 'FrameTooLarge' },
  ]
  const key = await admin()
  for (const { bytes, says } of hostile) {
    const before = (await closedClients()).length
    const connection = await secure(key, CLIENT_ALPN)
    await eventually('the node welcomes the client', async () => connection.received[0]?.[4] === FRAME.welcome)
    connection.socket.write(bytes)
    await eventually('the node ends the connection', async () => connection.closed)
    const lines = await eventually('the node says why', async () => {
      const all = await closedClients()
      return all.length > before && all
    })
    expect(lines).toHaveLength(before + 1)
    expect(lines.at(-1)?.reason).toContain(says)
  }
})

it('200 connections that say nothing: those over the limit are refused, without a line for each', async () => {
  const silent = await Promise.all(
    Array.from({ length: 200 }, () => watch(tcpConnect({ host: '127.0.0.1', port }), 'connect')),
  )
  await eventually('what is over the limit is refused', async () => silent.some((connection) => connection.closed))
  for (const { socket } of silent) socket.destroy()
  const lines = (await world.log('n1')).filter((line) => line.code === 'ResourceExhausted')
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.length).toBeLessThan(silent.length)
})

async function closedClients(): Promise<LogLine[]> {
  return (await world.log('n1')).filter((line) => line.event === 'closed a client connection')
}
