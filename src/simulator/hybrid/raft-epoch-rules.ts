/**
 * What must hold of a hybrid's Raft epochs, whatever liars do: one certificate per term, and every log of
 * the term begins behind the tip that it names; certificates of one place agree; nothing is promised that
 * is not on the disk of who promises; what is told to clients is proven (R2 to R7).
 */
import { bytesEqual, toHex } from '../../base/bytes.js'
import type { Certificate } from '../../consensus/bft/certificate.js'
import type { Replicas } from '../../consensus/bft/replicas.js'
import type { SignedStatement } from '../../consensus/bft/statement.js'
import type { Core, Effect, ProtocolMessage } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import { termIn } from '../../consensus/hybrid/hardened/append-rules.js'
import { decodeStanding, type StoredRaft } from '../../consensus/hybrid/hardened/standing.js'
import {
  comparePlaces,
  type Position,
  positionOf,
  type TermCertificate,
  termOf,
} from '../../consensus/hybrid/positions.js'
import type { Assurance, LogIndex, NodeId, Term } from '../../consensus/types.js'
import type { SimulatedCluster } from '../cluster.js'
import type { SimulatedNode } from '../node.js'
import { InvariantViolation } from '../violation.js'
import type { EpochStarts } from './epoch-starts.js'

export interface RaftEpochRulesOptions {
  readonly cluster: SimulatedCluster
  readonly starts: EpochStarts
  readonly mayLie: (id: NodeId) => boolean
}

export class RaftEpochRules {
  readonly #options: RaftEpochRulesOptions
  /** Who leads a term behind which tip, by epoch and term. */
  readonly #terms = new Map<string, { readonly said: string; readonly by: NodeId }>()
  /** What is certified in a place, by epoch, term and index. */
  readonly #certified = new Map<string, string>()
  readonly #standings = new WeakMap<Uint8Array, StoredRaft>()
  /** What each honest node was told to apply, over its lives. */
  readonly #told = new Map<NodeId, number>()
  /** Comparisons made. */
  readonly checks = { terms: 0, certificates: 0, proofs: 0, promises: 0 }

  constructor(options: RaftEpochRulesOptions) {
    this.#options = options
  }

  /** A message leaves an honest member. Throws `InvariantViolation`. */
  released(from: NodeId, message: ProtocolMessage): void {
    const sender = this.#options.cluster.node(from)
    switch (message.type) {
      case 'hybridAppend':
        this.#certificates(from, message.append.epoch, message.termCertificate, [message.commit, message.proof])
        return
      case 'hybridVoteRequest':
        this.#certificates(from, message.request.epoch, message.termCertificate, [message.commit])
        return
      case 'hybridTerm':
        this.#certificates(from, message.epoch, message.termCertificate, [])
        return
      case 'hybridCommit':
        this.#certificates(from, message.epoch, null, [message.commit, message.proof])
        return
      case 'hybridAck':
        if (message.ack !== null) this.#expectAcknowledged(sender, message.ack)
        if (message.held !== null) this.#expectHeld(sender, message.held)
        return
      case 'hybridHeld':
        if (message.held !== null) this.#expectHeld(sender, message.held)
        return
      case 'hybridGrant':
        if (message.grant !== null) this.#expectGranted(sender, message.grant)
        return
      case 'hybridHistory': {
        const { epoch, term, commit } = message.history
        this.#certificates(from, epoch, term, [commit])
        if (sender.durable.abortOf(epoch) === undefined)
          throw new InvariantViolation(
            'abortIsDurable',
            `${from} shows how it left epoch ${epoch} before it has it on its disk`,
          )
        return
      }
      default:
    }
  }

