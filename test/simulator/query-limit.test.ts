/** Shows that a node takes no more queries at once than its bound says, whatever the read level, and goes on afterwards. */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import { CLIENT_FRAME, encodeQuery } from '../../src/transport/client-protocol.js'

test.each(['local', 'linearizable'] as const)('%s queries', async (read) => {
  const cluster = new SimulatedCluster({ seed: 2, nodes: 1, sha256, limits: { queriesWaitingMax: 4 } })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  await cluster.run(100)
  const answers: number[] = []
  const listener = cluster.nodes[0]?.listener
  const connection = listener?.connect(SIMULATED_CLIENT_KEY, {
    onAnswer: (type) => void answers.push(type),
    onClose: () => {},
  })
  const counts = () =>
    [CLIENT_FRAME.answer, CLIENT_FRAME.refused].map((type) => answers.filter((a) => a === type).length)
  const ask = (name: string) => {
    const query = encodeQuery({ requestNumber: 1, read, name, args: {} })
    if (connection !== undefined) listener?.onFrame(connection, CLIENT_FRAME.query, query)
  }
  for (let i = 0; i < 10; i++) ask('kv.list')
  await cluster.run(100)
  const [answered, refused] = counts()
  expect((answered ?? 0) + (refused ?? 0)).toBe(10)
  expect(refused).toBeGreaterThan(0)
  expect(answered).toBeGreaterThanOrEqual(4)
  // Whether they are answered or fail, queries give their place back.
  for (let i = 0; i < 20; i++) {
    ask(i % 2 === 0 ? 'kv.list' : 'no.such.query')
    await cluster.run(10)
  }
  expect(counts()).toEqual([(answered ?? 0) + 10, (refused ?? 0) + 10])
})
