/**
 * What a follower makes of the log of a term that its leader begins elsewhere than at the tip that the
 * grants name (R4): in an entry that does not follow that tip, and in a log that passes by it.
 */
import { describe, expect, it } from 'vitest'
import { epochConfigHash, Replicas } from '../../../src/consensus/bft/replicas.js'
import { type Entry, GENESIS_CHAIN, makeEntry } from '../../../src/consensus/entry.js'
import { appendProblem, judgeAppend } from '../../../src/consensus/hybrid/hardened/append-rules.js'
import { Standing } from '../../../src/consensus/hybrid/hardened/standing.js'
import { LogShadow } from '../../../src/consensus/hybrid/log-shadow.js'
import type { HybridAppend } from '../../../src/consensus/hybrid/messages.js'
import { grantStatement, type Position, type RaftEpoch } from '../../../src/consensus/hybrid/positions.js'
import { type Epoch, epoch as epochOf, logIndex, nodeId, type Term, term } from '../../../src/consensus/types.js'
import { replicasOf } from '../bft/keys.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { hybridCluster } from './harness.js'

const members = replicasOf(4)
const sign = { clusterId: CLUSTER_ID, configHash: epochConfigHash(sha256, CONFIG_HASH, members) }
const origin = { term: term(0), index: logIndex(0), hash: GENESIS_CHAIN }
const epoch: RaftEpoch = { sha256, epoch: 0 as Epoch, replicas: new Replicas(members), sign, origin }

/** What the first leader of a cluster sends first: the entry that begins its term. */
function firstAppend(): HybridAppend {
  const cluster = hybridCluster({ seed: 2 })
  let found: HybridAppend | null = null
  cluster.onDeliver = (_from, _to, message) => {
    if (message.type === 'hybridAppend' && message.append.entries[0]?.kind === 'mode') found ??= message
  }
  cluster.runFor(5000, () => found !== null)
  if (found === null) throw new Error('nobody led')
  return found
}

function withPrevious(entry: Entry, previousChain: Uint8Array): Entry {
  const { chain: _chain, header: _header, body, certificate: _certificate, ...fields } = entry
  return makeEntry(sha256, { ...fields, previousChain }, body)
}

describe('the first entry of a term', () => {
  it('follows the tip that its certificate names, or the append is unsound', () => {
    const message = firstAppend()
    const [entry] = message.append.entries as [Entry]
    const { signer } = message.header
    expect(appendProblem(epoch, CLUSTER_ID, message, signer)).toBeNull()
    const elsewhere = withPrevious(entry, sha256(entry.previousChain))
    const header = { ...message.header, digest: elsewhere.chain }
    const moved = { ...message, header, append: { ...message.append, entries: [elsewhere] } }
    expect(appendProblem(epoch, CLUSTER_ID, moved, signer)).toMatch(/begins a term/)
  })
})

describe('a log that passes by the tip of its term', () => {
  const entries: Entry[] = []
  for (let at = 1; at <= 3; at++) {
    const fields = {
      epoch: epochOf(0),
      term: term(1),
      index: logIndex(at),
      timestampMs: at,
      kind: 'empty',
      clusterId: CLUSTER_ID,
      configHash: sign.configHash,
      batchDigest: new Uint8Array(32),
      previousChain: entries.at(-1)?.chain ?? GENESIS_CHAIN,
    } as const
    entries.push(makeEntry(sha256, fields, new Uint8Array(0)))
  }
  const [, second, third] = entries as [Entry, Entry, Entry]

  function judge(hash: Uint8Array) {
    const base = { index: logIndex(0), epoch: epochOf(0), term: term(0), chain: GENESIS_CHAIN, timestampMs: 0 }
    const empty = { lastIndex: logIndex(0), termRuns: [], memberships: [], tail: [] }
    const shadow = new LogShadow({ ...empty, base: { ...base, membership: null } } as never)
    const tip: Position = { term: 1 as Term, index: logIndex(2), hash }
    const candidate = nodeId('n1')
    const statement = grantStatement(sha256, epoch.epoch, 2, candidate, tip)
    const append = {
      type: 'appendEntries',
      epoch: epoch.epoch,
      term: term(2),
      prevIndex: logIndex(0),
      prevEpoch: epoch.epoch,
      prevTerm: term(0),
      entries,
      commitIndex: logIndex(0),
      readPosition: 0,
    } as const
    const header = { ...statement, type: 'header', sequence: 3, digest: third.chain, signer: candidate }
    const message = {
      type: 'hybridAppend',
      append,
      header,
      termCertificate: null,
      commit: null,
      proof: null,
      collects: false,
      bridge: [],
    }
    const standing = new Standing(epoch, shadow, null)
    const view = { epoch, shadow, standing, commitIndex: logIndex(0), clusterId: CLUSTER_ID, wallMs: 100 }
    const certificate = { statement, signers: [], signatures: [] }
    return judgeAppend(view as never, message as never, { candidate, tip, certificate } as never)
  }

  it('is unsound; one that goes through it is taken', () => {
    expect(judge(second.chain)).toMatchObject({ kind: 'take', isSigned: true })
    expect(judge(sha256(second.chain))).toMatchObject({ kind: 'unsound', reason: expect.stringContaining('tip') })
  })
})

describe('what lies before the epoch', () => {
  it('comes under the name of this cluster and of an earlier epoch, or the append is unsound', () => {
    const message = firstAppend()
    const { signer } = message.header
    const problemOf = (clusterId: Uint8Array, entryEpoch: number) => {
      const fields = {
        epoch: epochOf(entryEpoch),
        term: term(1),
        index: logIndex(1),
        timestampMs: 1,
        kind: 'empty',
        clusterId,
        configHash: sha256(new Uint8Array(1)),
        batchDigest: new Uint8Array(32),
        previousChain: GENESIS_CHAIN,
      } as const
      const entry = makeEntry(sha256, fields, new Uint8Array(0))
      const later: RaftEpoch = { ...epoch, epoch: epochOf(2), origin: { ...origin, index: logIndex(9) } }
      const append = { ...message.append, epoch: epochOf(2), prevIndex: logIndex(0), entries: [entry] }
      const header = { ...message.header, epoch: epochOf(2), sequence: logIndex(1), digest: entry.chain }
      return appendProblem(later, CLUSTER_ID, { ...message, append, header }, signer)
    }
    expect(problemOf(CLUSTER_ID, 1)).toBeNull()
    expect(problemOf(sha256(CLUSTER_ID).slice(0, CLUSTER_ID.length), 1)).toMatch(/another cluster/)
    expect(problemOf(CLUSTER_ID, 2)).toMatch(/before its origin/)
  })
})
