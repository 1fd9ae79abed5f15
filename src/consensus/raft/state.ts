/**
 * The state of one Raft node and the few things that every rule does with it: emit an effect, send,
 * persist term and vote. The rules themselves are functions in files named after what they decide;
 * they share this object and nothing else.
 *
 * Role is not a field but follows from what the node holds: `leading`, `campaign`, or neither.
 */
import { assert } from '../../base/assert.js'
import { computeBatchDigest } from '../batch-digest.js'
import type { Effect, Now, Role } from '../core.js'
import type { MembershipRecord } from '../membership.js'
import type { QuorumConfiguration } from '../quorum.js'
import type { SnapshotOffer } from '../snapshot.js'
import type { Epoch, LogIndex, Millis, NodeId, ReadId, Term } from '../types.js'
import { ClockBound } from './clock-bound.js'
import type { RaftModules, RaftOptions } from './config.js'
import { DigestBook } from './digest-book.js'
import { HandOvers } from './hand-overs.js'
import type { Leadership } from './leadership.js'
import { compareTerms, RaftLog } from './log.js'
import { MembershipHistory } from './membership-history.js'
import type { RaftMessage } from './messages.js'
import { WriteQueue } from './writes.js'

/** A candidacy: for the PreVote round or for the real vote. */
export interface Campaign {
  readonly kind: 'pre' | 'real'
  /** Names the PreVote round, so that an answer to an earlier one is not counted. */
  readonly round: number
  readonly votes: Map<NodeId, boolean>
}

/** Ids that must not repeat across restarts start at a random place of this range. */
const ID_RANGE = 2 ** 47

export class RaftState {
  readonly options: RaftOptions
  readonly modules: RaftModules
  readonly self: NodeId
  /** The configuration before the first entry, as a record. */
  readonly genesis: MembershipRecord
  readonly memberships: MembershipHistory
  readonly log: RaftLog
  readonly writes: WriteQueue
  readonly clocks: ClockBound
  readonly handOvers = new HandOvers()
  /** Digest of an empty body. */
  readonly emptyDigest: Uint8Array
  epoch: Epoch
  term: Term
  votedFor: NodeId | null
  commitIndex: LogIndex
  /** Executed by the driver, by its own word. */
  executedIndex = 0 as LogIndex
  /** Digests of the own state, by the driver's word. */
  readonly digests = new DigestBook()
  /** The newest durable snapshot of this node. */
  snapshot: SnapshotOffer | null
  /** False while this node may have lost what it acknowledged: it neither votes nor leads (see repair.ts). */
  mayVote: boolean
  /** The index at which a damaged node is whole again; null until a leader told. */
  repairTarget: LogIndex | null = null
  /** Votes are withheld until then: after a restart, where leases are on. */
  voteEmbargoMs: Millis = Number.NEGATIVE_INFINITY
  /** The known leader of this term. */
  leader: NodeId | null = null
  leading: Leadership | null = null
  campaign: Campaign | null = null
  /** Up to here an append of the present leader has shown that the logs agree. */
  agreedIndex = 0 as LogIndex
  /**
   * A learner that was asked for its vote by a candidate whose log is less complete than its own. That candidate goes by a
   * later configuration, in which the learner votes, and without that vote perhaps nobody can be elected: the learner stands
   * for election itself, for the votes of the voters that it knows, until a leader is heard. It hands over at once.
   */
  standsIn = false
  /** When a follower or candidate stops waiting. */
  electionDeadlineMs: Millis = 0
  /** When the leader was heard last; votes are refused for one minimum election timeout after it. */
  leaderContactMs: Millis = Number.NEGATIVE_INFINITY
  /** Reads sent on to the leader: id on the wire → the driver's id. */
  readonly forwardedReads = new Map<ReadId, ReadId>()
  /** Loads under way: peer → first index asked for. */
  readonly loads = new Map<NodeId, LogIndex>()
  now: Now
  effects: Effect[] = []
  #nextRunId: number
  #reportedCommit: LogIndex
  #reported: { role: Role; term: Term; leader: NodeId | null }
  #reportedMembership: { readonly record: MembershipRecord; readonly committed: boolean }

