/**
 * Shows up to where `log verify` calls a hybrid's log certified while a Raft epoch goes on: as far as the commit
 * certificate reaches that the member keeps. A certificate that does not hold is a problem; one of another chain
 * certifies nothing of the log; what lies above it is sound and not certified.
 */
import { expect, it } from 'vitest'
import { ByteWriter } from '../../src/base/bytes.js'
import type { Certificate } from '../../src/consensus/bft/certificate.js'
import { decodeEpochRecord, encodeEpochRecord } from '../../src/consensus/hybrid/epoch-record.js'
import { decodeStanding, type StoredStanding, writeStanding } from '../../src/consensus/hybrid/hardened/standing.js'
import { type ProvenLog, verifyProven } from '../../src/terminal/logs/proven-log.js'
import type { Node } from '../consensus/bft/cluster.js'
import { holds } from '../consensus/bft/keys.js'
import { settle } from '../consensus/bft/steps.js'
import { CONFIG_HASH } from '../consensus/disk.js'
import { hybridCluster } from '../consensus/hybrid/harness.js'
import { hybridConfiguration, LOOK, logOf, type StoredNode, storedNodes } from './hybrid-logs.js'

const COUNT = 4
const cluster = hybridCluster({ count: COUNT, seed: 5 })

for (let i = 0; i < 6; i++) settle(cluster, [cluster.submit()])
// What the leader says of commits is on all disks before it is looked at.
cluster.runFor(2000)
const follower = [...cluster.nodes.values()].find((node) => node !== cluster.leader()) as Node

async function verified(node: StoredNode): Promise<ProvenLog> {
  const rules = { ...LOOK, clusterConfigHash: CONFIG_HASH, holds }
  return verifyProven(await storedNodes([node]), logOf(node), hybridConfiguration(COUNT), rules)
}

/** The same disk with another standing. */
function standing(change: (kept: StoredStanding) => Partial<StoredStanding>): StoredNode {
  const record = decodeEpochRecord(follower.disk.safety as Uint8Array)
  const { grant, lastAck, states, standing: kept } = decodeStanding(record.inner as Uint8Array)
  const out = new ByteWriter(1024)
  writeStanding(out, { ...kept, ...change(kept) }, grant, lastAck, states)
  return { ...follower, disk: { ...disk(), safety: encodeEpochRecord({ ...record, inner: out.finish() }) } }
}

function disk(): StoredNode['disk'] {
  const { entries, safety, aborts } = follower.disk
  return { entries, safety, aborts }
}

const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))

function forged(certificate: Certificate | null): Certificate | null {
  return certificate === null ? null : { ...certificate, signatures: certificate.signatures.map(flipped) }
}

const last = follower.disk.entries.length

it('is certified up to its newest commit certificate', async () => {
  expect(await verified(follower)).toMatchObject({ ok: true, lastIndex: last, certifiedIndex: last, problems: [] })
})

it('is sound above it, and not certified', async () => {
  const index = last - 2
  const cut = await verified(standing(() => ({ commit: null, proof: null })))
  expect(cut).toMatchObject({ ok: true, lastIndex: last, certifiedIndex: null, problems: [] })
  // A log that ends below its certificate is not certified by it: no chain leads there.
  const short = { ...follower, disk: { ...disk(), entries: follower.disk.entries.slice(0, index) } }
  expect(await verified(short)).toMatchObject({ ok: true, lastIndex: index, certifiedIndex: null })
})

it('has a problem where the certificate does not hold, or is one of too few', async () => {
  const expected = { ok: false, certifiedIndex: null, problems: [{ index: last, kind: 'certificate' }] }
  expect(await verified(standing(({ commit }) => ({ commit: forged(commit) })))).toMatchObject(expected)
  const few = standing(({ commit }) => {
    if (commit === null) throw new Error('nothing is certified')
    const { signers, signatures } = commit
    return { commit: { ...commit, signers: signers.slice(1), signatures: signatures.slice(1) } }
  })
  expect(await verified(few)).toMatchObject(expected)
})

it('has a problem where the word of a leader or the certificate of a term does not hold', async () => {
  const word = standing(({ header }) => {
    if (header === null) throw new Error('no leader signed')
    return { header: { ...header, signature: flipped(header.signature) } }
  })
  expect(await verified(word)).toMatchObject({ ok: false, problems: [{ index: last, kind: 'certificate' }] })
  const term = standing(({ current }) => {
    if (current === null) throw new Error('nobody leads')
    return { current: { ...current, certificate: forged(current.certificate) as Certificate } }
  })
  expect(await verified(term)).toMatchObject({ ok: false, problems: [{ kind: 'certificate' }] })
})
