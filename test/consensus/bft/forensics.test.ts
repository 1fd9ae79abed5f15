/**
 * Shows whom two decided entries that contradict each other convict: those in both quorums by their own
 * signatures in one view or round, by what they signed in between over views and rounds, and nobody but
 * suspects where that is not at hand.
 */
import { describe, expect, test } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import { decodeCertificate, encodeCertificate, makeCertificate } from '../../../src/consensus/bft/certificate.js'
import { EpochContext } from '../../../src/consensus/bft/epoch.js'
import { evidenceChecks } from '../../../src/consensus/bft/evidence.js'
import { blameHotStuff, blamePbft, contradicts, type Testimony } from '../../../src/consensus/bft/forensics.js'
import { type BlockHeader, hashHeader } from '../../../src/consensus/bft/hotstuff/block.js'
import { voteStatement } from '../../../src/consensus/bft/hotstuff/certificates.js'
import { decodeProof, encodeProof } from '../../../src/consensus/bft/hotstuff/proof.js'
import type { NewView, ViewChange } from '../../../src/consensus/bft/pbft/messages.js'
import { viewChangeDigest } from '../../../src/consensus/bft/pbft/new-view.js'
import { NO_EXTRA, type SignedStatement, type Statement, signBytes } from '../../../src/consensus/bft/statement.js'
import { type Entry, GENESIS_CHAIN, makeEntry, valueDigest } from '../../../src/consensus/entry.js'
import { encodeBody } from '../../../src/consensus/request-body.js'
import { epoch, logIndex, type NodeId, nodeId, term } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { holds, replicasOf, signAs } from './keys.js'

const START = logIndex(0)
const ORIGIN = { index: START, chain: GENESIS_CHAIN, timestampMs: 0 }
const PORTS = { sha256, clusterId: CLUSTER_ID, clusterConfigHash: CONFIG_HASH }
const CONTEXT = new EpochContext(PORTS, epoch(0), ORIGIN, { index: START, membership: replicasOf(4) })
const TESTIMONY: Testimony = { sha256, context: CONTEXT, commitRule: 3, newViews: [], holds }
const FIRST = ['n1', 'n2', 'n3']
const LAST = ['n2', 'n3', 'n4']

function signed(statement: Statement, signer: string): SignedStatement {
  return { ...statement, signer: nodeId(signer), signature: signAs(signer)(signBytes(CONTEXT.sign, statement)) }
}

function certified(statement: Statement, signers: readonly string[]) {
  return makeCertificate(
    CONTEXT.replicas,
    statement,
    signers.map((signer) => signed(statement, signer)),
  )
}

function entryOf(text: string, certificate: Uint8Array, index = 2): Entry {
  const body = encodeBody([new TextEncoder().encode(text)])
  const batchDigest = computeBatchDigest(sha256, 'data', body)
  const place = { epoch: epoch(0), term: term(0), index: logIndex(index), timestampMs: 5, kind: 'data' as const }
  const { clusterId, configHash } = CONTEXT.sign
  return makeEntry(
    sha256,
    { ...place, clusterId, configHash, batchDigest, previousChain: GENESIS_CHAIN },
    body,
    certificate,
  )
}

/** Committed by these at sequence 1, which is index 2. */
function pbftEntry(text: string, view: number, signers: readonly string[]): Entry {
  const bare = entryOf(text, NO_EXTRA)
  const digest = valueDigest(sha256, bare, bare.batchDigest)
  const statement: Statement = {
    mode: 'pbft',
    type: 'commit',
    epoch: epoch(0),
    view,
    sequence: 1,
    digest,
    extra: NO_EXTRA,
  }
  return { ...bare, certificate: encodeCertificate(certified(statement, signers)) }
}

function viewChangeOf(signer: string, view: number, prepared: ViewChange['prepared']): ViewChange {
  const content = { type: 'pbftViewChange' as const, stable: null, prepared }
  const digest = viewChangeDigest(sha256, content)
  const statement = {
    mode: 'pbft',
    type: 'viewChange',
    epoch: epoch(0),
    view,
    sequence: 0,
    digest,
    extra: NO_EXTRA,
  } as const
  return { ...content, vote: signed(statement, signer) }
}

function newViewOf(viewChanges: readonly ViewChange[]): NewView {
  const [first] = viewChanges
  if (first === undefined) throw new Error('no view changes')
  return { type: 'pbftNewView', vote: first.vote, viewChanges, order: [] }
}