  constructor(options: RaftOptions, modules: RaftModules) {
    const { restored } = modules
    this.options = options
    this.modules = modules
    this.self = options.self
    this.genesis = { index: 0 as LogIndex, membership: options.genesis }
    const first = restored.base.membership ?? this.genesis
    const rule = options.hardening === undefined ? 'majority' : 'byzantine'
    this.memberships = new MembershipHistory(first, restored.memberships, rule)
    this.snapshot = restored.snapshot
    this.mayVote = restored.mayVote
    this.log = new RaftLog(restored, options.limits)
    this.writes = new WriteQueue(restored.lastIndex, (effect) => this.effects.push(effect))
    this.clocks = new ClockBound(options.self, () => this.quorum.voters)
    this.emptyDigest = computeBatchDigest(modules.sha256, 'empty', new Uint8Array(0))
    this.epoch = restored.hardState.epoch
    this.term = restored.hardState.term
    this.votedFor = restored.hardState.votedFor
    this.commitIndex = Math.max(restored.base.index, restored.commitIndex) as LogIndex
    this.now = modules.now
    this.#nextRunId = 1 + Math.floor(modules.random() * ID_RANGE)
    this.#reportedCommit = restored.base.index
    this.#reported = { role: this.role, term: this.term, leader: null }
    this.#reportedMembership = { record: this.memberships.current, committed: this.membershipCommitted }
    assert(this.commitIndex <= this.log.lastIndex, 'what was committed is in the log')
    assert(compareTerms(this.log.last, this) <= 0, 'the term is at least that of the last entry')
    this.restartElectionTimer()
  }

  /** Who decides under the configuration in force. */
  get quorum(): QuorumConfiguration {
    return this.memberships.quorum
  }

  get isVoter(): boolean {
    return this.memberships.isVoter(this.self)
  }

  get membershipCommitted(): boolean {
    return this.memberships.current.index <= this.commitIndex
  }

  get role(): Role {
    if (this.leading !== null) return 'leader'
    if (this.campaign !== null) return this.campaign.kind === 'pre' ? 'preCandidate' : 'candidate'
    return this.isVoter ? 'follower' : 'learner'
  }

  /** A node whose removal is committed and a damaged node never campaign, a learner only where it stands in. */
  get mayCampaign(): boolean {
    if (!this.mayVote) return false
    if (this.standsIn) return true
    return this.isVoter || (!this.membershipCommitted && this.memberships.mayBeVoter(this.self, this.commitIndex))
  }

  /** An id for the wire that no earlier run of this node has used (but for a chance of about 2⁻⁴⁷). */
  nextRunId(): number {
    return this.#nextRunId++
  }

  restartElectionTimer(): void {
    const { electionTimeoutMinMs, electionTimeoutMaxMs } = this.options.settings
    const range = electionTimeoutMaxMs - electionTimeoutMinMs
    const timeoutMs = electionTimeoutMinMs + this.modules.random() * range
    this.electionDeadlineMs = this.now.monotonicMs + timeoutMs
  }

  emit(effect: Effect): void {
    this.effects.push(effect)
  }

  /** Sends; never before the term and vote that the message speaks for are durable. */
  send(to: NodeId, message: RaftMessage): void {
    const after = this.writes.hardStateWrite
    this.effects.push(after === undefined ? { type: 'send', to, message } : { type: 'send', to, message, after })
  }

  /** Sends an acknowledgement of the log up to `index`: not before that is durable. */
  acknowledge(to: NodeId, message: RaftMessage, index: LogIndex): void {
    const after = this.writes.afterFor(index)
    this.effects.push(after === undefined ? { type: 'send', to, message } : { type: 'send', to, message, after })
  }

  /** Writes term and vote in this step's write. */
  persistHardState(): void {
    this.writes.hardState({ epoch: this.epoch, term: this.term, votedFor: this.votedFor })
  }

  commitTo(index: LogIndex): void {
    assert(
      index <= this.log.lastIndex,
      'nothing is committed that the log does not hold (was a disk replaced or rolled back?)',
    )
    if (index > this.commitIndex) this.commitIndex = index
  }

  /** The state is that of a snapshot at `index` from here on: nothing up to there is left to report or to run. */
  restoreTo(index: LogIndex): void {
    assert(index > this.commitIndex, 'a snapshot is restored only beyond what is known')
    this.commitIndex = index
    this.executedIndex = index
    this.#reportedCommit = index
  }

  /** Ends a step: completes its write and reports what changed. */
  finish(): Effect[] {
    this.writes.finish(this.epoch, this.term, this.log.lastIndex, this.now.monotonicMs)
    this.#reportCommit()
    this.#reportRole()
    this.#reportMembership()
    const { effects } = this
    this.effects = []
    return effects
  }

  #reportCommit(): void {
    const upTo = Math.min(this.commitIndex, this.writes.durableIndex) as LogIndex
    if (upTo <= this.#reportedCommit) return
    this.#reportedCommit = upTo
    this.effects.push({ type: 'commit', upTo, assurance: 'quorum' })
  }

  #reportMembership(): void {
    const record = this.memberships.current
    const committed = this.membershipCommitted
    const before = this.#reportedMembership
    if (before.record === record && before.committed === committed) return
    this.#reportedMembership = { record, committed }
    this.effects.push({ type: 'membershipChanged', record, committed })
  }

  #reportRole(): void {
    const { role, term, leader } = this
    const before = this.#reported
    if (before.role === role && before.term === term && before.leader === leader) return
    this.#reported = { role, term, leader }
    this.effects.push({ type: 'roleChanged', role, epoch: this.epoch, term, leader })
  }
}
