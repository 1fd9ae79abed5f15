/**
 * Shows that a connection which silently swallows everything is found dead by both sides, that the
 * links recover when the network does, and that a refused flood costs few log lines.
 */
import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { nodeId } from '../../src/consensus/types.js'
import { LimitedLog } from '../../src/transport/limited-log.js'
import { until } from '../until.js'
import { freePorts, members, open, RecordingLogger } from './harness.js'

const [n1, n2] = [nodeId('n1'), nodeId('n2')]

/** Forwards to a port, or swallows everything without closing anything. */
async function switchable(
  targetPort: number,
): Promise<{ port: number; swallow: (on: boolean) => void; close: () => void }> {
  let swallowing = false
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1')
    sockets.push(near, far)
    near.on('data', (chunk) => swallowing || far.write(chunk))
    far.on('data', (chunk) => swallowing || near.write(chunk))
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      from.on('error', () => {})
      from.on('close', () => swallowing || to.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    swallow: (on) => {
      swallowing = on
      if (!on) for (const socket of sockets.splice(0)) socket.destroy()
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

test('a swallowed connection counts as down on both sides and comes back by itself', async () => {
  const setup = await members(2)
  const [realPort] = await freePorts(1)
  const proxy = await switchable(realPort as number)
  const moved = setup.configuration.members.map((member) =>
    member.id === 'n2' ? { ...member, address: `127.0.0.1:${proxy.port}` } : member,
  )
  const through = { ...setup, configuration: { ...setup.configuration, members: moved } }
  const logger = new RecordingLogger()
  const a = await open(through, 0, new RecordingLogger())
  const b = await open(setup, 1, logger, { listen: `127.0.0.1:${realPort}` })
  await until(() => a.peers.isConnected(n2) && b.peers.isConnected(n1))
  proxy.swallow(true)
  await until(() => !a.peers.isConnected(n2))
  await until(() => logger.lines.some((line) => String(line.fields.reason).includes('dead')))
  // The other direction does not go through the proxy and is not disturbed.
  expect(b.peers.isConnected(n1)).toBe(true)
  proxy.swallow(false)
  await until(() => a.peers.isConnected(n2))
  await Promise.all([a.close(), b.close()])
  proxy.close()
})

test('past the burst, lines are counted instead of written, kind by kind, and the count is told', () => {
  const logger = new RecordingLogger()
  let nowMs = 0
  const log = new LimitedLog(logger, () => nowMs)
  for (let i = 0; i < 1_000; i++) log.log('warn', 'refused', { i }, 'UnknownKey')
  expect(logger.lines.length).toBe(10)
  log.log('warn', 'refused', {}, 'ForeignCluster')
  expect(logger.lines.length).toBe(11)
  nowMs = 1_000
  log.log('warn', 'refused', { i: 1_000 }, 'UnknownKey')
  expect(logger.lines.at(-1)?.fields).toEqual({ i: 1_000, suppressed: 990 })
  nowMs = 60_000
  for (let i = 0; i < 100; i++) log.log('warn', 'refused', {}, 'UnknownKey')
  expect(logger.lines.length).toBe(22)
})
