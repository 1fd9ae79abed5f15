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

export class Leadership {
  /** Every other member, in configuration order. */
  readonly peers: readonly Progress[]
  heartbeatDeadlineMs: Millis
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
  readonly #byId = new Map<NodeId, Progress>()
  readonly matchOf: (id: NodeId) => number
  readonly readPositionOf: (id: NodeId) => number
  readonly heardFrom: (id: NodeId) => boolean

  constructor(raft: RaftState) {
    const { options, self, log, now, writes } = raft
    const nextIndex = (log.lastIndex + 1) as LogIndex
    this.firstIndex = nextIndex
    this.heartbeatDeadlineMs = now.monotonicMs + options.settings.heartbeatIntervalMs
    this.peers = options.members
      .filter((member) => member.id !== self)
      .map((member) => new Progress(member, nextIndex, now.monotonicMs, options.limits))
    for (const peer of this.peers) this.#byId.set(peer.id, peer)
    this.matchOf = (id) => (id === self ? writes.durableIndex : this.#of(id).matchIndex)
    this.readPositionOf = (id) => (id === self ? this.readPosition : this.#of(id).readPosition)
    this.heardFrom = (id) => id === self || this.isActive(this.#of(id), raft)
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
