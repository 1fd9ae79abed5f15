/**
 * Shows that a client follows the replicated members: it finds leaders that its cluster file does not
 * list, its status shows who is a member now, and no answer, right or wrong, locks it out.
 */
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import type { MemberConfiguration } from '../../src/consensus/configuration.js'
import { encodeOrdered } from '../../src/transport/client-orders.js'
import { CLIENT_FRAME, decodeQuery, encodeQueryAnswer, requestNumberOf } from '../../src/transport/client-protocol.js'
import { CONTEXT, FakeCluster, member, type OnFrame } from './fake-cluster.js'

interface Told {
  index: number
  committed: boolean
  members: readonly MemberConfiguration[]
}

const answerOf = ({ index, committed, members }: Told) => ({
  index,
  committed,
  joint: false,
  members: members.map(({ id, publicKey, address, zone }) => ({
    id,
    publicKey: toHex(publicKey),
    address,
    zone,
    role: 'voter',
    wasVoter: false,
    promote: false,
  })),
})

/** A node that knows `told` of its members (anything else: what it answers instead), and leads or not. */
const node =
  (told: () => unknown, leads = false): OnFrame =>
  (link, type, payload) => {
    const requestNumber = requestNumberOf(payload)
    if (type === CLIENT_FRAME.order) {
      if (!leads) link.refuse(payload, 'NotLeader')
      else link.deliver(CLIENT_FRAME.ordered, encodeOrdered({ requestNumber, ...CONTEXT, index: 1, detail: null }))
      return
    }
    const { name } = decodeQuery(payload)
    const value = name === 'cluster.members' ? told() : { role: leads ? 'leader' : 'follower', term: 1, mode: 'raft' }
    if (value === undefined) link.refuse(payload, 'InvalidArgument')
    else
      link.deliver(CLIENT_FRAME.answer, encodeQueryAnswer({ requestNumber, ...CONTEXT, index: 1, staleMs: 0, value }))
  }

const listed = [member(1), member(2), member(3)]

test('status shows new members and no longer those that left, before and after they are known', async () => {
  const told: Told = { index: 9, committed: true, members: [member(2), member(3), member(4)] }
  const say = () => answerOf(told)
  const cluster = new FakeCluster({
    'n1:1': node(() => answerOf({ index: 0, committed: true, members: listed })),
    'n2:1': node(say, true),
    'n3:1': node(say),
    'n4:1': node(say),
    'n5:1': node(say),
  })
  const client = cluster.client(listed)
  const shown = async () => (await client.clusterStatus()).nodes.map(({ id, reachable }) => `${id} ${reachable}`)
  expect(await shown()).toEqual(['n2 true', 'n3 true', 'n4 true'])
  Object.assign(told, { index: 12, members: [member(2), member(5)] })
  expect(await shown()).toEqual(['n2 true', 'n5 true'])
  await client.close()
})

test('a client that was there before the others joined finds the one of them that leads now', async () => {
  const told: Told = { index: 0, committed: true, members: [member(1)] }
  const leads = { n1: true }
  const say = () => answerOf(told)
  const cluster = new FakeCluster({
    'n1:1': (link, type, payload) => node(say, leads.n1)(link, type, payload),
    'n2:1': node(say, true),
  })
  const client = cluster.client([member(1)])
  expect(await client.order({ kind: 'compactLog' })).toMatchObject({ node: 'n1' })
  Object.assign(told, { index: 9, members: [member(1), member(2)] })
  leads.n1 = false
  cluster.elect('n2')
  expect(await client.order({ kind: 'compactLog' })).toMatchObject({ node: 'n2' })
  await client.close()
})

test('a leader that the file does not list is found, and a member that moved as well', async () => {
  const say = () => answerOf({ index: 9, committed: true, members: [member(1), member(2, 'elsewhere:1'), member(4)] })
  const cluster = new FakeCluster({ 'n1:1': node(say), 'elsewhere:1': node(say), 'n4:1': node(say, true) })
  cluster.leader = 'n4'
  const client = cluster.client([member(1), member(2)])
  expect(await client.order({ kind: 'compactLog' })).toMatchObject({ node: 'n4' })
  const nodes = (await client.clusterStatus()).nodes.map(({ id, address, reachable }) => ({ id, address, reachable }))
  expect(nodes).toEqual([
    { id: 'n1', address: 'n1:1', reachable: true },
    { id: 'n2', address: 'elsewhere:1', reachable: true },
    { id: 'n4', address: 'n4:1', reachable: true },
  ])
  await client.close()
})

test('a committed configuration counts before one that is not, the newer of two before the older', async () => {
  const uncommitted = () => answerOf({ index: 20, committed: false, members: [member(1), member(2), member(7)] })
  const old = () => answerOf({ index: 3, committed: true, members: [member(1), member(2), member(8)] })
  const newest = () => answerOf({ index: 9, committed: true, members: listed })
  const cluster = new FakeCluster({ 'n1:1': node(uncommitted), 'n2:1': node(newest), 'n3:1': node(old) })
  const client = cluster.client(listed)
  expect((await client.clusterStatus()).nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3'])
  await client.close()
})

test('nodes that do not answer the question, or answer nonsense, change nothing', async () => {
  const one = answerOf({ index: 9, committed: true, members: [member(9)] })
  const nonsense = [
    undefined,
    null,
    7,
    { ...one, index: 'x' },
    { ...one, committed: 1 },
    { ...one, members: [] },
    { ...one, members: 'n9' },
    { ...one, members: [...one.members, { ...one.members[0], publicKey: 'zz' }] },
    { ...one, members: [{ ...one.members[0], publicKey: 'aa' }] },
    { ...one, members: [{ ...one.members[0], address: 5 }] },
  ]
  for (const value of nonsense) {
    const cluster = new FakeCluster({ 'n1:1': node(() => value, true), 'n2:1': node(() => value) })
    const client = cluster.client([member(1), member(2)])
    expect(await client.order({ kind: 'compactLog' })).toMatchObject({ node: 'n1' })
    expect((await client.clusterStatus()).nodes.map(({ id }) => id)).toEqual(['n1', 'n2'])
    await client.close()
  }
})

test('a node that left and lies behind does not keep a client from the others', async () => {
  const stale = () => answerOf({ index: 5, committed: true, members: [member(1)] })
  const current = () => answerOf({ index: 9, committed: true, members: [member(2), member(3)] })
  const cluster = new FakeCluster({ 'n1:1': node(stale), 'n2:1': node(current, true), 'n3:1': node(current) })
  cluster.leader = 'n2'
  const client = cluster.client(listed)
  await client.query('node.status', {}, { node: 'n1', read: 'local' })
  expect(await client.order({ kind: 'compactLog' })).toMatchObject({ node: 'n2' })
  expect((await client.clusterStatus()).nodes.map(({ id }) => id)).toEqual(['n2', 'n3'])
  await client.close()
})

test('whoever names an endpoint is kept to it, by the way that was given', async () => {
  const say = () => answerOf({ index: 9, committed: true, members: [member(1), member(2), member(3)] })
  const cluster = new FakeCluster({ 'tunnel:1': node(say, true), 'n2:1': node(say) })
  const client = cluster.client([member(1, 'tunnel:1'), member(2)], ['n1'])
  expect((await client.clusterStatus()).nodes.map(({ id }) => id)).toEqual(['n1'])
  expect(await client.order({ kind: 'compactLog' })).toMatchObject({ node: 'n1' })
  expect(cluster.dials.every((dial) => dial === 'n1 tunnel:1')).toBe(true)
  await client.close()
})
