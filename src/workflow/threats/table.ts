/**
 * The replicated threat state: evidence that was ordered, once per piece, and against whom it is live. It is
 * live until an admin clears it, and that is refused as long as its culprit is a member under the key that
 * lied. So every member knows the same culprits, and one verdict on a return to Raft follows from the log.
 */
import { ByteWriter } from '../../base/bytes.js'
import { decodeEvidence, type Evidence, encodeEvidence, evidenceId } from '../../consensus/bft/evidence.js'
import { signBytes } from '../../consensus/bft/statement.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import type { Entry, Sha256 } from '../../consensus/entry.js'
import { evidenceIn } from '../../consensus/hybrid/ordered-evidence.js'
import { decodeMembership } from '../../consensus/membership.js'
import type { NodeId } from '../../consensus/types.js'
import { decodeOrderedEvidence, encodeOrderedEvidence, evidenceKey } from '../evidence-table.js'
import type { SignaturePort } from '../policies/signature-port.js'
import { ok, rejected } from '../result-codec.js'
import { MEMBERS_SPACE, type StatePort } from '../state-keys.js'

export interface ThreatModules {
  readonly state: StatePort
  readonly sha256: Sha256
  readonly signatures: SignaturePort
  /** Of the cluster. Members before the first change of them; absent where nobody is accused. */
  readonly genesis: Pick<ClusterConfiguration, 'clusterId'> & Partial<Pick<ClusterConfiguration, 'genesis'>>
}

/** A piece of evidence that counts. */
export interface LiveEvidence {
  readonly key: string
  /** Of the entry that brought it. */
  readonly index: number
  readonly evidence: Evidence
}

const NOBODY: readonly NodeId[] = []

export class ThreatTable {
  readonly #modules: ThreatModules
  readonly #live = new Map<string, LiveEvidence>()
  #cleared: (NodeId | null)[] = []

  constructor(modules: ThreatModules) {
    this.#modules = modules
  }

  /** Takes one pair of the evidence space, at a restart. Throws `Corrupt`. */
  load(key: string, value: Uint8Array): void {
    const { index, clearedAt, evidence } = decodeOrderedEvidence(value)
    if (clearedAt === 0) this.#live.set(key, { key, index, evidence: decodeEvidence(evidence) })
  }

  /** Takes what an entry says into the state: evidence, and who the members are from then on. */
  note(entry: Entry): void {
    const { state, sha256, genesis } = this.#modules
    for (const evidence of evidenceIn(entry)) {
      const key = evidenceKey(evidenceId(sha256, evidence))
      if (state.get(key) !== undefined) continue
      const { index } = entry
      state.put(key, encodeOrderedEvidence({ index, clearedAt: 0, evidence: encodeEvidence(evidence) }))
      this.#live.set(key, { key, index, evidence })
    }
    if (entry.kind === 'membership' && genesis.genesis !== undefined) {
      state.put(MEMBERS_SPACE, entry.body.slice())
    }
  }

  /** What counts, in the order in which it came. */
  get live(): readonly LiveEvidence[] {
    return [...this.#live.values()].sort((a, b) => a.index - b.index || (a.key < b.key ? -1 : 1))
  }

  get culprits(): readonly NodeId[] {
    if (this.#live.size === 0) return NOBODY
    return [...new Set([...this.#live.values()].map(({ evidence }) => evidence.culprit))]
  }

  /** What was cleared since the last call; null stands for everybody. */
  takeCleared(): readonly (NodeId | null)[] {
    const cleared = this.#cleared
    this.#cleared = []
    return cleared
  }

  /** Clears what is held against a member, or against all. Result: u32, how many pieces that were. */
  clear(node: NodeId | null, index: number): Uint8Array {
    const { state } = this.#modules
    const meant = this.live.filter(({ evidence }) => node === null || evidence.culprit === node)
    const still = [...new Set(meant.filter((piece) => this.#isMember(piece)).map(({ evidence }) => evidence.culprit))]
    if (still.length > 0) {
      const names = still.sort().join(', ')
      const reason = `there is evidence against ${names}, a member still and with the same key: remove or re-key it first`
      return rejected('Refused', reason, { culprits: names, retryAfterMs: null })
    }
    for (const { key, index: broughtAt, evidence } of meant) {
      state.put(key, encodeOrderedEvidence({ index: broughtAt, clearedAt: index, evidence: encodeEvidence(evidence) }))
      this.#live.delete(key)
    }
    this.#cleared.push(node)
    return ok(new ByteWriter(4).u32(meant.length).finish())
  }

  /** Whether the culprit is a member, under the key that signed both statements. */
  #isMember({ evidence }: LiveEvidence): boolean {
    const { signatures, genesis } = this.#modules
    const key = this.#keyOf(evidence.culprit)
    if (key === null) return false
    const { configHash, first } = evidence
    return signatures.verify(key, signBytes({ clusterId: genesis.clusterId, configHash }, first), first.signature)
  }

  #keyOf(id: NodeId): Uint8Array | null {
    const { state, genesis } = this.#modules
    const record = state.get(MEMBERS_SPACE)
    const members = record === undefined ? (genesis.genesis ?? []) : decodeMembership(record).members
    return members.find((member) => member.id === id)?.publicKey ?? null
  }
}
