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
import type { QuorumConfiguration } from '../quorum.js'
import type { Epoch, LogIndex, Millis, NodeId, ReadId, Term } from '../types.js'
import { ClockBound } from './clock-bound.js'
import { quorumOf, type RaftModules, type RaftOptions } from './config.js'
import type { Leadership } from './leadership.js'
import { RaftLog } from './log.js'
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
  readonly quorum: QuorumConfiguration
  readonly isVoter: boolean
  readonly log: RaftLog
  readonly writes: WriteQueue
  readonly clocks: ClockBound
  /** Digest of an empty body. */
  readonly emptyDigest: Uint8Array
  epoch: Epoch
  term: Term
  votedFor: NodeId | null
  commitIndex: LogIndex
  /** Executed by the driver, by its own word. */
  executedIndex = 0 as LogIndex
  /** The known leader of this term. */
  leader: NodeId | null = null
  leading: Leadership | null = null
  campaign: Campaign | null = null
  /** Up to here an append of the present leader has shown that the logs agree. */
  agreedIndex = 0 as LogIndex
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

  constructor(options: RaftOptions, modules: RaftModules) {
    const { restored } = modules
    this.options = options
    this.modules = modules
    this.self = options.self
    this.quorum = quorumOf(options.members)
    this.isVoter = this.quorum.voters.includes(options.self)
    this.log = new RaftLog(restored, options.limits)
    this.writes = new WriteQueue(restored.lastIndex, (effect) => this.effects.push(effect))
    this.clocks = new ClockBound(options.self, this.quorum)
    this.emptyDigest = computeBatchDigest(modules.sha256, 'empty', new Uint8Array(0))
    this.epoch = restored.hardState.epoch
    this.term = restored.hardState.term
    this.votedFor = restored.hardState.votedFor
    this.commitIndex = Math.max(restored.base.index, restored.commitIndex) as LogIndex
    this.now = modules.now
    this.#nextRunId = 1 + Math.floor(modules.random() * ID_RANGE)
    this.#reportedCommit = restored.base.index
    this.#reported = { role: this.role, term: this.term, leader: null }
    assert(this.commitIndex <= this.log.lastIndex, 'what was committed is in the log')
    assert(this.log.last.term <= this.term, 'the term is at least that of the last entry')
    this.restartElectionTimer()
  }

  get role(): Role {
    if (this.leading !== null) return 'leader'
    if (this.campaign !== null) return this.campaign.kind === 'pre' ? 'preCandidate' : 'candidate'
    return this.isVoter ? 'follower' : 'learner'
  }

  /** A learner and a damaged node never campaign. */
  get mayCampaign(): boolean {
    return this.isVoter && this.modules.restored.mayVote
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

  /** Ends a step: completes its write and reports what changed. */
  finish(): Effect[] {
    this.writes.finish(this.epoch, this.term, this.log.lastIndex)
    this.#reportCommit()
    this.#reportRole()
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

  #reportRole(): void {
    const { role, term, leader } = this
    const before = this.#reported
    if (before.role === role && before.term === term && before.leader === leader) return
    this.#reported = { role, term, leader }
    this.effects.push({ type: 'roleChanged', role, epoch: this.epoch, term, leader })
  }
}
