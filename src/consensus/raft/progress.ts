/**
 * What a leader knows of one peer and how fast it may send to it (thesis, 10.2.1; the flow states are
 * those of etcd-io/raft): Probe, one message per heartbeat until the logs meet; Replicate, optimistic
 * and windowed; Snapshot, nothing until the peer has installed one.
 */
import { assert } from '../../base/assert.js'
import type { SnapshotOffer } from '../snapshot.js'
import type { LogIndex, Millis, NodeId } from '../types.js'
import type { RaftLimits } from './config.js'
import { DigestBook } from './digest-book.js'

interface InFlight {
  readonly lastIndex: LogIndex
  readonly bytes: number
}

export class Progress {
  readonly id: NodeId
  readonly #limits: RaftLimits
  /** Everything up to here is durable on the peer, by its own word in this term. */
  matchIndex = 0 as LogIndex
  /** The highest `matchIndex` that it ever had in this term: where a peer's log ends below, it lost something. */
  acknowledgedIndex = 0 as LogIndex
  nextIndex: LogIndex
  flow: 'probe' | 'replicate' | 'snapshot' = 'probe'
  /** In Probe: the one message is on its way. A heartbeat reply allows the next. */
  probeSent = false
  lastContactMs: Millis
  /** Highest read position that the peer has confirmed. */
  readPosition = 0
  /** Highest commit index that was sent to the peer. */
  sentCommit = 0 as LogIndex
  /** Digests of the peer's state, by its own word. */
  readonly digests = new DigestBook()
  /** The newest index at which its digest was seen to be that of a majority; 0 for none. */
  digestsAgreed = 0 as LogIndex
  /** In Snapshot: what the peer is fetching. */
  offered: SnapshotOffer | null = null
  /** Of a removed member: until when it is still sent the entry that removes it, and which that is. */
  departing: { readonly index: LogIndex; readonly untilMs: Millis } | null = null
  /**
   * A refusal has made the flow start over since the last heartbeat reply. What was in flight then is still
   * answered, and a link that reorders mixes refusals with acknowledgements: if each of these pairs sent a
   * window again, messages would multiply.
   */
  #hasStartedOver = false
  #inFlight: InFlight[] = []
  #inFlightHead = 0
  #inFlightBytes = 0

  constructor(id: NodeId, nextIndex: LogIndex, lastContactMs: Millis, limits: RaftLimits) {
    this.id = id
    this.nextIndex = nextIndex
    this.lastContactMs = lastContactMs
    this.#limits = limits
  }

  get inFlightMessages(): number {
    return this.#inFlight.length - this.#inFlightHead
  }

  get windowFull(): boolean {
    const { windowMessagesMax, windowBytesMax } = this.#limits
    return this.inFlightMessages >= windowMessagesMax || this.#inFlightBytes >= windowBytesMax
  }

  /** May entries be sent now? */
  get maySend(): boolean {
    if (this.flow === 'probe') return !this.probeSent
    return this.flow === 'replicate' && !this.windowFull
  }

  /** Notes an append that carries entries up to `lastIndex`. */
  sent(lastIndex: LogIndex, bytes: number): void {
    assert(this.flow !== 'snapshot', 'nothing is sent to a peer that waits for a snapshot')
    if (this.flow === 'probe') {
      this.probeSent = true
      return
    }
    this.#inFlight.push({ lastIndex, bytes })
    this.#inFlightBytes += bytes
    this.nextIndex = (lastIndex + 1) as LogIndex
  }

  /** The peer acknowledged up to `index`. True when that is news, or ends probing. */
  acknowledged(index: LogIndex): boolean {
    this.#free(index)
    const news = index > this.matchIndex
    if (news) this.#match(index)
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1) as LogIndex
    if (this.flow !== 'probe' || index < this.matchIndex) return news
    this.flow = 'replicate'
    this.nextIndex = (this.matchIndex + 1) as LogIndex
    return true
  }

  /** It answered a heartbeat: one more append may ask where the logs meet, and one refusal may start the flow over. */
  heartbeatAnswered(): void {
    this.probeSent = false
    this.#hasStartedOver = false
  }

  /**
   * The peer refused an append after `prevIndex`; its log may meet ours at `meetIndex`. False when the
   * refusal is old, or may be: it answers something that was sent before the last one was handled.
   */
  refused(prevIndex: LogIndex, meetIndex: LogIndex): boolean {
    if (this.flow === 'snapshot') return false
    const meet = Math.max(0, Math.min(prevIndex - 1, meetIndex)) as LogIndex
    const wasHeld = prevIndex <= this.matchIndex
    // It acknowledged this and does not hold it any more (a lost disk tail), or the answer is late: looking
    // anew costs little, and believing in what is gone could commit it.
    if (wasHeld) this.matchIndex = meet
    else if (this.flow === 'probe' && prevIndex !== this.nextIndex - 1) return false
    if (wasHeld || this.flow === 'replicate') {
      if (this.#hasStartedOver) return false
      this.#hasStartedOver = true
    }
    this.becomeProbe(Math.max(this.matchIndex, meet) as LogIndex)
    return true
  }

  /** Probes whether the logs agree at `prevIndex`. */
  becomeProbe(prevIndex: LogIndex): void {
    assert(prevIndex >= this.matchIndex, 'a probe never goes below the match')
    this.flow = 'probe'
    this.probeSent = false
    this.nextIndex = (prevIndex + 1) as LogIndex
    this.#clear()
  }

  becomeSnapshot(offered: SnapshotOffer): void {
    this.flow = 'snapshot'
    this.offered = offered
    this.#clear()
  }

  /** The peer's log begins at, or holds, what was offered. */
  installed(index: LogIndex): void {
    assert(this.flow === 'snapshot', 'only a peer that waits for a snapshot gets one')
    this.#match(Math.max(this.matchIndex, index) as LogIndex)
    this.offered = null
    this.becomeProbe(this.matchIndex)
  }

  #match(index: LogIndex): void {
    this.matchIndex = index
    if (index > this.acknowledgedIndex) this.acknowledgedIndex = index
  }

  #free(upTo: LogIndex): void {
    for (;;) {
      const oldest = this.#inFlight[this.#inFlightHead]
      if (oldest === undefined || oldest.lastIndex > upTo) break
      this.#inFlightBytes -= oldest.bytes
      this.#inFlightHead++
    }
    if (this.#inFlightHead === this.#inFlight.length) {
      if (this.#inFlightHead > 0) this.#clear()
    } else if (this.#inFlightHead >= this.#limits.windowMessagesMax) {
      this.#inFlight = this.#inFlight.slice(this.#inFlightHead)
      this.#inFlightHead = 0
    }
  }

  #clear(): void {
    this.#inFlight.length = 0
    this.#inFlightHead = 0
    this.#inFlightBytes = 0
  }
}
