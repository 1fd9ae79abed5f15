/**
 * Raft behind the contract of all protocols (Ongaro and Ousterhout, "In Search of an Understandable
 * Consensus Algorithm", and Ongaro's thesis). This file only distributes: each input to the file that
 * is named after the decision. docs/consensus/divergence.md lists where we deviate, and why.
 */
import { assert, unreachable } from '../../base/assert.js'
import { bytesEqual } from '../../base/bytes.js'
import { NO_CHECKS, type SignatureCheck } from '../bft/checks.js'
import type { Core, CoreStatus, Effect, Input, Now, OrderRefusalCode, PeerStatus, ProtocolMessage } from '../core.js'
import type { Entry } from '../entry.js'
import type { MembershipRecord } from '../membership.js'
import type { LogIndex, Millis, NodeId } from '../types.js'
import { changeMembership } from './changes.js'
import { checkOptions, type RaftModules, type RaftOptions } from './config.js'
import { countOwnVote } from './election.js'
import { leaseHolds, voteEmbargo } from './lease.js'
import { handlePropose } from './proposals.js'
import { handleRead } from './reads.js'
import { receive } from './receive.js'
import { finishRepair } from './repair.js'
import { handleLoaded } from './replication.js'
import { afterProgress } from './replies.js'
import { handleSnapshotFetched, handleSnapshotTaken, withdrawSnapshot } from './snapshots.js'
import { RaftState } from './state.js'
import { handlePause, nextDeadline, tick } from './timers.js'
import { orderTransfer } from './transfer.js'

const NO_PEERS: readonly PeerStatus[] = []

export class RaftCore implements Core {
  readonly #raft: RaftState

  /** Continues from `modules.restored`. Throws `Bug` where options or log contradict themselves. */
  constructor(options: RaftOptions, modules: RaftModules) {
    checkOptions(options)
    this.#raft = new RaftState(options, modules)
    this.#raft.voteEmbargoMs = voteEmbargo(this.#raft, modules.now.monotonicMs)
  }

  step(input: Input, now: Now): Effect[] {
    const raft = this.#raft
    assert(now.monotonicMs >= raft.now.monotonicMs, 'monotonic time never goes back')
    const { term, commitIndex } = raft
    raft.now = now
    this.#apply(input)
    finishRepair(raft)
    assert(raft.term >= term, 'the term never decreases')
    assert(raft.commitIndex >= commitIndex, 'the commit index never decreases')
    assert(raft.commitIndex <= raft.log.lastIndex, 'what is committed is in the log')
    return raft.finish()
  }

