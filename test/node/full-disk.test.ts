/**
 * Shows what a node does at the limits of its disk: near them it makes room by itself, at them it accepts no
 * proposals, while elections, replication and compaction go on, and with room it goes on by itself; nothing that was
 * acknowledged is lost.
 */
import { expect, test } from 'vitest'
import type { NodeId } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import type { DiskGauge, DiskSettings, DiskUsage } from '../../src/node/ports.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import type { SimulatedNode } from '../../src/simulator/node.js'
import { DataDisk } from '../../src/storage/data-disk.js'
import { CLIENT_FRAME, decodeRefused } from '../../src/transport/client-protocol.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { plainFrame, signedFrame } from './propose-frames.js'

const KIB = 1024
const ROOMY: DiskUsage = { usedBytes: 10 * KIB, freeBytes: 2 ** 40, totalBytes: 2 ** 41 }
const FULL: DiskUsage = { ...ROOMY, usedBytes: 2 ** 30 }
const SETTINGS: DiskSettings = { quotaBytes: 2 ** 30, reserveBytes: 0, ballastBytes: 0 }

/** Disks that are as full as a test says; roomy where it says nothing. */
class Disks {
  readonly usages = new Map<NodeId, DiskUsage>()

  readonly of = (_files: unknown, node: NodeId): DiskGauge => ({
    settings: SETTINGS,
    ballastBytes: 0,
    measure: async () => this.usages.get(node) ?? ROOMY,
    keepBallast: async () => {},
  })

  fill(nodes: readonly SimulatedNode[]): void {
    for (const { id } of nodes) this.usages.set(id, FULL)
  }
}

const put = (key: string, value = 'v') =>
  kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from(value) })

const isFull = ({ running }: SimulatedNode) => running?.loop.facts().disk?.isFull === true

/** What a node says to a proposal of this client: `applied`, a code, or null for nothing within ten seconds. */
async function propose(cluster: SimulatedCluster, node: SimulatedNode, sequence: number): Promise<string | null> {
  const [answer = null] = await proposeTo(cluster, [node], sequence)
  return answer
}

/** What each of these nodes says to the same proposal. */
async function proposeTo(
  cluster: SimulatedCluster,
  nodes: readonly SimulatedNode[],
  sequence: number,
): Promise<(string | null)[]> {
  const { clusterId, protocol } = cluster.configuration
  const operations = [{ type: 'OpenSession', ordered: false }] as const
  const frame = protocol === 'raft' ? plainFrame(sequence, operations) : signedFrame(clusterId, sequence, operations)
  const answers = nodes.map((): string | null => null)
  for (const [at, node] of nodes.entries()) {
    const connection = node.listener?.connect(SIMULATED_CLIENT_KEY, {
      onAnswer: (type, payload) => {
        if (type === CLIENT_FRAME.applied) answers[at] = 'applied'
        else if (type === CLIENT_FRAME.refused) answers[at] = decodeRefused(payload).code
      },
      onClose: () => {},
    })
    connection?.transmit(CLIENT_FRAME.propose, frame)
  }
  await cluster.run(10_000, () => !answers.includes(null))
  return answers
}

async function started(options: Partial<ConstructorParameters<typeof SimulatedCluster>[0]>): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed: 7, nodes: 3, sha256, ...options })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  return cluster
}

const leaderOf = (cluster: SimulatedCluster) => cluster.leader() as SimulatedNode

test('a leader whose disk is full lets another lead that has room', async () => {
  const disks = new Disks()
  const cluster = await started({ diskOf: disks.of })
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  const before = leaderOf(cluster)
  disks.fill([before])
  expect(await cluster.run(5000, () => cluster.leader() !== null && cluster.leader() !== before)).toBe(true)
  await cluster.finish(client.submit(put('a')))
  // It follows as before, and votes.
  expect(await cluster.run(5000, () => (before.running?.loop.machine.appliedIndex ?? 0) >= 3)).toBe(true)
  expect(isFull(before)).toBe(true)
})

