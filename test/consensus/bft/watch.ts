/**
 * What must hold of honest replicas at every step, whatever the protocol: they execute the same entries
 * to the same states, they never release two signatures for one slot (over restarts too), and no
 * evidence names them.
 */

import { EpochContext } from '../../../src/consensus/bft/epoch.js'
import { decodeEvidence, evidenceChecks, evidenceProblem } from '../../../src/consensus/bft/evidence.js'
import { newViewJudge } from '../../../src/consensus/bft/pbft/index.js'
import { Replicas } from '../../../src/consensus/bft/replicas.js'
import { SIGN_BYTES } from '../../../src/consensus/bft/statement.js'
import { type Entry, GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import type { Membership } from '../../../src/consensus/membership.js'
import { epoch, logIndex, type NodeId } from '../../../src/consensus/types.js'
import { signaturesIn } from '../../../src/simulator/byzantine/signing-rules.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { holds } from './keys.js'
import type { Node } from './node.js'
import { namesIn } from './requests.js'

interface Signed {
  readonly by: NodeId
  /** Configuration, mode, type, epoch, view, sequence. */
  readonly slot: string
  readonly said: string
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
/** Up to where sign bytes name the slot; the digests follow. */
const SLOT_END = 64 + 22

export class Watch {
  readonly liars = new Set<NodeId>()
  /** Nodes whose state was damaged on purpose. */
  readonly corrupt = new Set<NodeId>()
  /** Every entry that an honest node executed, by index − 1. */
  readonly log: Entry[] = []
  readonly evidence: { readonly culprit: NodeId; readonly bytes: Uint8Array }[] = []
  readonly #states = new Map<number, string>()
  readonly #signed = new Map<string, Signed>()
  readonly #released = new Map<string, string>()
  readonly #executed = new Map<NodeId, Set<string>>()

  /** Wraps a node's key: what it signs is known by its signature. */
  signer(by: NodeId, sign: (bytes: Uint8Array) => Uint8Array): (bytes: Uint8Array) => Uint8Array {
    return (bytes) => {
      const signature = sign(bytes)
      if (bytes.length === SIGN_BYTES) {
        const slot = `${by}/${hex(bytes.subarray(32, SLOT_END))}`
        this.#signed.set(hex(signature), { by, slot, said: hex(bytes.subarray(SLOT_END)) })
      }
      return signature
    }
  }

  /** Whatever leaves a node: of each honest signer at most one digest per slot ever leaves. */
  released(from: NodeId, message: unknown): void {
    if (this.liars.has(from)) return
    for (const signature of signaturesIn(message)) {
      const signed = this.#signed.get(hex(signature))
      if (signed === undefined || this.liars.has(signed.by)) continue
      const before = this.#released.get(signed.slot)
      if (before !== undefined && before !== signed.said)
        throw new Error(`${signed.by} signed twice for ${signed.slot}`)
      this.#released.set(signed.slot, signed.said)
    }
  }

  committed(node: Node, upTo: number): void {
    if (this.liars.has(node.id)) return
    for (let index = node.commit + 1; index <= upTo; index++) {
      if (node.disk.entry(index) === undefined && index > node.disk.base.index)
        throw new Error(`${node.id} committed ${index}, which is not durable there`)
    }
  }

  executed(by: NodeId, entry: Entry, state: Uint8Array): void {
    const executed = this.#executedOf(by)
    for (const name of namesIn(entry)) executed.add(name)
    if (this.liars.has(by)) return
    const known = this.log[entry.index - 1]
    if (known === undefined) this.log[entry.index - 1] = entry
    else if (hex(known.chain) !== hex(entry.chain)) throw new Error(`${by} executed another entry at ${entry.index}`)
    const before = this.#states.get(entry.index)
    if (before === undefined) this.#states.set(entry.index, hex(state))
    else if (before !== hex(state) && !this.corrupt.has(by))
      throw new Error(`${by} has another state at ${entry.index}`)
  }

  /** A snapshot gave this node what others executed up to `index`. */
  restored(by: NodeId, index: number): void {
    const executed = this.#executedOf(by)
    for (const entry of this.log.slice(0, index)) {
      if (entry !== undefined) for (const name of namesIn(entry)) executed.add(name)
    }
  }

  isExecuted(by: NodeId, name: string): boolean {
    return this.#executed.get(by)?.has(name) === true
  }

  accused(bytes: Uint8Array, membership: Membership): void {
    const evidence = decodeEvidence(bytes)
    const replicas = new Replicas(membership)
    if (!this.liars.has(evidence.culprit)) throw new Error(`the honest ${evidence.culprit} is accused`)
    const ports = { sha256, clusterId: CLUSTER_ID, clusterConfigHash: CONFIG_HASH }
    const origin = { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
    const context = new EpochContext(ports, epoch(0), origin, { index: logIndex(0), membership })
    const problem = evidenceProblem(sha256, replicas, evidence, newViewJudge(sha256, context))
    if (problem !== null) throw new Error(`evidence is unsound: ${problem}`)
    if (!evidenceChecks(CLUSTER_ID, replicas, evidence).every(holds)) throw new Error('evidence without a signature')
    this.evidence.push({ culprit: evidence.culprit, bytes })
  }

  #executedOf(id: NodeId): Set<string> {
    let executed = this.#executed.get(id)
    if (executed === undefined) {
      executed = new Set()
      this.#executed.set(id, executed)
    }
    return executed
  }
}
