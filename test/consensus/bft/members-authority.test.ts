/**
 * Shows that no replica votes for a change of members that nobody entitled signed: what a lying primary or
 * leader makes up, alters, takes from another client, or replays from another epoch or configuration gets
 * no vote in PBFT and none in HotStuff; what an admin signed for here and now gets them.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import { encodeChange } from '../../../src/consensus/bft/change-authority.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { encodeConfiguration, encodeMembership } from '../../../src/consensus/membership.js'
import { encodeBody } from '../../../src/consensus/request-body.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { sha256 } from '../disk.js'
import { targetOf } from '../engine.js'
import type { ByzantineCluster } from './cluster.js'
import { begun, forgeProposal, isType } from './hotstuff-harness.js'
import { publicKeyOf, replicasOf } from './keys.js'
import { pbftCluster } from './pbft-harness.js'
import { Liar } from './pbft-liar.js'
import { ADMIN, changeAuthority, signedChange } from './requests.js'

const NEXT = replicasOf(5)
const HERE = { epoch: epoch(0), planned: logIndex(0) }
const signed = changeAuthority(ADMIN, HERE, targetOf(NEXT))

const BODIES: readonly (readonly [what: string, votes: boolean, body: Uint8Array])[] = [
  ['signed by an admin for this epoch and configuration', true, signedChange(NEXT, HERE)],
  ['signed by nobody', false, encodeMembership(NEXT)],
  ['with an empty word', false, encodeBody([encodeConfiguration(NEXT), new Uint8Array(0)])],
  ['with a signature of zeros', false, encodeChange(NEXT, { ...signed, signature: new Uint8Array(64) })],
  ['signed by a client who may not', false, signedChange(NEXT, HERE, 'client')],
  ['with the name of an admin over another client’s word', false, misnamed()],
  ['with an admin’s word for other members', false, encodeChange(replicasOf(6), signed)],
  ['replayed from an earlier epoch', false, signedChange(NEXT, { ...HERE, epoch: epoch(1) })],
  ['replayed from an earlier configuration', false, signedChange(NEXT, { ...HERE, planned: logIndex(7) })],
  ['with something behind the signature', false, encodeBody([encodeConfiguration(NEXT), word(), word()])],
  ['of two members with one key, though signed', false, signedChange(twins(), HERE)],
]

function misnamed(): Uint8Array {
  const { signature } = changeAuthority('client', HERE, targetOf(NEXT))
  return encodeChange(NEXT, { publicKey: publicKeyOf(ADMIN), signature })
}

function word(): Uint8Array {
  return new Uint8Array([...signed.publicKey, ...signed.signature])
}

function twins() {
  const [first, ...others] = NEXT.members
  if (first === undefined) throw new Error('there are members')
  const last = { ...others[others.length - 1], ...first, id: nodeId('n9') }
  return { joint: false, members: [first, ...others.slice(0, -1), last] }
}

describe.each(BODIES)('a change %s', (_what, votes, body) => {
  it('in PBFT', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    const N1 = nodeId('n1')
    cluster.lie(N1)
    const voters = new Set<string>()
    cluster.intercept = (from, _to, message) => {
      if (message.type === 'pbftVote' && message.vote.type === 'prepare' && message.vote.sequence > 0) voters.add(from)
      return from === N1 ? [] : null
    }
    const proposal = new Liar(N1, cluster.options.membership).proposal(0, 1, 'membership', body, 1_000_000)
    for (const to of ['n2', 'n3', 'n4']) cluster.inject(N1, nodeId(to), proposal)
    cluster.runFor(500)
    expect([...voters].sort()).toEqual(votes ? ['n2', 'n3', 'n4'] : [])
    expect(isChanged(cluster)).toBe(votes)
  })

  it('in HotStuff', () => {
    const cluster = begun({ count: 4 })
    let forged = 0
    // Whoever leads next proposes the change in place of a client's batch.
    cluster.intercept = (from, _to, message: ProtocolMessage) => {
      if (!isType(message, 'hsProposal') || message.header.kind !== 'data') return null
      cluster.lie(from)
      forged++
      const batchDigest = computeBatchDigest(sha256, 'membership', body)
      return [forgeProposal(cluster, message, { kind: 'membership', batchDigest }, body)]
    }
    cluster.submit()
    cluster.runFor(1500, () => isChanged(cluster))
    expect(forged).toBeGreaterThan(0)
    expect(isChanged(cluster)).toBe(votes)
  })
})

function isChanged(cluster: ByzantineCluster): boolean {
  return cluster.watch.log.some((entry) => entry.kind === 'membership')
}