test('where all disks are full proposals stop, a leader is elected as ever, and room lets them through again', async () => {
  const disks = new Disks()
  const cluster = await started({ diskOf: disks.of })
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  await cluster.finish(client.submit(put('before')))
  disks.fill(cluster.nodes)
  expect(await cluster.run(5000, () => cluster.nodes.every(isFull))).toBe(true)
  // Each tries once whether another has room; then leadership stays where it is.
  await cluster.run(10_000)
  const term = leaderOf(cluster).running?.core.status().term
  await cluster.run(10_000)
  expect(leaderOf(cluster).running?.core.status().term).toBe(term)
  expect(await propose(cluster, leaderOf(cluster), 1)).toBe('DiskFull')
  let isPut = false
  const waiting = client.submit(put('while')).then((result) => {
    isPut = true
    return result
  })
  const fallen = leaderOf(cluster)
  fallen.crash('process')
  expect(await cluster.run(10_000, () => cluster.leader() !== null && cluster.leader() !== fallen)).toBe(true)
  expect(await propose(cluster, leaderOf(cluster), 2)).toBe('DiskFull')
  expect(isPut).toBe(false)
  const index = leaderOf(cluster).running?.core.status().commitIndex
  disks.usages.clear()
  expect((await cluster.finish(waiting)).outcome).toMatchObject({ ok: true })
  expect(leaderOf(cluster).running?.core.status().commitIndex).toBeGreaterThan(index as number)
  expect(cluster.nodes.some(isFull)).toBe(false)
})

test('a quota that was reached holds until clearly less is used', async () => {
  const disks = new Disks()
  const cluster = await started({ nodes: 1, diskOf: disks.of })
  const [node] = cluster.nodes as [SimulatedNode]
  expect(await propose(cluster, node, 1)).toBe('applied')
  disks.fill([node])
  expect(await cluster.run(5000, () => isFull(node))).toBe(true)
  expect(await propose(cluster, node, 2)).toBe('DiskFull')
  disks.usages.set(node.id, { ...ROOMY, usedBytes: 0.95 * 2 ** 30 })
  await cluster.run(5000)
  expect(await propose(cluster, node, 2)).toBe('DiskFull')
  disks.usages.set(node.id, { ...ROOMY, usedBytes: 0.85 * 2 ** 30 })
  expect(await cluster.run(5000, () => !isFull(node))).toBe(true)
  expect(await propose(cluster, node, 2)).toBe('applied')
})

test('between two looks the log cannot grow past the limit', async () => {
  const disks = new Disks()
  const cluster = await started({ nodes: 1, diskOf: disks.of, limits: { diskLookMs: 3_600_000 } })
  const [node] = cluster.nodes as [SimulatedNode]
  disks.usages.set(node.id, { ...ROOMY, usedBytes: 2 ** 30 - 8 * KIB })
  node.crash('process')
  await cluster.start()
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  const before = node.running?.loop.facts().logBytes ?? 0
  let puts = 0
  const go = async (): Promise<void> => {
    await client.submit(put(`k${puts}`, 'x'.repeat(KIB)))
    puts++
    await go()
  }
  void go()
  expect(await cluster.run(20_000, () => isFull(node))).toBe(true)
  await cluster.run(500)
  expect(puts).toBeGreaterThan(3)
  expect((node.running?.loop.facts().logBytes ?? 0) - before).toBeLessThan(8 * KIB + 4 * KIB)
})

test('a disk that nobody can measure keeps nobody from work', async () => {
  const measure = async (): Promise<DiskUsage> => Promise.reject(new Error('EIO'))
  const diskOf = () => ({ settings: SETTINGS, ballastBytes: 0, measure, keepBallast: async () => {} })
  const cluster = await started({ nodes: 1, diskOf })
  const [node] = cluster.nodes as [SimulatedNode]
  await cluster.run(5000)
  expect(await propose(cluster, node, 1)).toBe('applied')
  expect(node.fatal).toBeNull()
})

test('near its quota a node lets go of log behind a snapshot, before it has to refuse anything', async () => {
  const settings = { quotaBytes: 256 * KIB, reserveBytes: 0, ballastBytes: 0 }
  const events: string[] = []
  const cluster = await started({
    logger: { log: (_level, event) => events.push(event) },
    diskOf: (files) => new DataDisk(files, '', settings),
    segmentBytesMax: 4 * KIB,
    limits: { snapshotLogBytes: 2 ** 30, makeRoomAgainMs: 20, diskLookMs: 20 },
  })
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  for (let i = 0; i < 150; i++) await cluster.finish(client.submit(put('same', `${i}`.padEnd(4 * KIB))))
  for (const node of cluster.nodes) {
    const { disk, status } = node.running?.loop.facts() ?? {}
    expect(disk?.usedBytes).toBeLessThan(256 * KIB)
    expect(status?.firstIndex).toBeGreaterThan(100)
  }
  expect(events).toContain('snapshot taken')
  expect(events).not.toContain('the disk is full: no proposals are accepted')
})

