/**
 * What must hold of each honest member's way out of an epoch: it leaves for a reason that would convince
 * others as well (S1), and what it left it signs nothing in (R5).
 */
import { ByteReader } from '../../base/bytes.js'
import { decodeStatement, SIGN_BYTES, STATEMENT_BYTES, type StatementType } from '../../consensus/bft/statement.js'
import type { Core, Effect, Input, ProtocolMessage } from '../../consensus/core.js'
import { epochEndedBy } from '../../consensus/hybrid/epoch-links.js'
import { decodeLeaving } from '../../consensus/hybrid/epoch-record.js'
import { checksOfCertificate, positionOf, quorumProblem } from '../../consensus/hybrid/positions.js'
import type { NodeId } from '../../consensus/types.js'
import type { SimulatedCluster } from '../cluster.js'
import type { SimulatedNode } from '../node.js'
import { InvariantViolation } from '../violation.js'
import type { EpochStarts } from './epoch-starts.js'

/** What one life of a node was told about the end of an epoch. */
interface Reasons {
  readonly panics: Set<NodeId>
  readonly histories: Set<NodeId>
  hasProof: boolean
}

const IN_RAFT: readonly StatementType[] = ['header', 'grant', 'ack', 'held', 'suspect', 'panic']

export class LeavingRules {
  readonly #cluster: SimulatedCluster
  readonly #starts: EpochStarts
  /** By life and epoch. */
  readonly #reasons = new Map<string, Reasons>()
  /** The life in which a member signed its abort history, by member and epoch; 0 once it was shown. */
  readonly #aborted = new Map<string, number>()
  /** The epoch that each member has entered for good. */
  readonly #entered = new Map<NodeId, number>()
  /** Comparisons made. */
  readonly checks = { aborts: 0, signatures: 0 }

  constructor(cluster: SimulatedCluster, starts: EpochStarts) {
    this.#cluster = cluster
    this.#starts = starts
  }

  /** Whether a node has aborted this epoch, for certain or in this life. */
  isLeaving(node: SimulatedNode, epoch: number): boolean {
    const abortedIn = this.#aborted.get(`${node.id}/${epoch}`)
    return abortedIn === 0 || abortedIn === node.run || node.durable.abortOf(epoch) !== undefined
  }

