/**
 * What a node holds only while it leads one term: the peers' progress, the reads that wait, the
 * transfer under way. It is made at the election and thrown away at the step-down, so nothing of one
 * term can leak into the next.
 */
import { assert } from '../../base/assert.js'
import type { LogIndex, Millis, NodeId, ReadId } from '../types.js'
import type { AppendEntries } from './messages.js'
import { Progress } from './progress.js'
import type { RaftState } from './state.js'

/** A read that waits until a quorum confirms that this node still leads. */
export interface PendingRead {
  readonly readId: ReadId
  /** Null for a read of this node; else the follower that asked. */
  readonly from: NodeId | null
  /** Strictly increasing; a reply that echoes it, or more, was sent after the read arrived. */
  readonly position: number
  /** The commit index when the read got its position. */
  readonly index: LogIndex
}

export interface Transfer {
  readonly target: NodeId
  readonly deadlineMs: Millis
  timeoutNowSent: boolean
}

/** Removed members are sent the log for so many election timeouts. */
const DEPARTURE_TIMEOUTS = 10

export class Leadership {
  /** Every other member, in configuration order, and those just removed until they know it. */
  peers: Progress[] = []
  heartbeatDeadlineMs: Millis
  /** When the leader looks at its quorum, its disk and its members again. */
  lookDeadlineMs: Millis
  /** When the commit index goes out alone unless a proposal carries it before; infinity for never. */
  commitPushMs: Millis = Number.POSITIVE_INFINITY
  /** Bytes of entries above the commit index. */
  uncommittedBytes = 0
  /** The empty entry of this term: until it is committed, reads wait. */
  readonly firstIndex: LogIndex
  /** Reads before the first commit of the term. */
  readonly heldReads: { readonly readId: ReadId; readonly from: NodeId | null }[] = []
  /** Reads with positions, oldest first. */
  pendingReads: PendingRead[] = []
  readPosition = 0
  /** Position of the last round that was started. */
  readRound = 0
  transfer: Transfer | null = null
  /** The last append made; reused while several peers need the same one. */
  lastAppend: AppendEntries | null = null
  /** When which read position went out first: what a lease is counted from. */
  readonly leaseRounds: { readonly position: number; readonly sentMs: Millis }[] = []
  /** The newest index at which a majority was seen to hold one state. */
  digestsAgreed = 0 as LogIndex
  /** Who would lead better, and since when without a break. */
  heir: { readonly id: NodeId; readonly sinceMs: Millis } | null = null
  /** A TimeoutNow was sent in this term: its target may be elected at any time. */
  leaseEnded = false
  readonly #byId = new Map<NodeId, Progress>()
  readonly matchOf: (id: NodeId) => number
  readonly readPositionOf: (id: NodeId) => number
  readonly heardFrom: (id: NodeId) => boolean

  constructor(raft: RaftState) {
    const { options, self, log, now, writes } = raft
    const nextIndex = (log.lastIndex + 1) as LogIndex
    this.firstIndex = nextIndex
    this.heartbeatDeadlineMs = now.monotonicMs + options.settings.heartbeatIntervalMs
    this.lookDeadlineMs = this.heartbeatDeadlineMs
    this.reconcile(raft)
    this.matchOf = (id) => (id === self ? writes.durableIndex : this.#of(id).matchIndex)
    this.readPositionOf = (id) => (id === self ? this.readPosition : this.#of(id).readPosition)
    this.heardFrom = (id) => id === self || this.isActive(this.#of(id), raft)
  }

  /** Follows the configuration in force: new members are probed, removed ones are still told. */
  reconcile({ memberships, self, log, now, options }: RaftState): void {
    const { index, membership } = memberships.current
    const before = this.peers
    this.peers = []
    for (const { id } of membership.members) {
      if (id === self) continue
      const nextIndex = (log.lastIndex + 1) as LogIndex
      const peer = this.#byId.get(id) ?? new Progress(id, nextIndex, now.monotonicMs, options.limits)
      peer.departing = null
      this.#byId.set(id, peer)
      this.peers.push(peer)
    }
    const untilMs = now.monotonicMs + DEPARTURE_TIMEOUTS * options.settings.electionTimeoutMaxMs
    for (const peer of before) {
      if (this.peers.includes(peer)) continue
      peer.departing ??= { index, untilMs }
      this.peers.push(peer)
    }
  }

  /** Lets go of removed members that know it, or did not answer in time. */
  dismiss(nowMs: Millis): void {
    const gone = this.peers.filter(({ departing, matchIndex, sentCommit }) => {
      if (departing === null) return false
      return nowMs >= departing.untilMs || Math.min(matchIndex, sentCommit) >= departing.index
    })
    if (gone.length === 0) return
    this.peers = this.peers.filter((peer) => !gone.includes(peer))
    for (const peer of gone) this.#byId.delete(peer.id)
  }

  peer(id: NodeId): Progress | undefined {
    return this.#byId.get(id)
  }

  /** Heard from within the last election timeout. */
  isActive(peer: Progress, raft: RaftState): boolean {
    return raft.now.monotonicMs - peer.lastContactMs < raft.options.settings.electionTimeoutMaxMs
  }

  #of(id: NodeId): Progress {
    const peer = this.#byId.get(id)
    assert(peer !== undefined, 'every voter has a progress')
    return peer
  }
}
