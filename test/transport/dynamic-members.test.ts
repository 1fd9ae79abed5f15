/**
 * Shows that links follow the members: new ones are dialled and admitted, those that left lose their
 * links and find the door shut, those that moved are found again.
 */
import { expect, test } from 'vitest'
import { epoch, nodeId, term } from '../../src/consensus/types.js'
import type { KeyPair } from '../../src/crypto/keys.js'
import { until } from '../until.js'
import { freePorts, key, type Members, members, RecordingLogger } from './harness.js'
import { starting } from './starting.js'

const start = starting()

const [n1, n2, n3] = [nodeId('n1'), nodeId('n2'), nodeId('n3')]
const hurry = { type: 'timeoutNow', epoch: epoch(0), term: term(1) } as const
const others = (setup: Members, self: string) => setup.configuration.members.filter(({ id }) => id !== self)

/** As seen by members that do not know of the last one yet. */
function before(setup: Members): Members {
  const { configuration } = setup
  const known = configuration.members.slice(0, -1)
  return { ...setup, configuration: { ...configuration, genesis: known, members: known } }
}

test('a member that joins is refused until the others know it, then connected both ways', async () => {
  const setup = await members(3)
  const logger = new RecordingLogger()
  const a = await start(before(setup), 0, logger)
  const b = await start(before(setup), 1, new RecordingLogger())
  const joiner = await start(setup, 2, new RecordingLogger())
  await until(() => a.peers.isConnected(n2) && logger.refusals().includes('UnknownKey'))
  expect(a.peers.send(n3, hurry)).toBe(false)
  expect(a.peers.isConnected(n3)).toBe(false)
  expect(a.peers.rttMs(n3)).toBeNull()

  const changes: string[] = []
  a.peers.onConnectionChange = (peer, connected) => changes.push(`${peer} ${connected}`)
  a.peers.setMembers(others(setup, 'n1'))
  b.peers.setMembers(others(setup, 'n2'))
  await until(() => a.peers.isConnected(n3) && b.peers.isConnected(n3) && joiner.peers.isConnected(n1))
  // Who was there before is not disturbed.
  expect(changes).toEqual(['n3 true'])
  const seen: string[] = []
  joiner.peers.onMessage = (from, message) => seen.push(`${from} ${message.type}`)
  expect(a.peers.send(n3, hurry)).toBe(true)
  a.peers.flush()
  await until(() => seen.length === 1)
  expect(seen).toEqual(['n1 timeoutNow'])
})

test('a member that left loses its links of both kinds, and every new one is refused with a line', async () => {
  const setup = await members(2)
  const logger = new RecordingLogger()
  const a = await start(setup, 0, logger)
  const left = await start(setup, 1, new RecordingLogger())
  const seen: string[] = []
  a.peers.onMessage = (_from, message) => seen.push(message.type)
  const gone = { type: 'snapshotGone', id: new Uint8Array(32) } as const
  await until(() => a.peers.isConnected(n2) && left.peers.isConnected(n1) && left.snapshots.send(n1, gone))
  const changes: string[] = []
  a.peers.onConnectionChange = (peer, connected) => changes.push(`${peer} ${connected}`)

  a.peers.setMembers([])
  expect(changes).toEqual(['n2 false'])
  expect(a.peers.send(n2, hurry)).toBe(false)
  await until(() => !left.peers.isConnected(n1) && !left.snapshots.send(n1, gone))
  await until(() => logger.refusals().length >= 2)
  expect(new Set(logger.refusals())).toEqual(new Set(['UnknownKey']))
  expect(logger.lines.some((line) => line.event.includes('no member any more') && line.fields.peer === 'n2')).toBe(true)
  expect(seen).toEqual([])

  a.peers.setMembers(others(setup, 'n1'))
  await until(() => a.peers.isConnected(n2) && left.peers.isConnected(n1))
})

test('a member that moved is found at its new address, one with another key has to prove that one', async () => {
  const setup = await members(2)
  const a = await start(setup, 0, new RecordingLogger())
  const b = await start(setup, 1, new RecordingLogger())
  await until(() => a.peers.isConnected(n2) && b.peers.isConnected(n1))
  await b.close()
  await until(() => !a.peers.isConnected(n2))
  const [port] = await freePorts(1)
  const address = `127.0.0.1:${port}`
  await start(setup, 1, new RecordingLogger(), { listen: address })
  const [member] = others(setup, 'n1')
  if (member === undefined) throw new Error('no member')
  a.peers.setMembers([{ ...member, address }])
  await until(() => a.peers.isConnected(n2))

  const logger = new RecordingLogger()
  const replaced: KeyPair = await key(77)
  const c = await start({ ...setup, configuration: { ...setup.configuration } }, 0, logger, {
    listen: '127.0.0.1:0',
  })
  c.peers.setMembers([{ ...member, address, publicKey: replaced.publicKey }])
  await until(() => logger.lines.some((line) => line.fields.code === 'WrongNode'))
  expect(c.peers.isConnected(n2)).toBe(false)
})
