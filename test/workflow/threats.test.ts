/**
 * The replicated threat state: evidence counts once per piece, from an entry of its own or from the hand-over
 * that an INIT rests on, over restarts too; an admin's word clears it once its culprit is removed or has another
 * key, and is refused with the name before; and what was cleared counts no more, however often it is ordered.
 */
import { describe, expect, test } from 'vitest'
import { type Evidence, encodeEvidence, equivocation } from '../../src/consensus/bft/evidence.js'
import { encodeInit } from '../../src/consensus/bft/init.js'
import { NO_EXTRA, type Statement, signBytes } from '../../src/consensus/bft/statement.js'
import { encodeBasis } from '../../src/consensus/hybrid/basis.js'
import { encodeHandOver } from '../../src/consensus/hybrid/switch-certificate.js'
import { encodeMembership, genesisMembership } from '../../src/consensus/membership.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { type Epoch, nodeId } from '../../src/consensus/types.js'
import { type KeyPair, keyPairOfSeed, sign } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { Verifier } from '../../src/crypto/verifier.js'
import { KV_HANDLERS } from '../../src/workflow/kv.js'
import { WorkflowMachine } from '../../src/workflow/machine.js'
import type { Operation } from '../../src/workflow/operations.js'
import { decodeResult } from '../../src/workflow/result-data.js'
import { SYSTEM_FROM, SYSTEM_TO } from '../../src/workflow/state-keys.js'
import { applyEntry, bytes, CLIENTS, CLUSTER_ID, entryOf, type MapState, Story } from './harness.js'

const CONFIG_HASH = new Uint8Array(32).fill(7)
const PLACE = { mode: 'pbft', type: 'prepare', epoch: 1 as Epoch, view: 0 } as const
const NAMES = ['n1', 'n2', 'n3', 'n4', 'n5', 'another n3']
const pairs = await Promise.all(NAMES.map((name) => keyPairOfSeed(sha256(bytes(`member ${name}`)))))
const keys = new Map(NAMES.map((name, at) => [name, pairs[at] as KeyPair]))
const memberOf = (id: string, key = id) => ({
  id: nodeId(id),
  publicKey: (keys.get(key) as KeyPair).publicKey,
  address: `${id}:1`,
  zone: '',
})
const MEMBERS = NAMES.slice(0, 4).map((id) => memberOf(id))
const clear = (node: string | null): Operation => ({ type: 'ClearThreat', node: node === null ? null : nodeId(node) })

/** A machine of a hybrid cluster whose members have real keys. */
class HybridStory extends Story {
  constructor() {
    super()
    this.machine = hybridMachine(this.state, 0)
  }

  override restart(): void {
    this.machine.checkpoint()
    this.machine = hybridMachine(this.state, this.machine.appliedIndex)
  }

  entry(kind: 'evidence' | 'membership' | 'mode', body: Uint8Array): void {
    applyEntry(this.machine, entryOf(this.machine.appliedIndex + 1, this.nowMs, body, kind))
  }

  /** The code of the result, and what it says. */
  clear(node: string | null, client = 'admin'): unknown {
    const operation = clear(node)
    const [result] = this.submit(this.open(client), [operation], client)
    const outcome = result?.outcome
    if (outcome === undefined) throw new Error('no answer')
    return outcome.ok ? decodeResult(operation, outcome) : { code: outcome.code, ...outcome.details }
  }

  live(): readonly string[] {
    const { level, live } = this.query('threat.live') as { level: string; live: { culprit: string }[] }
    expect(level).toBe(live.length > 0 ? 'critical' : 'none')
    return live.map(({ culprit }) => culprit)
  }
}

function hybridMachine(state: MapState, appliedIndex: number): WorkflowMachine {
  const system = appliedIndex === 0 ? [] : state.range(SYSTEM_FROM, SYSTEM_TO)
  const genesis = { clients: CLIENTS, clusterId: CLUSTER_ID, genesis: MEMBERS }
  const modules = { state, handlers: KV_HANDLERS, sha256, signatures: new Verifier() }
  return new WorkflowMachine({ genesis, appliedIndex, system }, modules)
}

