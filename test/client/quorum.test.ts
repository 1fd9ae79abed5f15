/**
 * Shows that a client of a Byzantine cluster believes only what more members say than may lie: f liars, in
 * collusion or alone, never make it accept a wrong result, and neither they nor silent, slow or unlinked
 * members keep it from the right one. Every request is signed, and the signature holds.
 */
import { expect, test } from 'vitest'
import { requestCheck, requestSignBytes, signedRequest } from '../../src/consensus/bft/client-request.js'
import { decodeRequestHeader, encodeRequest, NO_SESSION } from '../../src/consensus/request.js'
import { sign } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { CLIENT_FRAME, encodeApplied, requestNumberOf } from '../../src/transport/client-protocol.js'
import { encodeResults, OK, rejected } from '../../src/workflow/result-codec.js'
import { until } from '../until.js'
import { bytes, cas, put } from '../workflow/harness.js'
import { ByzantineWorld, CLUSTER_ID, CONTEXT, type Conduct } from './byzantine-world.js'

const FALSE_INDEX = 4_000

/** Answers at once, with a place and results of its own invention; all of these lie alike. */
const liar: Conduct = (replica, link, type, payload) => {
  const number = requestNumberOf(payload)
  if (type === CLIENT_FRAME.propose) {
    link.deliver(CLIENT_FRAME.applied, encodeApplied(number, CONTEXT, FALSE_INDEX, 0, encodeResults([OK])))
  } else replica.tell(link, number, { key: bytes('k'), value: bytes('forged'), index: 1 }, FALSE_INDEX)
}
const silent: Conduct = () => {}

const get = async (world: ByzantineWorld): Promise<string | null> => {
  const client = world.client()
  const { value } = await client.query('kv.get', { key: bytes('k') })
  await client.close()
  const found = (value as { value: Uint8Array | null }).value
  return found === null ? null : Buffer.from(found).toString()
}

for (const [n, f] of [
  [4, 1],
  [7, 2],
] as const) {
  for (const [name, conduct] of [
    ['lie alike', liar],
    ['are silent', silent],
  ] as const) {
    test(`${f} of ${n} members ${name}: writes and reads go on, and are true`, async () => {
      const world = await ByzantineWorld.of(n)
      for (let i = 0; i < f; i++) world.replica(i + 1).conduct = conduct
      const client = world.client()
      const session = await client.openSession()
      const [first] = await session.submit([put('k', '1')])
      expect(first).toMatchObject({ outcome: { ok: true }, mode: 'pbft', epoch: 3, assurance: 'certified' })
      expect(first?.index).toBeLessThan(FALSE_INDEX)
      const [swapped] = await session.submit([cas('k', '0', '2')])
      expect(swapped?.outcome).toMatchObject({ ok: false, code: 'CompareMismatch' })
      expect(await get(world)).toBe('1')
      await session.close()
      await client.close()
    })
  }
}

test('members that answer apart keep an answer from being believed; the outcome is unknown at the deadline', async () => {
  const world = await ByzantineWorld.of(4)
  for (const n of [1, 2]) world.replica(n).conduct = silent
  world.replica(3).conduct = liar
  const client = world.client()
  await expect(client.openSession({ timeoutMs: 150 })).rejects.toMatchObject({ code: 'OutcomeUnknown' })
  await expect(client.query('kv.get', { key: bytes('k') }, { timeoutMs: 150 })).rejects.toMatchObject({
    code: 'DeadlineExceeded',
  })
  await client.close()
})

test('requests are signed by the client over cluster, session, numbers and operations', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  await client.close()
  const { requests } = world.replica(2)
  expect(requests.length).toBeGreaterThanOrEqual(2)
  for (const request of requests) {
    const check = requestCheck(sha256, CLUSTER_ID, request)
    if (check === null) throw new Error('not in the signed form')
    expect(check.publicKey).toEqual(world.key.publicKey)
    expect(world.verifier.verify(check.publicKey, check.bytes, check.signature)).toBe(true)
    const altered = request.slice()
    altered[64 + 4] = (altered[64 + 4] as number) ^ 1
    const other = requestCheck(sha256, CLUSTER_ID, altered)
    expect(other !== null && world.verifier.verify(other.publicKey, other.bytes, other.signature)).toBe(false)
  }
})

test('the signed form of one request, byte for byte', async () => {
  const { key } = await ByzantineWorld.of(4)
  const header = { session: NO_SESSION, firstSequence: 5, ackedBelow: 0, clientKey: key.publicKey }
  const unsigned = encodeRequest(header, [Uint8Array.of(17)])
  const signBytes = requestSignBytes(sha256, CLUSTER_ID, unsigned)
  expect(Buffer.from(signBytes).toString('hex')).toBe(
    `${Buffer.from('knhk/request/1\0\0').toString('hex')}${'09'.repeat(16)}${Buffer.from(sha256(unsigned)).toString('hex')}`,
  )
  const signed = signedRequest(unsigned, sign(key.privateKey, signBytes))
  expect(Buffer.from(sha256(signed)).toString('hex')).toBe(
    '7007aaf47e41c8aafaea8b0ba37efefead1a2ce1869f94c31024f5ae90e15670',
  )
})

test('two clients with one key open two sessions: their requests have different names', async () => {
  const world = await ByzantineWorld.of(4)
  const clients = [world.client(), world.client()]
  const sessions = await Promise.all(clients.map((client) => client.openSession()))
  expect(sessions[0]?.id).not.toEqual(sessions[1]?.id)
  const names = new Set(world.log.map((request) => decodeRequestHeader(request, 0, request.length).firstSequence))
  expect(names.size).toBe(2)
  for (const client of clients) await client.close()
})

