/**
 * Shows receipts from the production node loop under every protocol: they hold with nothing but the
 * configuration, no changed byte passes, nor another cluster, other keys or too few signers, and what they
 * claim is what happened. Receipts stay good over a change of members and behind a compaction.
 */
import { describe, expect, test } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import { collectReceipt } from '../../src/client/receipts.js'
import type { ProtocolName } from '../../src/consensus/types.js'
import { decodeOperation } from '../../src/workflow/operation-codec.js'
import { decodeReceipt, encodeReceipt, type Receipt } from '../../src/workflow/receipts/receipt.js'
import { formatDocument, parseReceipt, receiptDocument } from '../../src/workflow/receipts/receipt-file.js'
import { type ReceiptVerdict, type Trust, verifyReceipt } from '../../src/workflow/receipts/verify.js'
import { put, ReceiptWorld } from './receipt-world.js'

const PROTOCOLS: readonly ProtocolName[] = ['raft', 'pbft', 'hotstuff']

async function receiptAt(world: ReceiptWorld, index: number, position = 0): Promise<Receipt> {
  return world.cluster.finish(collectReceipt(world.client, world.trust, { index, position }))
}

/** What becomes of bytes that may be anything. */
function judge(trust: Trust, bytes: Uint8Array): string | null {
  try {
    return verifyReceipt(trust, decodeReceipt(bytes)).problem
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return error.message
    throw error
  }
}

function proven(verdict: ReceiptVerdict) {
  if (verdict.problem !== null) throw new Error(verdict.problem)
  return verdict.proven
}