  deadline(): Millis | undefined {
    return nextDeadline(this.#raft)
  }

  status(): CoreStatus {
    const { role, epoch, term, leader, log, commitIndex } = this.#raft
    return {
      mode: 'raft',
      role,
      epoch,
      term,
      view: null,
      round: null,
      leader,
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      commitIndex,
      peers: this.#peers(),
      membership: this.#raft.memberships.current,
      membershipCommitted: this.#raft.membershipCommitted,
      mayVote: this.#raft.mayVote,
      threat: null,
    }
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#raft.log.entry(index)
  }

  membershipAt(index: LogIndex): MembershipRecord {
    return this.#raft.memberships.at(index)
  }

  mayPropose(): boolean {
    const { leading, options } = this.#raft
    // The same as what is refused: who asks again at once would ask for ever.
    return (
      leading !== null && leading.transfer === null && leading.uncommittedBytes < options.limits.uncommittedBytesMax
    )
  }

  holdsLease(now: Now): boolean {
    const { leading } = this.#raft
    return leading !== null && leaseHolds(this.#raft, leading, now.monotonicMs)
  }

  configHash(): Uint8Array {
    return this.#raft.options.configHash
  }

  /** Plain Raft verifies nothing beyond the authenticated link and the body digest. */
  interest(_from: NodeId, _message: ProtocolMessage): 'keep' {
    return 'keep'
  }

  checks(_from: NodeId, _message: ProtocolMessage): readonly SignatureCheck[] {
    return NO_CHECKS
  }

  #apply(input: Input): void {
    const raft = this.#raft
    switch (input.type) {
      case 'message':
        if ('term' in input.message && this.#isCurrent(input.from, input.configHash))
          receive(raft, input.from, input.message)
        return
      case 'propose':
        return handlePropose(raft, input)
      case 'read':
        return handleRead(raft, input.readId, input.lease)
      case 'tick':
        return tick(raft)
      case 'stored':
        return this.#stored(input)
      case 'loaded':
        return handleLoaded(raft, raft.leading, input)
      case 'snapshotTaken':
        return handleSnapshotTaken(raft, input)
      case 'snapshotGone':
        return withdrawSnapshot(raft.leading, input.id)
      case 'snapshotFetched':
        return handleSnapshotFetched(raft, input.snapshot)
      case 'order':
        return this.#order(input)
      case 'executed':
        return this.#executed(input.upTo, input.stateDigest)
      case 'paused':
        return handlePause(raft)
      // Only where somebody may lie: plain Raft trusts donors, and its leaders are not suspected of censorship.
      case 'snapshotRejected':
      case 'demand':
      case 'invalid':
      case 'clear':
        return
      default:
        unreachable(input, 'input')
    }
  }

  /** The link says who speaks; a node that is behind may not know yet that the speaker is a member. */
  #isCurrent(from: NodeId, configHash: Uint8Array): boolean {
    const { options, self } = this.#raft
    if (from === self) return false
    return configHash === options.configHash || bytesEqual(configHash, options.configHash)
  }

  #order({ orderId, order }: Extract<Input, { type: 'order' }>): void {
    const raft = this.#raft
    const { leading, leader } = raft
    const refuse = (code: OrderRefusalCode, reason: string) =>
      raft.emit({ type: 'orderRefused', orderId, code, reason, leader: raft.leading === null ? leader : null })
    if (leading === null) {
      refuse(leader === null ? 'NoLeader' : 'NotLeader', 'this node does not lead')
    } else if (order.kind === 'transferLeadership') {
      const refusal = orderTransfer(raft, leading, order.target)
      if (refusal === null) raft.emit({ type: 'ordered', orderId, index: null })
      else refuse(refusal.code, refusal.reason)
    } else if (order.kind === 'setMode') {
      refuse('InvalidArgument', 'this cluster runs one protocol')
    } else {
      const outcome = changeMembership(raft, leading, order)
      if (outcome === null || typeof outcome === 'number') raft.emit({ type: 'ordered', orderId, index: outcome })
      else refuse(outcome.code, outcome.reason)
    }
  }

  #stored(input: Extract<Input, { type: 'stored' }>): void {
    const raft = this.#raft
    if (!raft.writes.complete(input)) return
    countOwnVote(raft)
    if (raft.leading !== null) afterProgress(raft, raft.leading)
    this.#evict()
  }

  #executed(upTo: LogIndex, stateDigest: Uint8Array | null): void {
    const raft = this.#raft
    if (stateDigest !== null) {
      // What was executed was told when it was; the digest comes later.
      raft.digests.note(upTo, stateDigest)
      return
    }
    assert(upTo <= raft.commitIndex, 'only what is committed is executed')
    if (upTo <= raft.executedIndex) return
    raft.executedIndex = upTo
    this.#evict()
  }

  #evict(): void {
    const { log, writes, executedIndex } = this.#raft
    log.evict(Math.min(writes.durableIndex, executedIndex) as LogIndex)
  }

  #peers(): readonly PeerStatus[] {
    const raft = this.#raft
    const { leading } = raft
    if (leading === null) return NO_PEERS
    return leading.peers.map((peer) => ({
      id: peer.id,
      matchIndex: peer.matchIndex,
      flow: peer.flow,
      offered: peer.offered,
      active: leading.isActive(peer, raft),
    }))
  }
}