test('a member whose link comes up late gets what is pending, and its answer counts', async () => {
  const world = await ByzantineWorld.of(4)
  world.replica(1).conduct = silent
  world.replica(2).conduct = silent
  world.replica(3).isDown = true
  const client = world.client()
  const opening = client.openSession()
  await until(() => world.replica(4).requests.length > 0)
  world.replica(3).isDown = false
  await expect(opening).resolves.toBeDefined()
  await client.close()
})

test('what a lost link took with it is sent again over the next one', async () => {
  const world = await ByzantineWorld.of(4)
  world.replica(1).conduct = silent
  world.replica(2).conduct = silent
  let closed = 0
  world.replica(3).conduct = (replica, link, type, payload) => {
    if (type === CLIENT_FRAME.propose && closed++ < 2) setImmediate(() => link.close())
    else replica.answer(link, type, payload)
  }
  const client = world.client()
  await expect(client.openSession()).resolves.toBeDefined()
  expect(world.replica(3).links.length).toBeGreaterThan(2)
  await client.close()
})

test('a refusal that passes is asked again, of the member that gave it', async () => {
  const world = await ByzantineWorld.of(4)
  world.replica(1).conduct = silent
  world.replica(2).conduct = silent
  let busy = 3
  world.replica(3).conduct = (replica, link, type, payload) => {
    if (type === CLIENT_FRAME.propose && busy-- > 0) link.refuse(payload, 'ResourceExhausted')
    else replica.answer(link, type, payload)
  }
  const client = world.client()
  await expect(client.openSession()).resolves.toBeDefined()
  expect(busy).toBeLessThan(0)
  await client.close()
})

test('a refusal that stays counts when f + 1 members give it, and not before', async () => {
  const world = await ByzantineWorld.of(4)
  const refusing: Conduct = (_, link, __, payload) => link.refuse(payload, 'NotPermitted')
  world.replica(1).conduct = refusing
  const client = world.client()
  await expect(client.openSession()).resolves.toBeDefined()
  world.replica(2).conduct = refusing
  for (const n of [3, 4]) world.replica(n).conduct = silent
  await expect(client.openSession()).rejects.toMatchObject({ code: 'NotPermitted' })
  await client.close()
})

test('without any member the request was not sent, and nobody wonders about its outcome', async () => {
  const world = await ByzantineWorld.of(4)
  for (const replica of world.replicas) replica.isDown = true
  const client = world.client()
  await expect(client.openSession({ timeoutMs: 120 })).rejects.toMatchObject({ code: 'Unreachable' })
  await client.close()
})

test('endpoints that are too few to be believed are told at once', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client(['n1'])
  await expect(client.openSession()).rejects.toMatchObject({ code: 'InvalidArgument' })
  // One member's word is what a local read asks for.
  await expect(client.query('kv.get', { key: bytes('k') }, { read: 'local' })).resolves.toMatchObject({ node: 'n1' })
  await client.close()
})

test('a kept result counts as equal to the first one: a replica that applied the request twice agrees', async () => {
  const world = await ByzantineWorld.of(4)
  world.replica(1).conduct = silent
  world.replica(2).conduct = silent
  const client = world.client()
  const session = await client.openSession()
  // n3 says the same in the other form: later entry, results marked as kept, with their first place.
  world.replica(3).conduct = (replica, link, type, payload) => {
    if (type !== CLIENT_FRAME.propose) return replica.answer(link, type, payload)
    const index = world.replica(4).machine.appliedIndex + 1
    const kept = Uint8Array.from([1, 0, 0x80, index, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    link.deliver(CLIENT_FRAME.applied, encodeApplied(requestNumberOf(payload), CONTEXT, index + 9, 0, kept))
  }
  const [placed] = await session.submit([put('k', '1')], { timeoutMs: 1_000 })
  expect(placed?.index).toBe(world.replica(4).machine.appliedIndex)
  await client.close()
})

test('an answer that cannot be read costs the link and counts for nothing', async () => {
  const world = await ByzantineWorld.of(4)
  world.replica(1).conduct = (_, link, __, payload) => {
    const answer = encodeApplied(requestNumberOf(payload), CONTEXT, 1, 0, rejected('Bug', 'x').subarray(0, 2))
    link.deliver(CLIENT_FRAME.applied, answer)
  }
  const client = world.client()
  // n2 waits, so that the answer of n1 comes while it matters.
  world.replica(2).isFrozen = true
  await expect(client.submitOnce(put('k', '1'))).resolves.toMatchObject({ outcome: { ok: true } })
  expect(world.replica(1).links.reduce((sum, link) => sum + link.violations, 0)).toBeGreaterThan(0)
  await client.close()
})

test('a cancelled request says whether it may have been applied', async () => {
  const world = await ByzantineWorld.of(4)
  for (const replica of world.replicas) replica.conduct = silent
  const client = world.client()
  const stop = new AbortController()
  const opening = expect(client.openSession({ signal: stop.signal })).rejects.toMatchObject({
    code: 'Aborted',
    details: { outcomeUnknown: true },
  })
  await until(() => world.replica(1).requests.length > 0)
  stop.abort()
  await opening
  const received = world.replica(1).received
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(world.replica(1).received).toBe(received)
  await client.close()
})
