/**
 * Shows that members find each other, that messages arrive in order and unchanged under load, that
 * links come back after a restart, and that a full queue drops instead of growing.
 */
import { expect, test } from 'vitest'
import { makeEntry } from '../../src/consensus/entry.js'
import type { AppendEntries } from '../../src/consensus/raft/messages.js'
import { epoch, logIndex, nodeId, term } from '../../src/consensus/types.js'
import type { KeyPair } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { dialNode, type FrameLink } from '../../src/transport/dial.js'
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '../../src/transport/handshake.js'
import { TRANSPORT_LIMITS } from '../../src/transport/limits.js'
import { encodeMessage } from '../../src/transport/message-codec.js'
import { until } from '../until.js'
import { CLUSTER_ID, CONFIG_HASH, helloOf, members, open, RecordingLogger } from './harness.js'
import { starting } from './starting.js'

const start = starting()

const [n1, n2] = [nodeId('n1'), nodeId('n2')]

function append(index: number, bodyBytes: number): AppendEntries {
  const body = new Uint8Array(bodyBytes).fill(index & 0xff)
  const fields = {
    epoch: epoch(0),
    term: term(1),
    index: logIndex(index),
    timestampMs: 5,
    kind: 'data' as const,
    clusterId: CLUSTER_ID,
    configHash: CONFIG_HASH,
    batchDigest: new Uint8Array(32),
    previousChain: new Uint8Array(32),
  }
  return {
    type: 'appendEntries',
    epoch: epoch(0),
    term: term(1),
    prevIndex: logIndex(index - 1),
    prevEpoch: epoch(0),
    prevTerm: term(1),
    entries: [makeEntry(sha256, fields, body)],
    commitIndex: logIndex(0),
    readPosition: 0,
  }
}