  /** An honest node has taken a step. Throws `InvariantViolation`. */
  stepped(node: SimulatedNode, core: Core, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'store') {
        for (const record of effect.records) {
          if (record.kind === 'truncate') this.#expectUntold(node, record.from)
          else if (record.kind === 'entries') this.#expectTerms(node, core, record.entries)
        }
      } else if (effect.type === 'commit') this.#committed(node, core, effect.upTo, effect.assurance)
    }
  }

  #committed(node: SimulatedNode, core: Core, upTo: LogIndex, assurance: Assurance): void {
    this.#told.set(node.id, Math.max(this.#told.get(node.id) ?? 0, upTo))
    const { mode, epoch } = core.status()
    const entry = core.entry(upTo)
    if (mode === 'raft' && entry !== undefined && entry.epoch === epoch) this.#expectProven(node, entry, assurance)
  }

  #expectUntold(node: SimulatedNode, from: LogIndex): void {
    const told = this.#told.get(node.id) ?? 0
    // A damaged log has lost what was told; what it is given in its place is told again only once it is proven.
    if (from <= told && !node.knowsDamage)
      throw new InvariantViolation(
        'appliedIsNeverTruncated',
        `${node.id} cuts its log from ${from} on, and was told to apply up to ${told}`,
      )
  }

  /** R4 in the log: a term begins with its certificate, and that names the entry before. */
  #expectTerms(node: SimulatedNode, core: Core, entries: readonly Entry[]): void {
    let before = core.entry(((entries[0]?.index ?? 1) - 1) as LogIndex)
    for (const entry of entries) {
      const previous = before
      before = entry
      if (this.#modeOf(node, entry.epoch) !== 'raft') continue
      if (entry.kind === 'mode') {
        const term = termIn(entry)
        const where = `${node.id} holds entry ${entry.index} of term ${entry.term}`
        if (term === null || termOf(term) !== entry.term)
          throw new InvariantViolation('termStartsAtTip', `${where}, which begins a term without its certificate`)
        this.#certificates(node.id, entry.epoch, term, [])
        if (term.tip.index !== entry.index - 1 || !bytesEqual(term.tip.hash, entry.previousChain))
          throw new InvariantViolation('termStartsAtTip', `${where}, behind another entry than its certificate names`)
      } else if (previous !== undefined && previous.epoch === entry.epoch && previous.term !== entry.term) {
        throw new InvariantViolation(
          'termStartsAtTip',
          `${node.id} holds entry ${entry.index}, with which term ${entry.term} begins without a certificate`,
        )
      }
    }
  }

  #modeOf(node: SimulatedNode, epoch: number): string | null {
    const { starts } = this.#options
    const { start, ended } = starts.recordOf(node) ?? { start: starts.first, ended: null }
    if (start.epoch === epoch) return start.mode
    return ended?.epoch === epoch ? ended.mode : null
  }

  #certificates(
    by: NodeId,
    epoch: number,
    term: TermCertificate | null,
    commits: readonly (Certificate | null)[],
  ): void {
    if (term !== null) {
      const key = `${epoch}/${termOf(term)}`
      const said = `${term.candidate} behind ${term.tip.term}/${term.tip.index}/${toHex(term.tip.hash)}`
      const known = this.#terms.get(key)
      this.checks.terms++
      if (known === undefined) this.#terms.set(key, { said, by })
      else if (known.said !== said)
        throw new InvariantViolation(
          'oneTermCertificate',
          `term ${key} is led by ${known.said} for ${known.by}, and by ${said} for ${by}`,
        )
    }
    for (const commit of commits) if (commit !== null) this.#certificate(by, epoch, commit)
  }

  #certificate(by: NodeId, epoch: number, certificate: Certificate): void {
    const { term, index, hash } = positionOf(certificate)
    const key = `${epoch}/${term}/${index}`
    const said = toHex(hash)
    const known = this.#certified.get(key)
    this.checks.certificates++
    if (known === undefined) this.#certified.set(key, said)
    else if (known !== said)
      throw new InvariantViolation(
        'commitCertificatesAgree',
        `two certificates for place ${key}, one of them with ${by}`,
      )
  }

  /** What the node's Raft has on its disk; null where it has written nothing, or is in another epoch. */
  #standingOf(node: SimulatedNode, epoch: number): StoredRaft | null {
    const record = this.#options.starts.recordOf(node)
    if (record === null || record.inner === null || record.start.epoch !== epoch || record.start.mode !== 'raft')
      return null
    const known = this.#standings.get(record.inner)
    if (known !== undefined) return known
    const standing = decodeStanding(record.inner)
    this.#standings.set(record.inner, standing)
    return standing
  }

  #isBeyond(node: SimulatedNode, epoch: number): boolean {
    return this.#options.starts.startOf(node).epoch > epoch
  }

  #expectAcknowledged(sender: SimulatedNode, ack: SignedStatement): void {
    this.checks.promises++
    const { sequence, digest, view, epoch } = ack
    // A later term, or the end of the epoch, may have cut it while the answer waited for the disk.
    if (sender.durable.hasHeld(sequence, digest) || this.#isBeyond(sender, epoch)) return
    if ((sender.durable.hardState?.term ?? 0) > view) return
    throw new InvariantViolation(
      'acknowledgedIsDurable',
      `${sender.id} acknowledges entry ${sequence} of term ${view}, which is not on its disk`,
    )
  }

  #expectHeld(sender: SimulatedNode, held: SignedStatement): void {
    this.checks.promises++
    const { epoch } = held
    const place: Position = { term: held.view as Term, index: held.sequence as LogIndex, hash: held.digest }
    const commit = this.#standingOf(sender, epoch)?.standing.commit ?? null
    if (this.#isBeyond(sender, epoch) || (commit !== null && comparePlaces(positionOf(commit), place) >= 0)) return
    throw new InvariantViolation(
      'heldIsDurable',
      `${sender.id} says that it holds a certificate of ${place.term}/${place.index}, which is not on its disk`,
    )
  }

  #expectGranted(sender: SimulatedNode, { epoch, view }: SignedStatement): void {
    this.checks.promises++
    const grant = this.#standingOf(sender, epoch)?.grant ?? null
    if (this.#isBeyond(sender, epoch) || (grant !== null && grant.term >= view)) return
    throw new InvariantViolation(
      'voteIsDurable',
      `${sender.id} votes in term ${view}, and has no such vote on its disk`,
    )
  }

  /** R6 and R7: the entry is on the disks of a quorum; for `certified` its certificate is, too, of whichever quorum. */
  #expectProven(node: SimulatedNode, entry: Entry, assurance: Assurance): void {
    const { starts, mayLie } = this.#options
    this.checks.proofs++
    const { replicas } = starts.endingOf(starts.startOf(node)).raft
    const isTrusted = (other: SimulatedNode): boolean => mayLie(other.id) || other.isWiped || other.isDamaged
    const holds = ({ durable }: SimulatedNode): boolean => durable.hasHeld(entry.index, entry.chain)
    const knows = (other: SimulatedNode): boolean => {
      if (this.#isBeyond(other, entry.epoch)) return holds(other)
      const commit = this.#standingOf(other, entry.epoch)?.standing.commit ?? null
      return commit !== null && positionOf(commit).index >= entry.index
    }
    this.#expectQuorum(node, entry, 'the entry', replicas, (other) => isTrusted(other) || holds(other))
    if (assurance === 'certified')
      this.#expectQuorum(node, entry, 'its certificate', replicas, (other) => isTrusted(other) || knows(other))
  }

  #expectQuorum(
    node: SimulatedNode,
    { index }: Entry,
    what: string,
    { ids, quorum }: Replicas,
    stands: (other: SimulatedNode) => boolean,
  ): void {
    const { cluster } = this.#options
    const standing = ids.filter((id) => stands(cluster.node(id)))
    if (standing.length >= quorum) return
    throw new InvariantViolation(
      'answeredIsProven',
      `${node.id} takes entry ${index} for committed, and only ${standing.join(', ') || 'nobody'} can have ${what}`,
    )
  }
}