describe('PBFT', () => {
  test('in one view those who committed both, with evidence that anybody can check', () => {
    const [a, b] = [pbftEntry('a', 0, FIRST), pbftEntry('b', 0, LAST)]
    expect(contradicts(a, b)).toBe(true)
    expect(contradicts(a, a)).toBe(false)
    const { culprits, suspects } = blamePbft(TESTIMONY, [a], [b])
    expect(suspects).toEqual([])
    expect(culprits.map(({ id, reason }) => [id, reason])).toEqual([
      ['n2', 'equivocation'],
      ['n3', 'equivocation'],
    ])
    for (const { evidence } of culprits) {
      if (evidence === null) throw new Error('no evidence')
      expect(evidenceChecks(CLUSTER_ID, CONTEXT.replicas, evidence).every(holds)).toBe(true)
    }
  })

  test('over views those who hid what they had committed; without the view changes suspects only', () => {
    const [a, b] = [pbftEntry('a', 0, FIRST), pbftEntry('b', 2, LAST)]
    expect(blamePbft(TESTIMONY, [b], [a])).toEqual({ culprits: [], suspects: ['n2', 'n3'] })
    const prepare = { ...certificateOf(a), statement: { ...certificateOf(a).statement, type: 'prepare' as const } }
    const honest = viewChangeOf('n1', 1, [certified(prepare.statement, FIRST)])
    const newViews = [
      newViewOf([honest, viewChangeOf('n2', 1, []), viewChangeOf('n3', 1, []), viewChangeOf('n4', 1, [])]),
    ]
    const { culprits } = blamePbft({ ...TESTIMONY, newViews }, [a], [b])
    expect(culprits.map(({ id, reason }) => [id, reason])).toEqual([
      ['n2', 'hiddenCertificate'],
      ['n3', 'hiddenCertificate'],
    ])
  })

  test('nobody is framed by a view change that he did not sign', () => {
    const [a, b] = [pbftEntry('a', 0, FIRST), pbftEntry('b', 2, LAST)]
    const forged = viewChangeOf('n4', 1, [])
    const newViews = [newViewOf([{ ...forged, vote: { ...forged.vote, signer: 'n1' as NodeId } }])]
    expect(blamePbft({ ...TESTIMONY, newViews }, [a], [b]).culprits).toEqual([])
  })
})

function certificateOf({ certificate }: Entry) {
  return certified(decodeCertificate(certificate as Uint8Array).statement, FIRST)
}

describe('HotStuff', () => {
  /** A row of three blocks from this round on, the first of which is the entry. */
  function decided(text: string, round: number, signers: readonly string[], parentRound = 0): Entry {
    const bare = entryOf(text, NO_EXTRA, 1)
    const headers: BlockHeader[] = []
    let parent = { hash: NO_EXTRA, round: parentRound }
    for (let at = 0; at < 3; at++) {
      const isEntry = at === 0
      const header: BlockHeader = {
        epoch: epoch(0),
        round: round + at,
        height: at,
        parentHash: parent.hash,
        parentRound: parent.round,
        index: logIndex(isEntry ? 1 : 2),
        kind: isEntry ? 'data' : 'empty',
        timestampMs: 5,
        batchDigest: isEntry ? bare.batchDigest : computeBatchDigest(sha256, 'empty', new Uint8Array(0)),
        failures: [],
        proposer: nodeId('n1'),
      }
      headers.push(header)
      parent = { hash: hashHeader(sha256, header).hash, round: header.round }
    }
    const last = hashHeader(sha256, headers[2] as BlockHeader)
    return { ...bare, certificate: encodeProof({ headers, qc: certified(voteStatement(last), signers) }) }
  }

  test('in one round those who voted for both', () => {
    const { culprits } = blameHotStuff(TESTIMONY, [decided('a', 1, FIRST)], [decided('b', 1, LAST)])
    expect(culprits.map(({ id, reason }) => [id, reason])).toEqual([
      ['n2', 'equivocation'],
      ['n3', 'equivocation'],
    ])
  })

  test('over rounds those who voted against their lock; where the first such vote is not at hand suspects only', () => {
    const [a, b] = [decided('a', 1, FIRST), decided('b', 9, LAST)]
    // The certificate at hand is two blocks above the vote that broke the lock: its parent is of a later round.
    expect(blameHotStuff(TESTIMONY, [a], [b])).toEqual({ culprits: [], suspects: ['n2', 'n3'] })
    const broken = decided('c', 3, FIRST)
    const low = { ...b, certificate: withParentRound(b, 1) }
    expect(blameHotStuff(TESTIMONY, [broken], [low]).culprits.map(({ reason }) => reason)).toEqual([
      'brokenLock',
      'brokenLock',
    ])
  })

  /** Its certificate names a parent of this round. */
  function withParentRound({ certificate }: Entry, parentRound: number): Uint8Array {
    const { headers } = decodeProof(certificate as Uint8Array)
    const last = { ...(headers[2] as BlockHeader), parentRound }
    return encodeProof({
      headers: [...headers.slice(0, 2), last],
      qc: certified(voteStatement(hashHeader(sha256, last)), LAST),
    })
  }
})
