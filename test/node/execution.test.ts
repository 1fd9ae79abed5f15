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
import { Execution } from '../../src/node/execution.js'
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
const { rotate } = Execution.prototype
/** In one request, so that an entry takes many turns. */
const OPERATIONS = 15

beforeEach(() => {
  digests = new Map()
  compared = 0
  RaftCore.prototype.step = function (input: Input, now: Now) {
    if (input.type === 'executed' && input.stateDigest !== null) noteDigest(input.upTo, toHex(input.stateDigest))
    return step.call(this, input, now)
  }
  // What a snapshot is told to be the digest of its state is compared like any other.
  Execution.prototype.rotate = function (recordAt, tell) {
    const index = this.appliedIndex
    const noted: typeof tell = (known) => {
      noteDigest(index, toHex(known.stateDigest))
      tell?.(known)
    }
    rotate.call(this, recordAt, tell == null ? tell : noted)
  }
})
afterEach(() => {
  RaftCore.prototype.step = step
  Execution.prototype.rotate = rotate
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

/** Sends one request, with exactly these numbers, to one node. */
function send(
  cluster: SimulatedCluster,
  node: SimulatedNode,
  session: SessionId,
  firstSequence: number,
  operations: readonly Operation[],
  ackedBelow = 0,
): Promise<readonly PlacedResult[]> {
  const header = { session, firstSequence, ackedBelow, clientKey: SIMULATED_CLIENT_KEY }
  const payload = proposePayload(header, operations.map(encodeOperation))
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

async function openSession(cluster: SimulatedCluster, node: SimulatedNode): Promise<SessionId> {
  const [opened] = await send(cluster, node, NO_SESSION, 0, [{ type: 'OpenSession', ordered: false }])
  return { index: opened?.index ?? 0, offset: opened?.position ?? 0 }
}

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
  let isDiskHung = false
  OverlayStateStore.prototype.walk = async function (index) {
    store = this
    const pairs = await walk.call(this, index)
    return (async function* () {
      if (isDiskHung) await new Promise<never>(() => {})
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
    const sessions: SessionId[] = []
    for (let at = 0; at < 3; at++) sessions.push(await openSession(cluster, node))
    for (let round = 0; round < 20; round++) {
      const operations = Array.from({ length: OPERATIONS }, (_, at) => put(`k${(round + at) % 37}`, `${round}/${at}`))
      const first = 1 + round * OPERATIONS
      await Promise.all(sessions.map((session) => send(cluster, node, session, first, operations, first)))
    }
    expect(overlapped).toBeGreaterThan(0)
    // The last entries are in no snapshot.
    isDiskHung = true
    const [session = NO_SESSION] = sessions
    for (let at = 0; at < 5; at++) {
      const sequence = 1 + 20 * OPERATIONS + at
      await send(cluster, node, session, sequence, [put(`l${at}`, 'last')], sequence)
    }
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

test('an installed snapshot replaces machine, sessions and digests: a retried request gets its first result', async () => {
  const limits = { snapshotEntries: 6, trailingEntries: 1, digestInterval: 5 }
  const cluster = new SimulatedCluster({ seed: 12, nodes: 3, sha256, limits })
  const first = await elected(cluster)
  const [behind, other] = cluster.nodes.filter((node) => node !== first) as [SimulatedNode, SimulatedNode]
  const session = await openSession(cluster, first)
  await send(cluster, first, session, 1, [put('gone', 'soon')])
  expect(await cluster.run(5000, () => appliedOf(behind) >= appliedOf(first))).toBe(true)
  // Long enough to be on disk: what it holds has to go when the snapshot comes.
  await cluster.run(3000)
  behind.crash('process')
  await send(cluster, first, session, 2, [kvOperation({ operation: 'kv.delete', key: Buffer.from('gone') })])
  const original = await send(cluster, first, session, 3, [create('name')])
  expect(original[0]?.outcome.ok).toBe(true)
  const madeAt = original[0]?.index ?? 0
  for (let sequence = 4; sequence < 32; sequence++)
    await send(cluster, first, session, sequence, [put('k', `${sequence}`)])
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
  await send(cluster, first, session, 32, [put('k', 'last')])
  expect(await cluster.run(5000, caughtUp)).toBe(true)
  first.crash('process')
  await cluster.finish(other.start())
  expect(await cluster.run(20_000, () => cluster.leader() === behind)).toBe(true)
  expect(await send(cluster, behind, session, 3, [create('name')])).toEqual(original)
  // Under a new number it runs, and fails: the key is there.
  const again = await send(cluster, behind, session, 33, [create('name')])
  expect(again[0]?.outcome.ok).toBe(false)
  expect(compared).toBeGreaterThan(0)
  expect(cluster.nodes.map((node) => node.fatal)).toEqual([null, null, null])
})

test('in the middle of an entry the state is at no index: nothing may take it for one', async () => {
  const cluster = new SimulatedCluster({ seed: 31, nodes: 1, sha256, limits: { applySliceOperations: 1 } })
  const node = await elected(cluster)
  const session = await openSession(cluster, node)
  const { advance } = Execution.prototype
  let between = 0
  let inside = 0
  Execution.prototype.advance = function (upTo, deadlineMs) {
    const before = this.appliedIndex
    const more = advance.call(this, upTo, deadlineMs)
    if (more && this.appliedIndex === before) {
      inside++
      if (this.isBetweenEntries) between++
    }
    return more
  }
  try {
    // More operations than slices of one turn.
    const operations = Array.from({ length: 200 }, (_, at) => put(`k${at}`, 'v'))
    await send(cluster, node, session, 1, operations)
  } finally {
    Execution.prototype.advance = advance
  }
  expect(inside).toBeGreaterThan(0)
  expect(between).toBe(0)
})
