/** Shows that a node can be stopped at any moment: during a write, inside an entry, with clients waiting. */
import { expect, test } from 'vitest'
import { proposePayload } from '../../src/client/propose-payload.js'
import { NO_SESSION } from '../../src/consensus/request.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import { CLIENT_FRAME, writeProposeHeader } from '../../src/transport/client-protocol.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'

/** Opens this many sessions in one request: with one operation per slice an entry of several turns. */
const OPERATIONS = 150

async function elected(cluster: SimulatedCluster): Promise<void> {
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
}

/** Stops a node once `due` says so, with the request under way, and starts it again. True when it had answered. */
async function stopWhen(due: (sessions: number) => boolean): Promise<boolean> {
  const cluster = new SimulatedCluster({ seed: 5, nodes: 1, sha256, limits: { applySliceOperations: 1 } })
  await elected(cluster)
  const node = cluster.nodes[0]
  const sessions = () => node?.running?.loop.machine.sessions.size ?? 0
  const operations = new Array(OPERATIONS).fill(encodeOperation({ type: 'OpenSession', ordered: false }))
  const header = { session: NO_SESSION, firstSequence: 0, ackedBelow: 0, clientKey: SIMULATED_CLIENT_KEY }
  let answered = false
  const connection = node?.listener?.connect(SIMULATED_CLIENT_KEY, {
    onAnswer: (type) => {
      answered ||= type === CLIENT_FRAME.applied
    },
    onClose: () => {},
  })
  const payload = proposePayload(header, operations)
  writeProposeHeader(payload, 1)
  connection?.transmit(CLIENT_FRAME.propose, payload)
  expect(await cluster.run(1000, () => due(sessions()))).toBe(true)
  await cluster.finish(node?.stop() ?? Promise.reject(new Error('there is no node')))
  expect(node?.fatal).toBeNull()
  await elected(cluster)
  await cluster.run(1000)
  if (answered) expect(sessions()).toBe(OPERATIONS)
  return answered
}

test('after any number of events, and keeps what was answered', async () => {
  let answered = false
  for (let events = 0; !answered; events++) {
    let left = events
    answered = await stopWhen(() => left-- === 0)
  }
})

test('inside an entry', async () => {
  expect(await stopWhen((sessions) => sessions > 0 && sessions < OPERATIONS)).toBe(false)
})
