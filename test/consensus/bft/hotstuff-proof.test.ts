/**
 * Shows that what HotStuff stores and sends has one form only, and that the proof beside every entry is
 * checked offline: it holds for each entry of a real run, and for nothing else.
 */
import { describe, expect, it } from 'vitest'
import type { HotStuffMessage } from '../../../src/consensus/bft/hotstuff/index.js'
import {
  decodeHotStuff,
  encodeHotStuff,
  isHotStuff,
  verifyHotStuffEntryCertificate,
} from '../../../src/consensus/bft/hotstuff/index.js'
import { decodeProof, encodeProof } from '../../../src/consensus/bft/hotstuff/proof.js'
import { decodeState, encodeState } from '../../../src/consensus/bft/hotstuff/stored-state.js'
import { Replicas } from '../../../src/consensus/bft/replicas.js'
import { decodeEntry, type Entry } from '../../../src/consensus/entry.js'
import { nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import { begun, isType } from './hotstuff-harness.js'
import { holds, replicasOf } from './keys.js'

/** A run with failing rounds, lagging replicas, checkpoints, evidence: every type of message occurs. */
function traffic(): {
  readonly messages: Map<string, HotStuffMessage>
  readonly entries: Entry[]
  readonly configHash: Uint8Array
} {
  const cluster = begun({ spares: ['n5'], limits: { keptBlocksMax: 4 } })
  const configHash = cluster.node('n1').core.configHash()
  const messages = new Map<string, HotStuffMessage>()
  cluster.onDeliver = (_from, _to, message) => {
    if (isHotStuff(message)) messages.set(message.type, message)
  }
  cluster.crash(cluster.node('n4'))
  for (let i = 0; i < 140; i++) {
    const name = cluster.submit()
    cluster.runFor(15_000, () => cluster.executedBy(name, [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')]))
    if (i === 70) cluster.restart(cluster.node('n4'))
    if (i === 72) cluster.crash(cluster.node('n4'))
  }
  cluster.snapshot(cluster.node('n1'), 128)
  cluster.snapshot(cluster.node('n2'), 128)
  cluster.restart(cluster.node('n4'))
  cluster.runFor(3000)
  return { messages, entries: cluster.watch.log, configHash }
}

const { messages, entries, configHash } = traffic()
const context = {
  sha256,
  context: { clusterId: CLUSTER_ID, configHash },
  replicas: new Replicas(replicasOf(4)),
  commitRule: 3 as const,
}

describe('messages', () => {
  it('of all types that a run shows encode to one form, and decode to the same', () => {
    expect(messages.size).toBeGreaterThanOrEqual(9)
    for (const message of messages.values()) {
      const bytes = encodeHotStuff(message)
      expect(encodeHotStuff(decodeHotStuff(bytes))).toEqual(bytes)
    }
  })

  it('that are cut, longer, or changed anywhere are refused, or are another message in its only form', () => {
    for (const message of messages.values()) {
      const bytes = encodeHotStuff(message)
      const step = Math.max(1, Math.floor(bytes.length / 60))
      for (let at = 0; at < bytes.length; at += step) {
        if (at % 5 === 0) expect(() => decodeHotStuff(bytes.slice(0, at))).toThrow()
        const changed = bytes.slice()
        changed[at] = (changed[at] as number) ^ 0x81
        let decoded: HotStuffMessage | null = null
        try {
          decoded = decodeHotStuff(changed)
        } catch {
          continue
        }
        expect(encodeHotStuff(decoded)).toEqual(changed)
      }
      expect(() => decodeHotStuff(new Uint8Array([...bytes, 0]))).toThrow()
    }
  })
})

describe('the safety record', () => {
  it('has one form', () => {
    const cluster = begun()
    const { safety } = cluster.node('n1').disk
    if (safety === null) throw new Error('nothing was stored')
    expect(encodeState(decodeState(safety))).toEqual(safety)
    expect(() => decodeState(safety.slice(0, -1))).toThrow()
  })
})

describe('the commit proof', () => {
  it('of every entry of a run holds', () => {
    expect(entries.length).toBeGreaterThan(140)
    for (const entry of entries) expect(verifyHotStuffEntryCertificate(context, entry).every(holds)).toBe(true)
  })

  it('is of one entry, one configuration, one cluster', () => {
    const [, first, second] = entries as [Entry, Entry, Entry]
    expect(() => verifyHotStuffEntryCertificate(context, { ...first, certificate: second.certificate })).toThrow()
    expect(() => verifyHotStuffEntryCertificate(context, { ...first, certificate: null })).toThrow()
    const elsewhere = { ...context, context: { ...context.context, configHash: new Uint8Array(32) } }
    expect(() => verifyHotStuffEntryCertificate(elsewhere, first)).toThrow()
    const foreign = { ...context, context: { ...context.context, clusterId: new Uint8Array(16) } }
    expect(() => verifyHotStuffEntryCertificate(foreign, first)).toThrow()
    const others = { ...context, replicas: new Replicas(replicasOf(4, 5)) }
    expect(verifyHotStuffEntryCertificate(others, first).some(holds)).toBe(false)
  })

  it('does not hold with one byte of the entry, a header, or the certificate changed', () => {
    const entry = entries[5] as Entry
    const certificate = entry.certificate as Uint8Array
    for (let at = 0; at < certificate.length; at++) {
      const changed = certificate.slice()
      changed[at] = (changed[at] as number) ^ 1
      expect(proves({ ...entry, certificate: changed }), `byte ${at}`).toBe(false)
    }
    for (const at of [4, 8, 16, 24, 32, 48, 80, 112, 144]) {
      const header = entry.header.slice()
      header[at] = (header[at] as number) ^ 1
      expect(proves(decodeEntry(header, entry.body, certificate)), `header byte ${at}`).toBe(false)
    }
  })

  it('needs a row of blocks: a lone certificate, or one over a gap, proves nothing', () => {
    const entry = entries[5] as Entry
    const proof = decodeProof(entry.certificate as Uint8Array)
    for (let kept = 1; kept < proof.headers.length; kept++) {
      const shorter = encodeProof({ ...proof, headers: proof.headers.slice(0, kept) })
      expect(proves({ ...entry, certificate: shorter })).toBe(false)
    }
    const without = encodeProof({ ...proof, headers: [...proof.headers.slice(0, 1), ...proof.headers.slice(2)] })
    expect(proves({ ...entry, certificate: without })).toBe(false)
  })
})

function proves(entry: Entry): boolean {
  try {
    return verifyHotStuffEntryCertificate(context, entry).every(holds)
  } catch {
    return false
  }
}

describe('ingress', () => {
  it('refuses messages in the name of another, and those of another configuration are dropped', () => {
    const cluster = begun()
    const proposal = messages.get('hsProposal')
    if (proposal === undefined || !isType(proposal, 'hsProposal')) throw new Error('no proposal')
    const { core } = cluster.node('n1')
    const relayed = [...cluster.nodes.keys()].find((id) => id !== proposal.header.proposer && id !== 'n1')
    expect(core.checks(relayed ?? nodeId('n9'), proposal)).toBeNull()
    const before = JSON.stringify(core.status())
    const now = { monotonicMs: cluster.nowMs, wallMs: 1_000_000 }
    const from = proposal.header.proposer
    core.step({ type: 'message', from, configHash: new Uint8Array(32), message: proposal }, now)
    expect(JSON.stringify(core.status())).toBe(before)
  })
})