/** Two words of one member for one slot, each under its key. */
function lieOf(id: string, sequence = 5): Evidence {
  const context = { clusterId: CLUSTER_ID, configHash: CONFIG_HASH }
  const [a, b] = [1, 2].map((fill) => {
    const statement: Statement = { ...PLACE, sequence, digest: new Uint8Array(32).fill(fill), extra: NO_EXTRA }
    const signature = sign((keys.get(id) as KeyPair).privateKey, signBytes(context, statement))
    return { ...statement, signer: nodeId(id), signature }
  })
  const evidence = a === undefined || b === undefined ? null : equivocation(context, a, b)
  if (evidence === null) throw new Error('no lie')
  return evidence
}

const ordered = (evidence: Evidence): Uint8Array => encodeBody([encodeEvidence(evidence)])
const membersAre = (members: readonly ReturnType<typeof memberOf>[]): Uint8Array =>
  encodeMembership(genesisMembership({ genesis: members }))

describe('evidence', () => {
  test('counts once, over restarts', () => {
    const story = new HybridStory()
    expect(story.live()).toEqual([])
    story.entry('evidence', ordered(lieOf('n3')))
    story.entry('evidence', ordered(lieOf('n3')))
    story.entry('evidence', ordered(lieOf('n2')))
    expect(story.live()).toEqual(['n3', 'n2'])
    expect(story.machine.threats.culprits).toEqual(['n3', 'n2'])
    story.restart()
    expect(story.live()).toEqual(['n3', 'n2'])
  })

  test('of a Raft epoch comes with the INIT of the next one', () => {
    const story = new HybridStory()
    const proof = encodeHandOver({ protocol: 'pbft', change: null, histories: [], evidence: [lieOf('n4')] })
    const record = { epoch: 1 as Epoch, protocol: 'pbft', membership: genesisMembership({ genesis: MEMBERS }) } as const
    const statement: Statement = { ...PLACE, sequence: 0, digest: NO_EXTRA, extra: NO_EXTRA }
    const certificate = {
      epoch: 0 as Epoch,
      body: encodeInit({ ...record, basis: { kind: 'handOver', proof } }),
      timestampMs: 1,
      certificate: { statement, signers: [], signatures: [] },
    }
    const basis = { kind: 'handOver', proof: encodeBasis({ kind: 'switch', certificate }) } as const
    story.entry('mode', encodeInit({ ...record, basis }))
    expect(story.live()).toEqual(['n4'])
  })
})

describe('clearing', () => {
  test('is refused while the culprit is a member with the key that lied', () => {
    const story = new HybridStory()
    story.entry('evidence', ordered(lieOf('n3')))
    expect(story.clear('n3')).toMatchObject({ code: 'Refused', culprits: 'n3' })
    expect(story.clear(null)).toMatchObject({ code: 'Refused', culprits: 'n3' })
    expect(story.clear('n2')).toEqual({ node: 'n2', cleared: 0 })
    expect(story.clear('n3', 'operator')).toMatchObject({ code: 'NotPermitted' })
    expect(story.live()).toEqual(['n3'])
    expect(story.machine.threats.takeCleared()).toEqual(['n2'])
  })

  test('works once the culprit is gone, and for good', () => {
    const story = new HybridStory()
    story.entry('evidence', ordered(lieOf('n3')))
    story.entry('membership', membersAre([...MEMBERS.filter(({ id }) => id !== 'n3'), memberOf('n5')]))
    story.restart()
    expect(story.live()).toEqual(['n3'])
    expect(story.clear('n3')).toEqual({ node: 'n3', cleared: 1 })
    expect(story.live()).toEqual([])
    expect(story.machine.threats.takeCleared()).toEqual(['n3'])
    story.entry('evidence', ordered(lieOf('n3')))
    story.restart()
    expect(story.live()).toEqual([])
    const { evidence } = story.query('evidence.ordered') as { evidence: { clearedAt: number | null }[] }
    expect(evidence).toEqual([expect.objectContaining({ clearedAt: expect.any(Number) })])
  })

  test('works once the culprit has another key', () => {
    const story = new HybridStory()
    story.entry('evidence', ordered(lieOf('n3')))
    story.entry('evidence', ordered(lieOf('n2')))
    const rekeyed = MEMBERS.map((member) => (member.id === 'n3' ? memberOf('n3', 'another n3') : member))
    story.entry('membership', membersAre(rekeyed))
    expect(story.clear(null)).toMatchObject({ code: 'Refused', culprits: 'n2' })
    expect(story.clear('n3')).toEqual({ node: 'n3', cleared: 1 })
    expect(story.live()).toEqual(['n2'])
  })
})
