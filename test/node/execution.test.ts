/**
 * Shows that snapshots and apply do not disturb each other: the state that a snapshot and the log give is
 * the one that was there, and a snapshot that replaces the state brings sessions and digests along.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import { proposePayload } from '../../src/client/propose-payload.js'
import type { Input, Now } from '../../src/consensus/core.js'
import { RaftCore } from '../../src/consensus/raft/index.js'
import { NO_SESSION, type SessionId } from '../../src/consensus/request.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import type { SimulatedNode } from '../../src/simulator/node.js'
import { OverlayStateStore } from '../../src/storage/state-store.js'
import { CLIENT_FRAME, decodeApplied, writeProposeHeader } from '../../src/transport/client-protocol.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import type { Operation } from '../../src/workflow/operations.js'
import { decodeResults, type PlacedResult } from '../../src/workflow/result-codec.js'

/** Every digest that any node computed, by index; how often one was computed that was known. */
let digests: Map<number, string>
let compared: number
const { step } = RaftCore.prototype

beforeEach(() => {
  digests = new Map()
  compared = 0
  RaftCore.prototype.step = function (input: Input, now: Now) {
    if (input.type === 'executed' && input.stateDigest !== null) noteDigest(input.upTo, toHex(input.stateDigest))
    return step.call(this, input, now)
  }
})
afterEach(() => {
  RaftCore.prototype.step = step
})

function noteDigest(index: number, digest: string): void {
  const known = digests.get(index)
  if (known !== undefined) compared++
  expect(known ?? digest).toBe(digest)
  digests.set(index, digest)
}

const put = (key: string, value: string): Operation =>
  kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from(value) })
const create = (key: string): Operation =>
  kvOperation({ operation: 'kv.cas', key: Buffer.from(key), expected: null, value: Buffer.from('mine') })

async function elected(cluster: SimulatedCluster): Promise<SimulatedNode> {
  await cluster.start()
  expect(await cluster.run(20_000, () => cluster.leader() !== null)).toBe(true)
  return cluster.leader() as SimulatedNode
}

const appliedOf = (node: SimulatedNode): number => node.running?.loop.machine.appliedIndex ?? 0

test('a snapshot that is written while the node applies is the state at its index: with the log it gives the same again', async () => {
  const limits = {
    snapshotEntries: 7,
    digestInterval: 5,
    trailingEntries: 2,
    applySliceOperations: 1,
    applyBudgetMs: 0,
  }
  const cluster = new SimulatedCluster({ seed: 11, nodes: 1, sha256, limits })
  const { walk } = OverlayStateStore.prototype
  let store: OverlayStateStore | undefined
  let overlapped = 0
  OverlayStateStore.prototype.walk = async function (index) {
    store = this
    const pairs = await walk.call(this, index)
    return (async function* () {
      // As slow as it takes, so that the node applies more before the file is written.
      for (let waits = 0; waits < 50 && appliedOf(node) <= index; waits++)
        await new Promise<void>((resolve) => void cluster.queue.after(1, resolve))
      if (appliedOf(node) > index) overlapped++
      yield* pairs
    })()
  }
  const node = cluster.nodes[0] as SimulatedNode
  try {
    await elected(cluster)
    const clients = [1, 2, 3].map(() => new SimulatedClient(cluster))
    for (const client of clients) await cluster.finish(client.open())
    for (let round = 0; round < 30; round++) {
      const all = clients.map((client, at) => client.submit(put(`k${(round * 3 + at) % 17}`, `${round}/${at}`)))
      await cluster.finish(Promise.all(all))
    }
    expect(overlapped).toBeGreaterThan(0)
    const applied = appliedOf(node)
    expect(await cluster.run(10_000, () => digests.has(applied))).toBe(true)
    expect(node.newestSnapshotIndex).toBeGreaterThan(0)
    expect(node.running?.core.status().firstIndex).toBeGreaterThan(1)
    await cluster.finish((store as OverlayStateStore).condemn())
    const before = compared
    node.crash('process')
    await elected(cluster)
    expect(await cluster.run(20_000, () => appliedOf(node) >= applied && compared > before)).toBe(true)
  } finally {
    OverlayStateStore.prototype.walk = walk
  }
})

