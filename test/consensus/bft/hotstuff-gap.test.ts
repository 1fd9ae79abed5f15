/**
 * Shows that a row of blocks proves a decision only where its last rounds are contiguous, even when each block
 * is the parent of the next and a quorum signed the last one: such a row exists whenever a leader fails.
 */
import { expect, it } from 'vitest'
import { makeCertificate } from '../../../src/consensus/bft/certificate.js'
import { type BlockHeader, hashHeader } from '../../../src/consensus/bft/hotstuff/block.js'
import { voteStatement } from '../../../src/consensus/bft/hotstuff/certificates.js'
import { verifyHotStuffEntryCertificate } from '../../../src/consensus/bft/hotstuff/index.js'
import { decodeProof, encodeProof } from '../../../src/consensus/bft/hotstuff/proof.js'
import { Replicas } from '../../../src/consensus/bft/replicas.js'
import { signBytes } from '../../../src/consensus/bft/statement.js'
import type { Entry } from '../../../src/consensus/entry.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import { begun } from './hotstuff-harness.js'
import { holds, replicasOf, signAs } from './keys.js'

const replicas = new Replicas(replicasOf(4))

/** Blocks of these rounds, each the parent of the next, behind the block of an entry. */
function rowFrom(first: BlockHeader, rounds: readonly number[]): BlockHeader[] {
  const headers = [first]
  for (const round of rounds) {
    const parent = hashHeader(sha256, headers.at(-1) as BlockHeader)
    const { header } = parent
    headers.push({
      ...header,
      kind: 'empty',
      round,
      height: header.height + 1,
      parentHash: parent.hash,
      parentRound: header.round,
      index: header.kind === 'empty' ? header.index : ((header.index + 1) as BlockHeader['index']),
    })
  }
  return headers
}

it.each([
  [[1, 2], true],
  [[1, 3], false],
  [[2, 3], false],
])('rounds +%j of the entry: %s', (after, isProof) => {
  const cluster = begun()
  const name = cluster.submit()
  cluster.runFor(15_000, () => cluster.executedBy(name))
  const entry = cluster.watch.log.at(-1) as Entry
  const context = { clusterId: CLUSTER_ID, configHash: cluster.node('n1').core.configHash() }
  const first = decodeProof(entry.certificate as Uint8Array).headers[0] as BlockHeader
  const headers = rowFrom(
    first,
    after.map((by) => first.round + by),
  )
  const statement = voteStatement(hashHeader(sha256, headers.at(-1) as BlockHeader))
  const votes = replicas.ids.map((signer) => ({
    ...statement,
    signer,
    signature: signAs(signer)(signBytes(context, statement)),
  }))
  const certificate = encodeProof({ headers, qc: makeCertificate(replicas, statement, votes) })
  const verify = () =>
    verifyHotStuffEntryCertificate({ sha256, context, replicas, commitRule: 3 }, { ...entry, certificate })
  if (isProof) expect(verify().every(holds)).toBe(true)
  else expect(verify).toThrow('the last rounds are not contiguous')
})
