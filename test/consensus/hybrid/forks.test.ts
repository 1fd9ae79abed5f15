/**
 * Shows evidence against a leader with two logs: two of its words at different places of one term, with the headers
 * in between, convict it; words that continue each other, of another term or of another leader convict nobody; and
 * nothing in such evidence can be changed.
 */
import { describe, expect, it } from 'vitest'
import {
  type Branch,
  decodeEvidence,
  type Evidence,
  encodeEvidence,
  evidenceChecks,
  evidenceProblem,
  fork,
} from '../../../src/consensus/bft/evidence.js'
import { Replicas } from '../../../src/consensus/bft/replicas.js'
import { signBytes } from '../../../src/consensus/bft/statement.js'
import { type BareHeader, chainOf } from '../../../src/consensus/hybrid/headers.js'
import { positionStatement } from '../../../src/consensus/hybrid/positions.js'
import { epoch, logIndex, nodeId, term } from '../../../src/consensus/types.js'
import { holds, replicasOf, signAs } from '../bft/keys.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'

const EPOCH = epoch(3)
const CONTEXT = { clusterId: CLUSTER_ID, configHash: CONFIG_HASH }
const REPLICAS = new Replicas(replicasOf(4))
const ORIGIN = { index: logIndex(10), hash: new Uint8Array(32).fill(7) }

const header = (mark: number): BareHeader => ({
  timestampMs: mark,
  kind: 'data',
  batchDigest: sha256(Uint8Array.of(mark)),
})

/** A log after the origin, with its leader's word under its end. */
function branch(marks: readonly number[], { leader = 'n2', inTerm = 5 } = {}): Branch {
  const headers = marks.map(header)
  const hashes = chainOf(sha256, EPOCH, ORIGIN, headers)
  const place = { term: term(inTerm), index: logIndex(ORIGIN.index + marks.length), hash: hashes.at(-1) ?? ORIGIN.hash }
  const statement = positionStatement('header', EPOCH, place)
  const signature = signAs(leader)(signBytes(CONTEXT, statement))
  return { header: { ...statement, signer: nodeId(leader), signature }, start: ORIGIN, hashes, headers }
}

const problem = (evidence: Evidence) => evidenceProblem(sha256, REPLICAS, evidence)
const isSigned = (evidence: Evidence) => evidenceChecks(CLUSTER_ID, REPLICAS, evidence).every(holds)

describe('two logs of one leader in one term', () => {
  const evidence = fork(CONTEXT, branch([1, 2, 9]), branch([1, 2, 3, 4, 5])) ?? expect.fail('no fork')

  it('are a proof, whoever holds which, that is the same after a way through its bytes', () => {
    expect(evidence).toMatchObject({ kind: 'fork', culprit: 'n2', epoch: EPOCH })
    expect(problem(evidence)).toBeNull()
    expect(isSigned(evidence)).toBe(true)
    expect(fork(CONTEXT, branch([1, 2, 3, 4, 5]), branch([1, 2, 9]))).toEqual(evidence)
    expect(decodeEvidence(encodeEvidence(evidence))).toEqual(evidence)
  })

  it('at one place are equivocation', () => {
    expect(fork(CONTEXT, branch([1, 2]), branch([1, 3]))).toMatchObject({ kind: 'equivocation', culprit: 'n2' })
  })

  it('convict nobody where they continue each other, or are of two terms or two leaders', () => {
    expect(fork(CONTEXT, branch([1, 2]), branch([1, 2, 3]))).toBeNull()
    expect(fork(CONTEXT, branch([1, 2]), branch([1, 2]))).toBeNull()
    expect(fork(CONTEXT, branch([1, 9]), branch([1, 2, 3], { inTerm: 6 }))).toBeNull()
    expect(fork(CONTEXT, branch([1, 9]), branch([1, 2, 3], { leader: 'n3' }))).toBeNull()
  })

  it('prove nothing once anything in the proof is changed', () => {
    const { first, second, passage } = evidence
    const { hash, headers } = passage ?? expect.fail('no passage')
    const other = branch([1, 2, 3, 4, 5], { inTerm: 6 }).header
    const forged: Partial<Evidence>[] = [
      { passage: { hash: first.digest, headers } },
      { passage: { hash: sha256(hash), headers } },
      { passage: { hash, headers: headers.slice(1) } },
      { passage: { hash, headers: [] } },
      {
        passage: {
          hash,
          headers: headers.map(({ timestampMs, ...rest }) => ({ ...rest, timestampMs: timestampMs + 1 })),
        },
      },
      { second: other },
      { first: { ...first, type: 'ack' } },
      { culprit: nodeId('n3') },
      { first: second, second: first },
    ]
    for (const change of forged) expect(problem({ ...evidence, ...change })).not.toBeNull()
    // Honest words on one chain, presented as two.
    const honest = fork(CONTEXT, branch([1, 2, 9]), branch([1, 2, 9, 4]))
    expect(honest).toBeNull()
    expect(isSigned({ ...evidence, second: { ...second, digest: sha256(second.digest) } })).toBe(false)
  })
})
