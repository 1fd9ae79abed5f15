/**
 * Shows that a liar's entries for the end of an epoch lie in every way that the chain leaves open, and that the one
 * which nobody asked for is sound by itself and too large for a record: only who asks for nothing of it is safe.
 */
import { expect, it } from 'vitest'
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import { Replicas } from '../../src/consensus/bft/replicas.js'
import { type EntryKind, makeEntry } from '../../src/consensus/entry.js'
import { entriesProblem } from '../../src/consensus/hybrid/fetched-labels.js'
import { epoch, logIndex, nodeId, term } from '../../src/consensus/types.js'
import { LiarKey } from '../../src/simulator/byzantine/liar-key.js'
import { hugeEntry, liedEntries } from '../../src/simulator/hybrid/entry-lies.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { ABORT_BYTES_MAX } from '../../src/storage/standing-records.js'
import { replicasOf, signAs } from '../consensus/bft/keys.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../consensus/disk.js'

const key = new LiarKey({
  owner: nodeId('n1'),
  sha256,
  clusterId: CLUSTER_ID,
  sign: signAs('n1'),
  configHash: () => CONFIG_HASH,
})
const none = new Uint8Array(32)
const of = {
  sha256,
  epoch: epoch(0),
  replicas: new Replicas(replicasOf(4)),
  sign: key.context,
  origin: { term: term(0), index: logIndex(0), hash: none },
}

it('entries of a liar are under every label that is wrong', () => {
  const kind: EntryKind = 'empty'
  const place = { epoch: epoch(0), term: term(3), index: logIndex(7), timestampMs: 1, kind }
  const batchDigest = computeBatchDigest(sha256, kind, new Uint8Array(0))
  const entry = makeEntry(sha256, { ...place, ...key.context, batchDigest, previousChain: none }, new Uint8Array(0))
  expect(entriesProblem(of, [entry])).toBeNull()
  const random = new SeededRandom(1)
  const said = new Set<string>()
  for (let at = 0; at < 300; at++) {
    const lied = liedEntries(key, { type: 'hybridEntries', epoch: epoch(0), entries: [entry] }, random).entries
    expect(lied[0]?.chain).toEqual(entry.chain)
    said.add(lied[0]?.term === entry.term ? (entriesProblem(of, lied) ?? 'nothing wrong') : 'another term')
  }
  expect(said).toEqual(
    new Set([
      'nothing wrong',
      'another term',
      'an entry of another cluster',
      'an entry of another configuration',
      'an entry of a Raft epoch carries no certificate',
    ]),
  )
})

it('what nobody asked for is sound, and larger than a record', () => {
  const tip = { term: term(3), index: logIndex(7), hash: none }
  const { entries } = hugeEntry(key, { epoch: epoch(0), tip })
  expect(entriesProblem(of, entries)).toBeNull()
  expect(entries[0]?.body.length).toBeGreaterThan(ABORT_BYTES_MAX)
})
