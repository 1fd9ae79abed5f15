/**
 * Each test here is a mistake that some implementation made, and fails without the rule that prevents
 * it: votes before their write, a second vote in one round, forgotten signatures, repeated signers,
 * signatures in identities, replays, floods, forged requests, clocks that lie, censorship, framing.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import {
  type BlockHeader,
  EMPTY_BODY,
  genesisOf,
  type HashedHeader,
  hashHeader,
} from '../../../src/consensus/bft/hotstuff/block.js'
import { BlockTree } from '../../../src/consensus/bft/hotstuff/block-tree.js'
import {
  genesisQc,
  isCanonical,
  makeTc,
  tcProblem,
  timeoutStatement,
  voteStatement,
} from '../../../src/consensus/bft/hotstuff/certificates.js'
import { DEFAULT_HOTSTUFF_LIMITS } from '../../../src/consensus/bft/hotstuff/config.js'
import { Pacemaker } from '../../../src/consensus/bft/hotstuff/pacemaker.js'
import { SafetyRules } from '../../../src/consensus/bft/hotstuff/safety-rules.js'
import { decodeState } from '../../../src/consensus/bft/hotstuff/stored-state.js'
import { Replicas } from '../../../src/consensus/bft/replicas.js'
import { type SignedStatement, type Statement, signBytes } from '../../../src/consensus/bft/statement.js'
import type { Effect } from '../../../src/consensus/core.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import { encodeBody } from '../../../src/consensus/request-body.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { begun, clusterOf, forgeProposal, isType, makeHotStuff } from './hotstuff-harness.js'
import { holds, replicasOf, signAs } from './keys.js'
import { clientRequest } from './requests.js'

const CONTEXT = { clusterId: CLUSTER_ID, configHash: CONFIG_HASH }
const ORIGIN = { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
const GENESIS = genesisOf(sha256, CONTEXT, epoch(0), ORIGIN)

function child(parent: HashedHeader, round: number, timestampMs = parent.header.timestampMs): HashedHeader {
  const header: BlockHeader = {
    ...parent.header,
    round,
    height: parent.header.height + 1,
    parentHash: parent.hash,
    parentRound: parent.header.round,
    timestampMs,
    proposer: nodeId('n2'),
  }
  return hashHeader(sha256, header)
}

function signed(by: string, statement: Statement): SignedStatement {
  return { ...statement, signer: nodeId(by), signature: signAs(by)(signBytes(CONTEXT, statement)) }
}

function qcOf(block: HashedHeader) {
  const statement = voteStatement(block)
  const votes = ['n1', 'n2', 'n3'].map((id) => signed(id, statement))
  return { statement, signers: [0, 1, 2], signatures: votes.map((vote) => vote.signature) }
}

function rules(maySign = true): SafetyRules {
  return new SafetyRules(nodeId('n1'), CONTEXT, signAs('n1'), maySign, {
    epoch: epoch(0),
    lastVotedRound: 0,
    lastProposedRound: 0,
    fencedRound: 0,
    lockedRound: 0,
    lockedHash: GENESIS.hash,
    highQc: genesisQc(GENESIS),
    lastVote: null,
    lastTimeout: null,
    lastCheckpoint: null,
    forgot: false,
  })
}

describe('the safety rules', () => {
  const first = child(GENESIS, 1)

  it('vote once per round: again for the same block with the same bytes, never for another', () => {
    const safety = rules()
    const vote = safety.vote(first, genesisQc(GENESIS), null, true)
    expect(vote).not.toBeNull()
    expect(safety.vote(first, genesisQc(GENESIS), null, true)).toBe(vote)
    expect(safety.vote(child(GENESIS, 1, 5), genesisQc(GENESIS), null, true)).toBeNull()
  })

  it('never vote in a round that was timed out, nor propose or time out twice', () => {
    const safety = rules()
    const timeout = safety.timeout(1, null, null)
    expect(timeout).not.toBeNull()
    expect(safety.timeout(1, null, null)).toBe(timeout)
    expect(safety.vote(first, genesisQc(GENESIS), null, true)).toBeNull()
    expect(safety.propose(first)).not.toBeNull()
    expect(safety.propose(child(GENESIS, 1, 5))).toBeNull()
  })

  it('need the certificate of the round before, or a TC that knows of no later one', () => {
    const skipping = child(GENESIS, 3)
    expect(rules().vote(skipping, genesisQc(GENESIS), null, true)).toBeNull()
    const tcOf = (high: number) =>
      makeTc(
        new Replicas(replicasOf(4)),
        epoch(0),
        2,
        ['n1', 'n2', 'n3'].map((id) => signed(id, timeoutStatement(epoch(0), 2, high))),
      )
    expect(rules().vote(skipping, genesisQc(GENESIS), tcOf(1), true)).toBeNull()
    expect(rules().vote(skipping, genesisQc(GENESIS), tcOf(0), true)).not.toBeNull()
    expect(rules().vote(skipping, qcOf(first), tcOf(0), true)).toBeNull()
  })

  it('keep the lock: a branch beside it needs a later certificate', () => {
    const safety = rules()
    safety.lock(first)
    const second = child(first, 2)
    const beside = child(GENESIS, 2)
    const tc = makeTc(
      new Replicas(replicasOf(4)),
      epoch(0),
      1,
      ['n1', 'n2', 'n3'].map((id) => signed(id, timeoutStatement(epoch(0), 1, 0))),
    )
    expect(safety.vote(beside, genesisQc(GENESIS), tc, false)).toBeNull()
    expect(safety.vote(second, qcOf(first), null, true)).not.toBeNull()
  })

  it('sign nothing with a key whose state is gone', () => {
    const safety = rules(false)
    expect(safety.vote(first, genesisQc(GENESIS), null, true)).toBeNull()
    expect(safety.timeout(1, null, null)).toBeNull()
    expect(safety.propose(first)).toBeNull()
    const cluster = begun()
    const { disk } = cluster.node('n1')
    const restored = { ...disk.restored(10), safety: null, pending: [] }
    const now = { monotonicMs: 0, wallMs: 1_000_000 }
    const core = makeHotStuff({
      self: nodeId('n1'),
      membership: replicasOf(4),
      sign: signAs('n1'),
      random: () => 0,
      restored,
      now,
    })
    expect(core.status().mayVote).toBe(false)
  })
})

describe('what is signed', () => {
  it('is on disk, signature and block included, before it leaves', () => {
    const cluster = clusterOf()
    const original = cluster.step.bind(cluster)
    let checked = 0
    cluster.step = (node, input) => {
      const { core } = node
      const step = core.step.bind(core)
      core.step = (given, now) => {
        const effects = step(given, now)
        for (const effect of effects) checked += check(effects, effect)
        return effects
      }
      original(node, input)
      core.step = step
    }
    cluster.run(1000)
    expect(checked).toBeGreaterThanOrEqual(9)
  })

  function check(effects: readonly Effect[], effect: Effect): number {
    if (effect.type !== 'send' || !isType(effect.message, 'hsVote')) return 0
    const store = effects.find((other) => other.type === 'store')
    if (store?.type !== 'store' || effect.after !== store.writeId) throw new Error('a vote does not wait for its write')
    const record = store.records.findLast((other) => other.kind === 'safety')
    if (record?.kind !== 'safety') throw new Error('a vote without a safety record')
    const { lastVote } = decodeState(record.safety).safety
    expect(lastVote?.signature).toEqual(effect.message.vote.signature)
    return 1
  }
})

describe('certificates', () => {
  const replicas = new Replicas(replicasOf(4))

  it('count nobody twice', () => {
    const timeouts = ['n1', 'n2', 'n3'].map((id) => signed(id, timeoutStatement(epoch(0), 2, 0)))
    const tc = makeTc(replicas, epoch(0), 2, timeouts)
    expect(tcProblem(replicas, epoch(0), tc)).toBeNull()
    const [one, two] = tc.entries
    if (one === undefined || two === undefined) throw new Error('no entries')
    expect(tcProblem(replicas, epoch(0), { ...tc, entries: [one, two, two] })).not.toBeNull()
    expect(tcProblem(replicas, epoch(0), { ...tc, entries: [one, two] })).not.toBeNull()
  })

  it('do not change the identity of a block', () => {
    const parent = child(GENESIS, 1)
    expect(qcOf(parent).statement.digest).toEqual(parent.hash)
    // The hash is of the header alone, which holds no signature.
    expect(
      Object.values(child(parent, 2).header).some((value) => value instanceof Uint8Array && value.length === 64),
    ).toBe(false)
  })

  it('are of one type: a vote is no time-out, whatever is hidden in unused fields', () => {
    const vote = voteStatement(child(GENESIS, 1))
    expect(signBytes(CONTEXT, vote)).not.toEqual(signBytes(CONTEXT, { ...vote, type: 'timeout' }))
    expect(signBytes(CONTEXT, vote)).not.toEqual(signBytes({ ...CONTEXT, clusterId: new Uint8Array(16) }, vote))
    expect(isCanonical({ ...vote, sequence: 1 })).toBe(false)
    expect(isCanonical({ ...vote, extra: new Uint8Array(32).fill(1) })).toBe(false)
  })

  it('need no check of the own vote in them, and do not hold with it under the names of others', () => {
    const cluster = begun()
    const { core } = cluster.node('n1')
    cluster.lie(nodeId('n4'))
    let spared = 0
    cluster.intercept = (from, to, message) => {
      if (to !== 'n1' || !isType(message, 'hsProposal')) return null
      const { justify } = message
      const own = justify.signatures[justify.signers.indexOf(0)]
      if (own === undefined) return null
      const checks = core.checks(from, { type: 'hsAdvance', qc: justify, tc: null }) ?? []
      if (checks.length !== justify.signers.length - 1) return null
      spared++
      const forged = { ...justify, signatures: justify.signers.map(() => own) }
      const claimed = core.checks(from, { type: 'hsAdvance', qc: forged, tc: null }) ?? []
      expect(claimed.map(holds)).toEqual([false, false])
      return null
    }
    for (let i = 0; i < 8; i++) {
      const name = cluster.submit()
      expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
    }
    expect(spared).toBeGreaterThan(0)
  })
})

describe('floods', () => {
  it('ten thousand proposals for one round leave two', () => {
    const tree = new BlockTree({ ...GENESIS, parts: null }, DEFAULT_HOTSTUFF_LIMITS)
    for (let i = 0; i < 10_000; i++) {
      const block = child(GENESIS, 1, i)
      tree.insert(
        {
          ...block,
          parts: {
            header: block.header,
            body: EMPTY_BODY,
            justify: genesisQc(GENESIS),
            tc: null,
            signature: new Uint8Array(64),
          },
        },
        false,
        { round: 1, keep: [GENESIS] },
      )
    }
    expect(tree.size).toBe(3)
  })

  it('messages of a far future are unsound without certificates that lead there', () => {
    const cluster = begun()
    const { core } = cluster.node('n1')
    const configHash = core.configHash()
    const sign = (statement: Statement): SignedStatement => ({
      ...statement,
      signer: nodeId('n3'),
      signature: signAs('n3')(signBytes({ clusterId: CLUSTER_ID, configHash }, statement)),
    })
    const genesis = genesisQc(genesisOf(sha256, { clusterId: CLUSTER_ID, configHash }, epoch(0), ORIGIN))
    const timeout = sign(timeoutStatement(epoch(0), 2 ** 40, 0))
    const message = { type: 'hsTimeout' as const, timeout, highQc: genesis, tc: null, lastVote: null, lastBlock: null }
    expect(core.checks(nodeId('n3'), message)).toBeNull()
    const before = core.status().round
    for (let round = 1000; round < 6000; round++) {
      const statement = { ...voteStatement(child(GENESIS, 1)), view: round }
      cluster.inject(nodeId('n3'), nodeId('n1'), { type: 'hsVote', vote: sign(statement) })
    }
    expect(core.status().round).toBe(before)
    const name = cluster.submit()
    expect(cluster.runFor(10_000, () => cluster.executedBy(name))).toBe(true)
  })
})

describe('the pacemaker', () => {
  it('waits longer after every failure, up to its cap, and not at all when nothing waits', () => {
    const pacemaker = new Pacemaker(DEFAULT_HOTSTUFF_LIMITS, 0)
    expect(pacemaker.deadlineMs).toBeUndefined()
    const waits: number[] = []
    for (let round = 2; round < 12; round++) {
      waits.push(pacemaker.timeoutMs)
      pacemaker.enter(round, { epoch: epoch(0), round: round - 1, entries: [] }, 0)
    }
    expect(waits.slice(0, 3)).toEqual([2000, 3000, 4500])
    expect(Math.max(...waits)).toBe(10_000)
    pacemaker.enter(12, null, 0)
    expect(pacemaker.timeoutMs).toBe(2000)
  })
})

describe('a lying leader', () => {
  it('cannot forge or alter a client request', () => {
    const cluster = begun()
    cluster.lie(nodeId('n2'))
    cluster.intercept = (from, _to, message) => {
      if (from !== 'n2' || !isType(message, 'hsProposal') || message.header.kind !== 'data') return null
      const forged = clientRequest('client', 9_999)
      forged[forged.length - 1] = (forged.at(-1) as number) ^ 1
      const body = encodeBody([forged])
      return [forgeProposal(cluster, message, { batchDigest: computeBatchDigest(sha256, 'data', body) }, body)]
    }
    for (let i = 0; i < 8; i++) {
      const name = cluster.submit()
      expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
    }
    expect(cluster.rejected.some(({ from, type }) => from === 'n2' && type === 'hsProposal')).toBe(true)
    expect(cluster.rejected.every(({ from }) => from === 'n2')).toBe(true)
    expect(cluster.watch.evidence).toEqual([])
  })

  it.each([10_000, -20_000])('cannot move time by %i ms', (shiftMs) => {
    const cluster = begun()
    cluster.runFor(60_000)
    cluster.lie(nodeId('n2'))
    cluster.intercept = (from, _to, message) => {
      if (from !== 'n2' || !isType(message, 'hsProposal') || message.header.kind !== 'data') return null
      return [forgeProposal(cluster, message, { timestampMs: message.header.timestampMs + shiftMs })]
    }
    for (let i = 0; i < 8; i++) {
      const name = cluster.submit()
      expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
      // The time of an honest leader is as old as the decision took, and never ahead.
      const newestMs = cluster.watch.log.at(-1)?.timestampMs ?? 0
      expect(Math.abs(newestMs - (cluster.nowMs + 1_000_000))).toBeLessThan(9000)
    }
    const times = cluster.watch.log.map((entry) => entry.timestampMs)
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })

  it('cannot keep a client out: the next leader serves it', () => {
    const cluster = begun()
    cluster.lie(nodeId('n2'))
    const names = Array.from({ length: 12 }, () => {
      // n2 never hears of it, and proposes nothing else.
      const name = cluster.submit([nodeId('n1'), nodeId('n3'), nodeId('n4')])
      expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
      return name
    })
    expect(names.length).toBe(12)
  })
})

describe('a lying replica', () => {
  it('spoils no certificate with garbage, and frames nobody', () => {
    const cluster = begun()
    cluster.lie(nodeId('n4'))
    cluster.intercept = (from, _to, message) => {
      if (from !== 'n4' || !isType(message, 'hsVote')) return null
      const garbage = { ...message.vote, signature: new Uint8Array(64).fill(7) }
      const framed = { ...garbage, signer: nodeId('n1') }
      return [
        { ...message, vote: garbage },
        { ...message, vote: framed },
      ]
    }
    for (let i = 0; i < 8; i++) {
      const name = cluster.submit()
      expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
    }
    expect(cluster.rejected.length).toBeGreaterThan(0)
    expect(cluster.rejected.every(({ from }) => from === 'n4')).toBe(true)
    expect(cluster.watch.evidence).toEqual([])
  })

  it('needs more than n − f others where n is not 3f + 1', () => {
    expect(new Replicas(replicasOf(5)).quorum).toBe(4)
    const cluster = begun({ count: 5 })
    cluster.crash(cluster.node('n4'))
    cluster.crash(cluster.node('n5'))
    const name = cluster.submit()
    cluster.runFor(30_000)
    expect(cluster.executedBy(name)).toBe(false)
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(20_000, () => cluster.executedBy(name))).toBe(true)
  })
})

describe('leaders', () => {
  it('are the same on all replicas, a laggard included, once they are in the same round', () => {
    const cluster = begun({ count: 7, limits: { keptBlocksMax: 4 } })
    cluster.crash(cluster.node('n7'))
    for (let i = 0; i < 30; i++) {
      const name = cluster.submit()
      cluster.runFor(15_000, () => cluster.executedBy(name))
    }
    cluster.restart(cluster.node('n7'))
    const name = cluster.submit()
    expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
    cluster.runFor(2000)
    const said = new Set(
      [...cluster.nodes.values()].map(({ core }) => `${core.status().round} ${core.status().leader}`),
    )
    expect(said.size).toBe(1)
  })
})
