/**
 * Shows that an order finds the leader, waits out what passes, reports what does not, and is never
 * called "not carried out" when that is not known.
 */
import { expect, test } from 'vitest'
import { logIndex, nodeId } from '../../src/consensus/types.js'
import { decodeOrder, encodeOrdered } from '../../src/transport/client-orders.js'
import { CLIENT_FRAME } from '../../src/transport/client-protocol.js'
import { CONTEXT, FakeCluster, type FakeLink, member, type OnFrame } from './fake-cluster.js'

const THREE = [member(1), member(2), member(3)]
const TRANSFER = { kind: 'transferLeadership', target: nodeId('n3') } as const

function ordered(link: FakeLink, payload: Uint8Array, index: number | null): void {
  const { requestNumber } = decodeOrder(payload)
  const detail = { from: link.member.id as string }
  link.deliver(CLIENT_FRAME.ordered, encodeOrdered({ requestNumber, ...CONTEXT, index, detail }))
}

/** Handles orders; everything else is refused as unknown. */
const orders =
  (onOrder: (link: FakeLink, payload: Uint8Array) => void): OnFrame =>
  (link, type, payload) => {
    if (type === CLIENT_FRAME.order) onOrder(link, payload)
    else link.refuse(payload, 'InvalidArgument')
  }

test('an order follows the leader', async () => {
  const cluster = new FakeCluster({
    'n1:1': orders((link, payload) => {
      link.refuse(payload, 'NotLeader', 'n2')
      cluster.elect('n2')
    }),
    'n2:1': orders((link, payload) => {
      expect(decodeOrder(payload).order).toEqual(TRANSFER)
      ordered(link, payload, 7)
    }),
    'n3:1': orders((link, payload) => link.refuse(payload, 'NotLeader')),
  })
  const client = cluster.client(THREE)
  expect(await client.order(TRANSFER)).toEqual({ index: 7, detail: { from: 'n2' }, node: 'n2' })
  await client.close()
})

test('another change is waited out, a stale plan is told at once', async () => {
  let busy = 3
  const cluster = new FakeCluster({
    'n1:1': orders((link, payload) => {
      if (busy-- > 0) link.refuse(payload, 'ChangeInProgress')
      else if (busy === -1) ordered(link, payload, null)
      else link.refuse(payload, 'StalePlan')
    }),
  })
  const client = cluster.client([member(1)])
  const change = { kind: 'changeMembership', planned: logIndex(0), target: [] } as const
  expect(await client.order(change)).toMatchObject({ index: null })
  await expect(client.order(change)).rejects.toMatchObject({ code: 'StalePlan' })
  busy = Number.POSITIVE_INFINITY
  await expect(client.order(change, { timeoutMs: 60 })).rejects.toSatisfy((error) =>
    ['ChangeInProgress', 'OutcomeUnknown'].includes((error as { code: string }).code),
  )
  await client.close()
})

test('an order to one member goes nowhere else', async () => {
  const cluster = new FakeCluster({
    'n1:1': orders((link, payload) => ordered(link, payload, null)),
    'n2:1': orders((link, payload) => ordered(link, payload, null)),
  })
  const client = cluster.client([member(1), member(2)])
  expect(await client.order({ kind: 'takeSnapshot' }, { node: 'n2' })).toMatchObject({ node: 'n2' })
  await expect(client.order({ kind: 'compactLog' }, { node: 'n9' })).rejects.toMatchObject({ code: 'NotFound' })
  await client.close()
})

test('a refusal after a sending whose fate is open leaves the outcome open', async () => {
  let sendings = 0
  const cluster = new FakeCluster({
    'n1:1': orders((link, payload) => {
      sendings += 1
      if (sendings === 1) setImmediate(() => link.close())
      else link.refuse(payload, 'StalePlan')
    }),
  })
  const client = cluster.client([member(1)])
  await expect(client.order(TRANSFER)).rejects.toMatchObject({ code: 'OutcomeUnknown' })
  expect(sendings).toBe(2)
  await client.close()
})

test('a signal ends the wait', async () => {
  const stop = new AbortController()
  const cluster = new FakeCluster({ 'n1:1': orders(() => setImmediate(() => stop.abort())) })
  const client = cluster.client([member(1)])
  await expect(client.order(TRANSFER, { signal: stop.signal })).rejects.toMatchObject({
    code: 'Aborted',
    details: { outcomeUnknown: true },
  })
  await client.close()
})