test('two nodes connect both ways, measure the round trip, and keep order under load', async () => {
  const setup = await members(2)
  const logger = new RecordingLogger()
  const a = await start(setup, 0, logger)
  const b = await start(setup, 1, logger)
  const got: number[] = []
  const gotBack: number[] = []
  b.peers.onMessage = (from, message) => {
    expect(from).toBe('n1')
    if (message.type !== 'appendEntries') throw new Error(message.type)
    const entry = message.entries[0]
    expect(entry?.body.every((byte) => byte === ((entry?.index ?? 0) & 0xff))).toBe(true)
    got.push(message.prevIndex)
  }
  a.peers.onMessage = (_from, message) => {
    if (message.type === 'readIndexReply') gotBack.push(message.index)
  }
  await until(() => a.peers.isConnected(n2) && b.peers.isConnected(n1))
  const count = 2_000
  for (let i = 1; i <= count; i++) {
    expect(a.peers.send(n2, append(i, (i * 37) % 9_000))).toBe(true)
    const reply = {
      type: 'readIndexReply',
      epoch: epoch(0),
      term: term(1),
      readId: i as never,
      index: logIndex(i),
    } as const
    expect(b.peers.send(n1, reply)).toBe(true)
    if (i % 7 === 0) a.peers.flush()
    if (i % 50 === 0) {
      b.peers.flush()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  a.peers.flush()
  b.peers.flush()
  await until(() => got.length === count && gotBack.length === count)
  expect(got).toEqual(Array.from({ length: count }, (_, i) => i))
  expect(gotBack).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  await until(() => a.peers.rttMs(n2) !== null)
  expect(a.peers.rttMs(n2)).toBeGreaterThan(0)
})

test('a message of 12 MiB arrives whole', async () => {
  const setup = await members(2)
  const a = await start(setup, 0, new RecordingLogger())
  const b = await start(setup, 1, new RecordingLogger())
  const lengths: number[] = []
  b.peers.onMessage = (_from, message) => {
    if (message.type === 'appendEntries') lengths.push(message.entries[0]?.body.length ?? 0)
  }
  await until(() => a.peers.isConnected(n2))
  a.peers.send(n2, append(1, 12 << 20))
  a.peers.flush()
  await until(() => lengths.length === 1)
  expect(lengths).toEqual([12 << 20])
})

test('a link comes back after the peer restarts on the same port', async () => {
  const setup = await members(2)
  const logger = new RecordingLogger()
  const a = await start(setup, 0, logger)
  const changes: boolean[] = []
  a.peers.onConnectionChange = (_peer, connected) => changes.push(connected)
  for (let round = 0; round < 3; round++) {
    const b = await open(setup, 1, new RecordingLogger())
    const seen: string[] = []
    b.peers.onMessage = (_from, message) => seen.push(message.type)
    await until(() => a.peers.isConnected(n2))
    expect(a.peers.send(n2, { type: 'timeoutNow', epoch: epoch(0), term: term(1) })).toBe(true)
    a.peers.flush()
    await until(() => seen.length === 1)
    await b.close()
    await until(() => !a.peers.isConnected(n2))
    expect(a.peers.send(n2, { type: 'timeoutNow', epoch: epoch(0), term: term(1) })).toBe(false)
  }
  expect(changes).toEqual([true, false, true, false, true, false])
  expect(logger.lines.some((line) => line.event === 'no link to a peer' && line.fields.peer === 'n2')).toBe(true)
})

test('a full queue refuses messages and recovers when it drains', async () => {
  const setup = await members(2)
  const logger = new RecordingLogger()
  const a = await start(setup, 0, logger)
  const b = await start(setup, 1, new RecordingLogger())
  let received = 0
  b.peers.onMessage = () => {
    received += 1
  }
  await until(() => a.peers.isConnected(n2))
  const big = append(1, 1 << 20)
  let accepted = 0
  while (a.peers.send(n2, big)) accepted += 1
  expect(accepted).toBe(Math.floor(TRANSPORT_LIMITS.peerQueueBytes / (1 << 20)) - 1)
  expect(logger.lines.some((line) => line.event.startsWith('dropped a message'))).toBe(true)
  a.peers.flush()
  await until(() => received === accepted)
  expect(a.peers.send(n2, big)).toBe(true)
})

test('a member that is not admitted stays out, whatever its key', async () => {
  const setup = await members(2)
  const logger = new RecordingLogger()
  const a = await start(setup, 0, logger, { admitPeer: () => 'DataDirectoryLost' })
  const other = new RecordingLogger()
  const b = await start(setup, 1, other)
  await until(() => other.lines.some((line) => line.fields.code === 'DataDirectoryLost'))
  expect(b.peers.isConnected(n1)).toBe(false)
  await until(() => a.peers.isConnected(n2))
  expect(logger.refusals()).toContain('DataDirectoryLost')
})

test('a port in use, an address that is not here, and a key of somebody else are told apart at start', async () => {
  const setup = await members(2)
  const a = await start(setup, 0, new RecordingLogger())
  const failure = (overrides: Parameters<typeof open>[3]): Promise<unknown> =>
    open(setup, 1, new RecordingLogger(), overrides).catch((error: unknown) => error)
  expect(await failure({ listen: `127.0.0.1:${a.port}` })).toMatchObject({ code: 'AddressInUse' })
  expect(await failure({ listen: '192.0.2.1:7000' })).toMatchObject({ code: 'InvalidArgument' })
  expect(await failure({ listen: 'nonsense' })).toMatchObject({ code: 'InvalidArgument' })
  expect(await failure({ nodeId: n1 })).toMatchObject({ code: 'IdentityMismatch' })
  expect(await failure({ nodeId: nodeId('n9') })).toMatchObject({ code: 'IdentityMismatch' })
})

test('the newest connection of a member counts, and a message of a newer version is dropped with a line', async () => {
  const setup = await members(2)
  const logger = new RecordingLogger()
  const a = await start(setup, 0, logger)
  const seen: string[] = []
  a.peers.onMessage = (_from, message) => seen.push(message.type)
  const version = { major: PROTOCOL_MAJOR, minor: PROTOCOL_MINOR }
  const dial = (): Promise<FrameLink> =>
    dialNode({
      address: `127.0.0.1:${a.port}`,
      alpn: 'knhk-peer/1',
      key: setup.keys[1] as KeyPair,
      expected: { publicKey: setup.keys[0]?.publicKey as Uint8Array, clusterId: CLUSTER_ID, nodeId: 'n1' },
      hello: () => ({ version, clusterId: CLUSTER_ID, configHash: CONFIG_HASH, ...helloOf('n2') }),
    })
  const first = await dial()
  const ended = new Promise((resolve) => {
    first.onClose = resolve
  })
  const second = await dial()
  await ended
  const { type, parts } = encodeMessage({ type: 'timeoutNow', epoch: epoch(0), term: term(1) })
  second.send(0x7f, new Uint8Array(5))
  second.send(type, parts)
  await until(() => seen.length === 1)
  expect(logger.lines.some((line) => line.event.includes('unknown type') && line.fields.type === 0x7f)).toBe(true)
  second.close()
})
