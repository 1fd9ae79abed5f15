/**
 * PBFT's messages as bytes, and what ingress asks of them: strict round trips for everything that a busy
 * cluster sends, no signature that counts as another type, view, slot, epoch or cluster, no certificate
 * with a signer twice; and the proof beside every decided entry.
 */
import { describe, expect, it } from 'vitest'
import { type Certificate, decodeCertificate, encodeCertificate } from '../../../src/consensus/bft/certificate.js'
import { EpochContext } from '../../../src/consensus/bft/epoch.js'
import { decodeInit } from '../../../src/consensus/bft/init.js'
import {
  decodePbft,
  encodePbft,
  type PbftMessage,
  verifyPbftEntryCertificate,
} from '../../../src/consensus/bft/pbft/index.js'
import { statementProblem } from '../../../src/consensus/bft/pbft/statement-rules.js'
import { type Entry, GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import { epoch, logIndex, type NodeId, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { holds, replicasOf } from './keys.js'
import { pbftCluster } from './pbft-harness.js'
import { run } from './pbft-random-run.js'

function contextOf(count = 4, ofEpoch = 0): EpochContext {
  const ports = { sha256, clusterId: CLUSTER_ID, clusterConfigHash: CONFIG_HASH }
  const origin = { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
  return new EpochContext(ports, epoch(ofEpoch), origin, { index: logIndex(0), membership: replicasOf(count) })
}

/** One message of each type, with who sent it. */
function samples(): Map<string, { from: NodeId; message: PbftMessage }> {
  const found = new Map<string, { from: NodeId; message: PbftMessage }>()
  const cluster = pbftCluster()
  cluster.onDeliver = (from, _to, message) => found.set(message.type, { from, message: message as PbftMessage })
  const names = Array.from({ length: 40 }, () => cluster.submit())
  cluster.runFor(3000, () => names.every((name) => cluster.executedBy(name)))
  cluster.crash(cluster.node('n4'))
  cluster.rotate(cluster.node('n1'))
  cluster.submit()
  cluster.runFor(3000)
  for (const id of ['n1', 'n2', 'n3']) cluster.snapshot(cluster.node(id), 8)
  cluster.restart(cluster.node('n4'))
  cluster.runFor(3000)
  return found
}

describe('codec', () => {
  it('decodes to the same bytes again, and takes nothing more or less', () => {
    const found = samples()
    expect(found.size).toBeGreaterThanOrEqual(6)
    for (const { message } of found.values()) {
      const bytes = encodePbft(message)
      expect(encodePbft(decodePbft(bytes))).toEqual(bytes)
      expect(() => decodePbft(bytes.subarray(0, bytes.length - 1))).toThrow()
      expect(() => decodePbft(Uint8Array.of(...bytes, 0))).toThrow()
    }
  })

  it('of what liars send too', () => {
    let count = 0
    const cluster = run({ seed: 3, liars: true })
    cluster.onDeliver = (_from, _to, message) => {
      const bytes = encodePbft(message as PbftMessage)
      expect(encodePbft(decodePbft(bytes))).toEqual(bytes)
      count++
    }
    cluster.submit()
    cluster.runFor(500)
    expect(count).toBeGreaterThan(10)
  })
})

describe('proof of decision', () => {
  const cluster = pbftCluster()
  const names = Array.from({ length: 12 }, () => cluster.submit())
  cluster.runFor(2000, () => names.every((name) => cluster.executedBy(name)))
  const entries = cluster.node('n1').disk.entries
  const proofOf = (entry: Entry): Uint8Array => entry.certificate as Uint8Array
  const verdictOf = (entry: Entry, proof = proofOf(entry), context = contextOf()) =>
    verifyPbftEntryCertificate(sha256, context, entry, proof)

  it('stands beside every entry, INIT first', () => {
    expect(entries[0]?.kind).toBe('mode')
    expect(decodeInit((entries[0] as Entry).body).basis.kind).toBe('genesis')
    for (const entry of entries) {
      const verdict = verdictOf(entry)
      expect(verdict.problem).toBeNull()
      if (verdict.problem === null) {
        expect(verdict.checks).toHaveLength(3)
        expect(verdict.checks.every(holds)).toBe(true)
      }
    }
  })

  it('proves nothing for another entry, epoch, cluster size, or with a signer too few', () => {
    const [first, second] = [entries[1] as Entry, entries[2] as Entry]
    expect(verdictOf(first, proofOf(second)).problem).not.toBeNull()
    expect(verdictOf(first, proofOf(first), contextOf(4, 1)).problem).not.toBeNull()
    expect(verdictOf(first, proofOf(first), contextOf(5)).problem).not.toBeNull()
    const certificate = decodeCertificate(proofOf(first))
    const short: Certificate = {
      ...certificate,
      signers: certificate.signers.slice(1),
      signatures: certificate.signatures.slice(1),
    }
    expect(verdictOf(first, encodeCertificate(short)).problem).toContain('no quorum')
    expect(verdictOf({ ...first, timestampMs: first.timestampMs + 1 }).problem).toContain('another value')
  })

  it('a commit is no prepare, and a prepare certificate no proof', () => {
    const entry = entries[1] as Entry
    const certificate = decodeCertificate(proofOf(entry))
    const prepare = { ...certificate, statement: { ...certificate.statement, type: 'prepare' as const } }
    expect(verdictOf(entry, encodeCertificate(prepare)).problem).toContain('not a commit')
    expect(statementProblem(contextOf(), certificate.statement, 'prepare')).not.toBeNull()
  })
})

describe('replay', () => {
  it('no signature holds as another type, view, slot, epoch or cluster', () => {
    const { message } = samples().get('pbftVote') as { message: Extract<PbftMessage, { type: 'pbftVote' }> }
    const cluster = pbftCluster()
    cluster.runFor(100)
    const { core } = cluster.node('n2')
    const { vote } = message
    const changes = [
      { type: vote.type === 'commit' ? ('prepare' as const) : ('commit' as const) },
      { view: vote.view + 1 },
      { sequence: vote.sequence + 1 },
      { epoch: epoch(vote.epoch + 1) },
      { mode: 'hotstuff' as const },
      { digest: sha256(vote.digest) },
    ]
    for (const change of changes) {
      const checks = core.checks(vote.signer, { type: 'pbftVote', vote: { ...vote, ...change } })
      expect(checks === null || !checks.every(holds)).toBe(true)
    }
    // In a cluster with other members the configuration differs, and with it what is signed.
    const other = pbftCluster({ count: 5 }).node('n2').core.checks(vote.signer, message)
    expect(other?.every(holds)).toBe(false)
    expect(core.checks(nodeId('n9'), message)).toBeNull()
  })
})