test('without room for another snapshot the log behind the last one goes, and nothing is written', async () => {
  const disks = new Disks()
  const cluster = await started({
    nodes: 1,
    diskOf: disks.of,
    segmentBytesMax: 4 * KIB,
    limits: { snapshotEntries: 20 },
  })
  const [node] = cluster.nodes as [SimulatedNode]
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  for (let i = 0; i < 50; i++) await cluster.finish(client.submit(put(`k${i}`, 'x'.repeat(KIB))))
  expect(node.running?.core.status().firstIndex).toBe(1)
  const before = node.snapshots
  expect(before.map(({ base }) => base.index)).toEqual([20, 40])
  disks.usages.set(node.id, { ...FULL, freeBytes: 2 * KIB })
  expect(await cluster.run(20_000, () => node.running?.core.status().firstIndex === 41)).toBe(true)
  await cluster.run(1000)
  expect(node.snapshots.map(({ base }) => base.index)).toEqual([40])
  expect(node.running?.loop.facts().logBytes).toBeLessThan(20 * KIB)
})

test('in HotStuff the rounds of a leader whose disk is full pass, and the others order what comes', async () => {
  const disks = new Disks()
  const cluster = await started({ nodes: 4, protocol: 'hotstuff', diskOf: disks.of })
  const [full, ...others] = cluster.nodes as [SimulatedNode, ...SimulatedNode[]]
  disks.fill([full])
  expect(await cluster.run(5000, () => isFull(full))).toBe(true)
  for (let sequence = 1; sequence <= 4; sequence++) {
    expect(await proposeTo(cluster, [full, ...others], sequence)).toEqual(['DiskFull', ...others.map(() => 'applied')])
  }
  const applied = others[0]?.running?.loop.machine.appliedIndex ?? 0
  expect(await cluster.run(5000, () => (full.running?.loop.machine.appliedIndex ?? 0) >= applied)).toBe(true)
})

test('what a replica of PBFT took before its disk was full is ordered, and nobody is accused', async () => {
  const disks = new Disks()
  const cluster = await started({ nodes: 4, protocol: 'pbft', diskOf: disks.of })
  const primary = leaderOf(cluster)
  const others = cluster.nodes.filter((node) => node !== primary)
  disks.fill(others)
  expect(await cluster.run(5000, () => others.every(isFull))).toBe(true)
  const view = primary.running?.core.status().view
  const [left, ...heirs] = others as [SimulatedNode, ...SimulatedNode[]]
  disks.usages.delete(left.id)
  disks.fill([primary])
  // Only one has room, and it is not the primary, before and after this one tried once to find a better one.
  expect(await cluster.run(5000, () => !isFull(left) && isFull(primary))).toBe(true)
  await cluster.run(20_000)
  expect(await propose(cluster, left, 1)).toBe('applied')
  for (const node of [primary, ...heirs]) {
    expect(await cluster.run(5000, () => (node.running?.loop.machine.appliedIndex ?? 0) > 0)).toBe(true)
  }
  expect((left.running?.core.status().view ?? 0) - (view ?? 0)).toBeLessThanOrEqual(4)
})

test('replicas of PBFT whose disks are full take no requests, and execute what others order', async () => {
  const disks = new Disks()
  const cluster = await started({ nodes: 4, protocol: 'pbft', diskOf: disks.of })
  const primary = leaderOf(cluster)
  const [other] = cluster.nodes.filter((node) => node !== primary) as [SimulatedNode]
  expect(await propose(cluster, other, 1)).toBe('applied')
  disks.fill([primary])
  expect(await cluster.run(5000, () => isFull(primary))).toBe(true)
  expect(await propose(cluster, primary, 2)).toBe('DiskFull')
  // Another one is primary now, and this one executes what that one orders.
  expect(await propose(cluster, other, 3)).toBe('applied')
  expect(cluster.leader()).not.toBe(primary)
  const applied = other.running?.loop.machine.appliedIndex ?? 0
  expect(await cluster.run(5000, () => (primary.running?.loop.machine.appliedIndex ?? 0) >= applied)).toBe(true)
  // Where all are full each primary hands over once; then nothing waits for anybody, so nobody is accused.
  disks.fill(cluster.nodes)
  expect(await cluster.run(5000, () => cluster.nodes.every(isFull))).toBe(true)
  for (const node of cluster.nodes) expect(await propose(cluster, node, 4)).toBe('DiskFull')
  await cluster.run(20_000)
  const view = other.running?.core.status().view
  await cluster.run(30_000)
  expect(other.running?.core.status().view).toBe(view)
  // Whoever asks again for what was executed is answered.
  expect(await propose(cluster, other, 3)).toBe('applied')
  disks.usages.clear()
  expect(await cluster.run(5000, () => !cluster.nodes.some(isFull))).toBe(true)
  for (const node of cluster.nodes) expect(await propose(cluster, node, 5)).toBe('applied')
})
