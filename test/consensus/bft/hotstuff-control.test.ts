/**
 * The positive control: the harness finds a fork where there is one. One liar among four, with the
 * network on its side, hides certificates and hands each to the leader that suits it. Under a rule that
 * commits two certified blocks in a row without looking at their rounds two replicas then decide
 * different entries; under the rules of production the very same schedule decides nothing.
 */
import { describe, expect, it } from 'vitest'
import { makeCertificate } from '../../../src/consensus/bft/certificate.js'
import { genesisOf } from '../../../src/consensus/bft/hotstuff/block.js'
import { genesisQc, makeTc, type Qc, type Tc } from '../../../src/consensus/bft/hotstuff/certificates.js'
import { CommitRule } from '../../../src/consensus/bft/hotstuff/commit-rule.js'
import { Replicas } from '../../../src/consensus/bft/replicas.js'
import { type SignedStatement, sameStatement } from '../../../src/consensus/bft/statement.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import type { ByzantineCluster } from './cluster.js'
import { clusterOf, isType } from './hotstuff-harness.js'

/** Parents alone, as if rounds could not be skipped. */
class WithoutContiguity extends CommitRule {
  protected override linked(): boolean {
    return true
  }
}

const LIAR = nodeId('n3')
const LEADER = nodeId('n2')
/** Rounds whose blocks the network lets through: n2 leads them, and the liar gathers their votes. */
const ROUNDS = [1, 5, 9, 13]

/** Runs the schedule; throws where honest replicas decide different entries. */
function attack(rule: CommitRule | undefined): ByzantineCluster {
  const cluster = clusterOf(rule === undefined ? { commitRule: 2 } : { rule })
  cluster.lie(LIAR)
  const replicas = new Replicas(cluster.options.membership)
  const context = { clusterId: CLUSTER_ID, configHash: cluster.node('n1').core.configHash() }
  const origin = { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
  const genesis = genesisQc(genesisOf(sha256, context, epoch(0), origin))
  const votes: SignedStatement[] = []
  const timeouts = new Map<number, Map<string, SignedStatement>>()
  const hidden = new Map<number, Qc>()
  const led = new Set<number>()
  cluster.intercept = (from, to, message) => {
    if (from === LIAR) return []
    if (isType(message, 'hsProposal')) return ROUNDS.includes(message.header.round) ? null : []
    return to === LIAR ? null : []
  }
  const tell = (to: string, qc: Qc, tc: Tc | null) => cluster.inject(LIAR, nodeId(to), { type: 'hsAdvance', qc, tc })
  cluster.onDeliver = (_from, to, message) => {
    if (to !== LIAR) return
    if (isType(message, 'hsVote')) {
      votes.push(message.vote)
      const equal = votes.filter((vote) => sameStatement(vote, message.vote))
      if (equal.length === replicas.quorum)
        hidden.set(message.vote.view, makeCertificate(replicas, message.vote, equal))
    }
    if (!isType(message, 'hsTimeout')) return
    const { timeout } = message
    const signed = timeouts.get(timeout.view) ?? new Map<string, SignedStatement>()
    timeouts.set(timeout.view, signed.set(timeout.signer, timeout))
    if (signed.size < replicas.quorum || led.has(timeout.view)) return
    led.add(timeout.view)
    const tc = makeTc(replicas, epoch(0), timeout.view, signed.values())
    // The third block is to extend the first, the fourth the second: their leader learns just that certificate.
    const secret = timeout.view === 8 ? hidden.get(1) : timeout.view === 12 ? hidden.get(5) : undefined
    if (secret !== undefined) tell(LEADER, secret, null)
    for (const peer of ['n1', 'n2', 'n4']) tell(peer, genesis, tc)
  }
  // Votes go to the liar as the next leader; nobody else gathers them.
  cluster.run(200_000, () => hidden.has(13))
  const [third, fourth] = [hidden.get(9), hidden.get(13)]
  if (third !== undefined) tell('n1', third, null)
  if (fourth !== undefined) tell('n4', fourth, null)
  cluster.runFor(1000)
  expect([...hidden.keys()]).toEqual(ROUNDS)
  return cluster
}

describe('two in a row', () => {
  it('fork without the test of the rounds, and the harness sees it', () => {
    expect(() => attack(new WithoutContiguity(2))).toThrow(/executed another entry/)
  })

  it('decide nothing in the same schedule with it', () => {
    expect(attack(undefined).watch.log).toEqual([])
  })

  it('nor do three in a row', () => {
    expect(attack(new CommitRule(3)).watch.log).toEqual([])
  })
})