describe.each(PROTOCOLS)('%s', (protocol) => {
  test('a receipt holds, says what happened, and no changed byte passes', async () => {
    const world = await ReceiptWorld.make(protocol)
    const operations = Array.from({ length: 5 }, (_, i) => put(`k${i}`, `v${i}`))
    const placed = await world.submit(operations)
    const { index, position } = placed[3] ?? expect.fail('no result')
    const receipt = await receiptAt(world, index, position)
    const { trust } = world
    const found = proven(verifyReceipt(trust, receipt))
    expect(found.operations.map(({ bytes }) => decodeOperation(bytes))).toEqual(operations)
    expect(found.operations.map((one) => one.position)).toEqual([0, 1, 2, 3, 4])
    expect(found.operations[3]?.result).toMatchObject({ index, position: 3, outcome: { ok: true } })
    expect(found.deciders).toHaveLength(protocol === 'raft' ? 0 : 3)
    expect(found.signers.length).toBeGreaterThanOrEqual(protocol === 'raft' ? 1 : 2)
    expect(found.clientSigned).toBe(protocol !== 'raft')

    const bytes = encodeReceipt(receipt)
    expect(judge(trust, bytes)).toBeNull()
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 0x40]) {
        const changed = bytes.slice()
        changed[at] = (changed[at] as number) ^ bit
        expect(judge(trust, changed), `byte ${at} of ${bytes.length}`).not.toBeNull()
      }
    }
    expect(judge(trust, bytes.subarray(0, -1))).not.toBeNull()
    expect(judge(trust, new Uint8Array([...bytes, 0]))).not.toBeNull()

    const text = formatDocument(receiptDocument(receipt))
    expect(encodeReceipt(parseReceipt(text))).toEqual(bytes)
    for (let at = 0; at < text.length; at += 1) {
      const changed = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`
      expect(() => proven(verifyReceipt(trust, parseReceipt(changed))), `character ${at}`).toThrow()
    }
  }, 60_000)

  test('it proves nothing to another cluster, with other keys, other settings or too few signatures', async () => {
    const world = await ReceiptWorld.make(protocol)
    const [{ index } = expect.fail('no result')] = await world.submit([put('k', 'v')])
    const receipt = await receiptAt(world, index)
    const { trust } = world
    const { configuration } = trust
    const problem = (changed: Partial<Trust>, shown = receipt) => verifyReceipt({ ...trust, ...changed }, shown).problem
    expect(problem({})).toBeNull()
    expect(problem({ configuration: { ...configuration, clusterId: new Uint8Array(16) } })).toMatch(/another cluster/)
    expect(problem({ clusterConfigHash: new Uint8Array(32) })).not.toBeNull()
    const strangers = configuration.members.map((member) => ({ ...member, publicKey: new Uint8Array(32).fill(77) }))
    expect(problem({ configuration: { ...configuration, genesis: strangers, members: strangers } })).not.toBeNull()
    const needed = protocol === 'raft' ? 1 : 2
    expect(problem({}, { ...receipt, statements: receipt.statements.slice(0, needed - 1) })).not.toBeNull()
    expect(problem({}, { ...receipt, statements: receipt.statements.slice(0, needed) })).toBeNull()
    const [first] = receipt.statements
    if (first === undefined) throw new Error('no statement')
    expect(problem({}, { ...receipt, statements: [first, first] })).not.toBeNull()
    const others = (['raft', 'pbft', 'hotstuff'] as const).filter((other) => other !== protocol)
    for (const other of others) expect(problem({ configuration: { ...configuration, protocol: other } })).not.toBeNull()
  })

  test('what is not there has no receipt', async () => {
    const world = await ReceiptWorld.make(protocol)
    const [{ index } = expect.fail('no result')] = await world.submit([put('k', 'v')])
    await expect(receiptAt(world, index, 7)).rejects.toMatchObject({ code: 'NotFound' })
    await expect(receiptAt(world, index + 1000)).rejects.toMatchObject({ code: 'NotFound' })
  })
})

test('what the members made themselves has a receipt for its inclusion alone', async () => {
  const world = await ReceiptWorld.make('pbft')
  const receipt = await receiptAt(world, 1)
  const found = proven(verifyReceipt(world.trust, receipt))
  expect(found).toMatchObject({ client: null, operations: [], receipt: { result: null } })
  expect(found.receipt.entry.kind).toBe('mode')
})

test('a rejected operation is proven to be rejected', async () => {
  const world = await ReceiptWorld.make('pbft')
  const [placed] = await world.submit([{ type: 'UpdateCaseState', caseId: CASE, newState: 'running', error: null }])
  const { operations } = proven(verifyReceipt(world.trust, await receiptAt(world, placed?.index ?? 0)))
  expect(operations[0]?.result?.outcome).toMatchObject({ ok: false, code: 'CaseNotFound' })
})

test.each(['pbft', 'hotstuff'] as const)(
  'over a change of members, and behind a compaction (%s)',
  async (protocol) => {
    const world = await ReceiptWorld.make(protocol, { nodes: 5, limits: LIMITS[protocol] })
    const { cluster, trust } = world
    const [before] = await world.submit([put('before', '1')])
    const target = cluster.configuration.genesis
      .slice(0, 4)
      .map((member) => ({ ...member, role: 'voter' as const, promote: false }))
    const leader = cluster.leader()?.id ?? expect.fail('no leader')
    expect(await world.order(leader, world.change(target))).toBeNull()
    const four = cluster.nodes.slice(0, 4)
    const moved = () => four.every((node) => node.running?.core.status().epoch === 1)
    expect(await cluster.run(30_000, moved)).toBe(true)
    const [after] = await world.submit([put('after', '2')])

    for (const place of [before, after]) {
      const receipt = await receiptAt(world, place?.index ?? 0)
      const found = proven(verifyReceipt(trust, receipt))
      expect(receipt.steps).toHaveLength(1)
      expect(found.deciders).toHaveLength(place === before ? 4 : 3)
      expect(found.signers).not.toContain('n5')
      // Without the step nobody knows who decided, and with a step less than it has nobody is believed.
      expect(verifyReceipt(trust, { ...receipt, steps: [] }).problem).not.toBeNull()
    }

    // The second snapshot is the first behind which PBFT lets go of anything.
    for (let i = 0; i < (protocol === 'pbft' ? 270 : 140); i++) await world.submit([put(`k${i}`, 'v')])
    const compacted = () => four.every((node) => (node.running?.core.status().firstIndex ?? 0) > 100)
    expect(await cluster.run(30_000, compacted)).toBe(true)
    const [late] = await world.submit([put('late', '3')])
    const receipt = await receiptAt(world, late?.index ?? 0)
    expect(proven(verifyReceipt(trust, receipt)).receipt.steps).toHaveLength(1)
    await expect(receiptAt(world, before?.index ?? 0)).rejects.toMatchObject({ code: 'NotFound' })
  },
  120_000,
)

/** PBFT's log rests on the stable checkpoint, one interval before the snapshot. */
const LIMITS = {
  pbft: { snapshotEntries: 100, trailingEntries: 130 },
  hotstuff: { snapshotEntries: 100, trailingEntries: 4 },
}
const CASE = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11'
