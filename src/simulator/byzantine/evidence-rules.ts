/**
 * What must hold of accusations: evidence is sound, names only members that lied, and is there as soon as
 * an honest member has been given two verified statements that contradict each other.
 */
import { bytesEqual } from '../../base/bytes.js'
import type { EpochContext } from '../../consensus/bft/epoch.js'
import { decodeEvidence, evidenceChecks, evidenceProblem } from '../../consensus/bft/evidence.js'
import { newViewJudge } from '../../consensus/bft/pbft/index.js'
import { conflicts, type SignedStatement, slotKey } from '../../consensus/bft/statement.js'
import type { Core, Effect, Input, ProtocolMessage } from '../../consensus/core.js'
import type { Sha256 } from '../../consensus/entry.js'
import { forEachRequest } from '../../consensus/request-body.js'
import type { NodeId } from '../../consensus/types.js'
import type { SimulatedNode } from '../node.js'
import type { SignatureScheme } from '../signatures.js'
import { InvariantViolation } from '../violation.js'

export interface EvidenceRulesOptions {
  readonly sha256: Sha256
  readonly signatures: Pick<SignatureScheme, 'holds'>
  readonly clusterId: Uint8Array
  readonly mayLie: (id: NodeId) => boolean
  /** Members and beginning of an epoch; null where it is not known yet. */
  readonly epochOf: (epoch: number) => EpochContext | null
  /** What a verified message says that is held against what was said before. */
  readonly statementsOf: (node: SimulatedNode, core: Core, message: ProtocolMessage) => readonly SignedStatement[]
}

export class EvidenceRules {
  readonly #options: EvidenceRulesOptions
  /** What each life of a node was given first, by signer and slot. */
  readonly #first = new Map<string, SignedStatement>()
  /** Whom each node has evidence against: it is kept over restarts. */
  readonly #convicted = new Set<string>()
  /** Index of the newest stable checkpoint of each life of a node. */
  readonly #stable = new Map<string, number>()
  /** Who is convicted in the log. */
  readonly #ordered = new Set<NodeId>()
  /** Pieces of evidence that were found, and contradictions that were seen. */
  readonly counts = { evidence: 0, contradictions: 0 }

  constructor(options: EvidenceRulesOptions) {
    this.#options = options
  }

  /** An honest node has taken a step. Throws `InvariantViolation`. */
  stepped(node: SimulatedNode, core: Core, input: Input, effects: readonly Effect[]): void {
    const life = `${node.id}/${node.run}`
    for (const effect of effects) {
      if (effect.type === 'evidence') this.#accused(node.id, effect.evidence)
      else if (effect.type === 'checkpointStable') this.#stable.set(life, effect.index)
    }
    if (input.type !== 'message' || !bytesEqual(input.configHash, core.configHash())) return
    for (const statement of this.#options.statementsOf(node, core, input.message)) this.#given(node, life, statement)
  }

  /** An entry with evidence is committed: everybody has it, or will. */
  ordered(body: Uint8Array): void {
    forEachRequest(body, (start, end) => this.#ordered.add(decodeEvidence(body.subarray(start, end)).culprit))
  }

  #accused(node: NodeId, bytes: Uint8Array): void {
    const { sha256, signatures, clusterId, mayLie, epochOf } = this.#options
    this.counts.evidence++
    const evidence = decodeEvidence(bytes)
    const { culprit, epoch } = evidence
    this.#convicted.add(`${node}/${culprit}`)
    if (!mayLie(culprit)) throw new InvariantViolation('honestIsNeverAccused', `${node} accuses ${culprit}`)
    const context = epochOf(epoch)
    if (context === null) return
    const { replicas } = context
    const problem = evidenceProblem(sha256, replicas, evidence, newViewJudge(sha256, context))
    const isSigned = evidenceChecks(clusterId, replicas, evidence).every(signatures.holds)
    if (problem !== null || !isSigned)
      throw new InvariantViolation(
        'evidenceProves',
        `${node} accuses ${culprit}: ${problem ?? 'a signature does not hold'}`,
      )
  }

  /** Votes on slots up to a stable checkpoint are forgotten, so that memory stays bounded. */
  #isForgotten(life: string, { type, sequence, epoch }: SignedStatement): boolean {
    const isOnSlot = type === 'prePrepare' || type === 'prepare' || type === 'commit'
    const index = (this.#options.epochOf(epoch)?.origin.index ?? 0) + 1 + sequence
    return isOnSlot && index <= (this.#stable.get(life) ?? 0)
  }

  #given(node: SimulatedNode, life: string, statement: SignedStatement): void {
    const { signer } = statement
    if (signer === node.id) return
    const key = `${life}/${signer}/${slotKey(statement)}`
    const before = this.#first.get(key)
    if (before === undefined) {
      this.#first.set(key, statement)
      return
    }
    if (!conflicts(before, statement) || this.#isForgotten(life, statement)) return
    this.counts.contradictions++
    if (this.#convicted.has(`${node.id}/${signer}`) || this.#ordered.has(signer)) return
    const { type, view, sequence, epoch } = statement
    throw new InvariantViolation(
      'equivocationIsProven',
      `${node.id} was given two ${type} statements of ${signer} for view ${view}, sequence ${sequence} of epoch ${epoch}, and has no evidence`,
    )
  }
}
