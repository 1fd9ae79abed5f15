/**
 * Shows how evidence that a node keeps reaches whoever asks: listed with its culprit, exported with what
 * makes it checkable offline, and nothing but proof: a forged piece accuses nobody, and no changed file holds.
 */
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import { KnhkError } from '../../src/base/error.js'
import { collectEvidence, fetchEvidence } from '../../src/client/evidence.js'
import { type Evidence, encodeEvidence, equivocation, evidenceId } from '../../src/consensus/bft/evidence.js'
import { epochConfigHash } from '../../src/consensus/bft/replicas.js'
import { NO_EXTRA, type SignedStatement, type Statement, signBytes } from '../../src/consensus/bft/statement.js'
import { genesisMembership } from '../../src/consensus/membership.js'
import { epoch, nodeId } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { simulatedSigner } from '../../src/simulator/signatures.js'
import { openEvidenceStore } from '../../src/storage/evidence-store.js'
import { evidenceDocument, formatDocument, parseEvidence } from '../../src/workflow/receipts/receipt-file.js'
import type { Trust } from '../../src/workflow/receipts/verify.js'
import { evidenceVerdict } from '../../src/workflow/receipts/verify-evidence.js'
import { ReceiptWorld } from './receipt-world.js'

/** n2 prepared two values in one slot; signed with the key of `by`. */
function evidenceIn({ configuration, clusterConfigHash }: Trust, by = 'n2'): Evidence {
  const { clusterId, members } = configuration
  const context = {
    clusterId,
    configHash: epochConfigHash(sha256, clusterConfigHash, genesisMembership(configuration)),
  }
  const key = members.find(({ id }) => id === by)?.publicKey ?? new Uint8Array(32)
  const said = (filling: number): SignedStatement => {
    const digest = new Uint8Array(32).fill(filling)
    const slot: Statement = {
      mode: 'pbft',
      type: 'prepare',
      epoch: epoch(0),
      view: 3,
      sequence: 7,
      digest,
      extra: NO_EXTRA,
    }
    return { ...slot, signer: nodeId('n2'), signature: simulatedSigner(sha256, key)(signBytes(context, slot)) }
  }
  return equivocation(context, said(1), said(2)) ?? expect.fail('no contradiction')
}

async function keep(world: ReceiptWorld, at: string, evidence: Evidence): Promise<void> {
  const { cluster } = world
  const node = cluster.node(nodeId(at))
  node.crash('process')
  const store = await cluster.finish(openEvidenceStore(node.watchedFiles, '/evidence'))
  await cluster.finish(store.put(evidenceId(sha256, evidence), encodeEvidence(evidence)))
  await cluster.start()
}

test('is listed, exported and checked; forged evidence is not even listed', async () => {
  const world = await ReceiptWorld.make('pbft')
  const { cluster, client, trust } = world
  expect(await cluster.finish(collectEvidence(client, trust, {}))).toEqual([])
  const evidence = evidenceIn(trust)
  const id = toHex(evidenceId(sha256, evidence))
  await keep(world, 'n3', evidence)
  const [found, ...more] = await cluster.finish(collectEvidence(client, trust, {}))
  expect(more).toEqual([])
  expect(found).toMatchObject({ id, index: null, holders: ['n3'], file: { evidence: { culprit: 'n2' } } })

  const file = await cluster.finish(fetchEvidence(client, trust, id, {}))
  expect(evidenceVerdict(trust, file)).toBeNull()
  const text = formatDocument(evidenceDocument(sha256, file))
  expect(parseEvidence(sha256, text)).toEqual(file)
  for (let at = 0; at < text.length; at++) {
    const changed = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`
    expect(judge(trust, changed), `character ${at}`).not.toBeNull()
  }
  const other = { ...trust.configuration, clusterId: new Uint8Array(16) }
  expect(evidenceVerdict({ ...trust, configuration: other }, file)).toMatch(/another cluster/)
  expect(evidenceVerdict({ ...trust, clusterConfigHash: new Uint8Array(32) }, file)).not.toBeNull()
  await expect(cluster.finish(fetchEvidence(client, trust, '0'.repeat(64), {}))).rejects.toMatchObject({
    code: 'NotFound',
  })
}, 60_000)

test('a forged piece accuses nobody', async () => {
  const world = await ReceiptWorld.make('pbft')
  const { cluster, client, trust } = world
  const forged = evidenceIn(trust, 'n1')
  await keep(world, 'n3', forged)
  expect(await cluster.finish(collectEvidence(client, trust, {}))).toEqual([])
  const file = { clusterId: trust.configuration.clusterId, evidence: forged, steps: [] }
  expect(evidenceVerdict(trust, file)).toBe('a signature does not hold')
})

function judge(trust: Trust, text: string): string | null {
  try {
    return evidenceVerdict(trust, parseEvidence(sha256, text))
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return error.message
    throw error
  }
}