/** Sends one request, with exactly these numbers, to one node. */
function send(
  cluster: SimulatedCluster,
  node: SimulatedNode,
  session: SessionId,
  firstSequence: number,
  operation: Operation,
): Promise<readonly PlacedResult[]> {
  const payload = proposePayload({ session, firstSequence, ackedBelow: 0, clientKey: SIMULATED_CLIENT_KEY }, [
    encodeOperation(operation),
  ])
  writeProposeHeader(payload, 1)
  const answered = new Promise<readonly PlacedResult[]>((resolve, reject) => {
    const connection = node.listener?.connect(SIMULATED_CLIENT_KEY, {
      onAnswer: (type, answer) => {
        if (type === CLIENT_FRAME.refused) reject(new Error(`${node.id} refused`))
        if (type !== CLIENT_FRAME.applied) return
        const { index, firstPosition, results } = decodeApplied(answer)
        resolve(decodeResults(results, index, firstPosition))
      },
      onClose: () => {},
    })
    connection?.transmit(CLIENT_FRAME.propose, payload)
  })
  return cluster.finish(answered)
}

test('an installed snapshot replaces machine, sessions and digests: a retried request gets its first result', async () => {
  const limits = { snapshotEntries: 6, trailingEntries: 1, digestInterval: 5 }
  const cluster = new SimulatedCluster({ seed: 12, nodes: 3, sha256, limits })
  const first = await elected(cluster)
  const [behind, other] = cluster.nodes.filter((node) => node !== first) as [SimulatedNode, SimulatedNode]
  behind.crash('process')
  const [opened] = await send(cluster, first, NO_SESSION, 0, { type: 'OpenSession', ordered: false })
  const session: SessionId = { index: opened?.index ?? 0, offset: opened?.position ?? 0 }
  const original = await send(cluster, first, session, 1, create('name'))
  expect(original[0]?.outcome.ok).toBe(true)
  const madeAt = original[0]?.index ?? 0
  for (let sequence = 2; sequence < 32; sequence++)
    await send(cluster, first, session, sequence, put('k', `${sequence}`))
  expect(await cluster.run(5000, () => (first.running?.core.status().firstIndex ?? 0) > madeAt)).toBe(true)

  const machineOf = () => behind.running?.loop.machine
  await cluster.finish(behind.start())
  const empty = machineOf()
  const caughtUp = () => appliedOf(behind) >= appliedOf(first) && behind.newestSnapshotIndex > 0
  expect(await cluster.run(20_000, caughtUp)).toBe(true)
  expect(behind.running?.core.status().firstIndex).toBeGreaterThan(madeAt)
  expect(machineOf()).not.toBe(empty)
  expect(machineOf()?.sessions.size).toBe(first.running?.loop.machine.sessions.size)

  // The one that installed it has to lead: the third misses an entry, the first is gone.
  other.crash('process')
  await send(cluster, first, session, 32, put('k', 'last'))
  expect(await cluster.run(5000, caughtUp)).toBe(true)
  first.crash('process')
  await cluster.finish(other.start())
  expect(await cluster.run(20_000, () => cluster.leader() === behind)).toBe(true)
  expect(await send(cluster, behind, session, 1, create('name'))).toEqual(original)
  // Under a new number it runs, and fails: the key is there.
  const again = await send(cluster, behind, session, 33, create('name'))
  expect(again[0]?.outcome.ok).toBe(false)
  expect(compared).toBeGreaterThan(0)
  expect(cluster.nodes.map((node) => node.fatal)).toEqual([null, null, null])
})