  /** An honest member signed something. Throws `InvariantViolation`. */
  signed(id: NodeId, bytes: Uint8Array): void {
    if (bytes.length !== SIGN_BYTES) return
    const { mode, type, epoch } = decodeStatement(new ByteReader(bytes.subarray(SIGN_BYTES - STATEMENT_BYTES)))
    const { run } = this.#cluster.node(id)
    const key = `${id}/${epoch}`
    if (type === 'abort') this.#aborted.set(key, this.#aborted.get(key) === 0 ? 0 : run)
    if (mode !== 'raft' || !IN_RAFT.includes(type)) return
    this.checks.signatures++
    const abortedIn = this.#aborted.get(key)
    if (abortedIn === 0 || abortedIn === run)
      throw new InvariantViolation(
        'nothingSignedAfterAbort',
        `${id} signs ${type} in epoch ${epoch}, which it has left`,
      )
    if (epoch < (this.#entered.get(id) ?? 0))
      throw new InvariantViolation(
        'nothingSignedAfterAbort',
        `${id} signs ${type} in epoch ${epoch}, and is in ${this.#entered.get(id)}`,
      )
  }

  /** A message leaves an honest member. */
  released(from: NodeId, message: ProtocolMessage): void {
    // It was on the disk before: from now on no crash takes it back.
    if (message.type === 'hybridHistory' && message.history.vote.signer === from)
      this.#aborted.set(`${from}/${message.history.epoch}`, 0)
  }

  /** An honest node has taken a step. Throws `InvariantViolation`. */
  stepped(node: SimulatedNode, core: Core, input: Input, effects: readonly Effect[]): void {
    if (input.type === 'message') this.#told(node, input.message)
    const { epoch } = core.status()
    for (const effect of effects) {
      if (effect.type === 'evidence') this.#reasonsOf(node, epoch).hasProof = true
      else if (effect.type === 'send' && effect.message.type === 'hybridVote') {
        const { type, signer } = effect.message.vote
        if (type === 'panic' && signer === node.id) this.#reasonsOf(node, effect.message.vote.epoch).panics.add(signer)
      } else if (effect.type === 'epochChanged') {
        if (!effect.isUnderWay) this.#entered.set(node.id, effect.epoch)
        // A Byzantine epoch ends by an operation that its members decided.
        else if (effect.mode === 'raft') this.#expectReason(node, core, effect.epoch, effects)
      }
    }
  }

  #told(node: SimulatedNode, message: ProtocolMessage): void {
    switch (message.type) {
      case 'hybridVote':
        if (message.vote.type === 'panic') this.#reasonsOf(node, message.vote.epoch).panics.add(message.vote.signer)
        return
      case 'hybridHistory':
        this.#reasonsOf(node, message.history.epoch).histories.add(message.history.vote.signer)
        return
      case 'hybridSwitch':
        this.#reasonsOf(node, message.certificate.epoch).hasProof = true
        return
      case 'hybridEvidence':
        this.#reasonsOf(node, message.evidence.epoch).hasProof = true
        return
      case 'hybridCheckpoint': {
        // A way into a later epoch begins with how this one ended. What comes from another epoch nobody verified.
        const [first] = message.links
        const isOwn = message.epoch === this.#starts.startOf(node).epoch
        if (isOwn && first !== undefined && epochEndedBy(first) === message.epoch)
          this.#reasonsOf(node, message.epoch).hasProof = true
        return
      }
      default:
    }
  }

  /** S1: a proof, a decided change of members, or f + 1 members that say so: never a node's own suspicion. */
  #expectReason(node: SimulatedNode, core: Core, epoch: number, effects: readonly Effect[]): void {
    const { panics, histories, hasProof } = this.#reasonsOf(node, epoch)
    const { replicas } = this.#starts.endingOf(this.#starts.startOf(node)).raft
    this.checks.aborts++
    const said = new Set([...panics, ...histories])
    if (hasProof || replicas.ids.filter((id) => said.has(id)).length > replicas.f) return
    if (this.#starts.recordOf(node)?.evidence.some((one) => one.epoch === epoch) === true) return
    if (this.#hasDecidedChange(node, core, epoch, effects)) return
    throw new InvariantViolation(
      'abortNeedsProof',
      `${node.id} leaves epoch ${epoch} with ${panics.size} panics, ${histories.size} histories and no proof`,
    )
  }

  /** The history that it leaves with shows a commit certificate on a change of members, which it holds. */
  #hasDecidedChange(node: SimulatedNode, core: Core, epoch: number, effects: readonly Effect[]): boolean {
    const { signatures } = this.#cluster
    const { raft } = this.#starts.endingOf(this.#starts.startOf(node))
    for (const effect of effects) {
      const records = effect.type === 'store' ? effect.records : []
      for (const record of records) {
        if (record.kind !== 'abort' || record.epoch !== epoch) continue
        const { commit } = decodeLeaving(record.payload).history
        if (commit === null || quorumProblem(raft, 'ack', commit) !== null) continue
        const change = core.entry(positionOf(commit).index)
        const isChange = change?.kind === 'membership' && change.epoch === epoch
        if (isChange && checksOfCertificate(raft, commit).every(signatures.holds)) return true
      }
    }
    return false
  }

  #reasonsOf(node: SimulatedNode, epoch: number): Reasons {
    const key = `${node.id}/${node.run}/${epoch}`
    const known = this.#reasons.get(key)
    if (known !== undefined) return known
    const fresh = { panics: new Set<NodeId>(), histories: new Set<NodeId>(), hasProof: false }
    this.#reasons.set(key, fresh)
    return fresh
  }
}
