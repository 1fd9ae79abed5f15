/**
 * Reads that must be linearizable: all that arrive in one turn share one ReadIndex round. A round that
 * finds no leader is asked again under a NEW id (a reused id let etcd serve stale reads, etcd #20418);
 * a confirmed one waits until its index is applied.
 */
import type { RefusalCode } from '../consensus/core.js'
import { type LogIndex, type Millis, type NodeId, type ReadId, readId } from '../consensus/types.js'
import type { NodeLimits } from './limits.js'

/** Called once: with null to serve the read now, with a code to refuse it. */
export type ReadCallback = (
  refusal: { readonly code: RefusalCode | 'DeadlineExceeded'; readonly leader: NodeId | null } | null,
) => void

interface Round {
  readonly lease: boolean
  readonly callbacks: ReadCallback[]
  readonly firstAskedMs: Millis
  askedMs: Millis
}

export class ReadQueue {
  readonly #limits: NodeLimits
  readonly #begin: (id: ReadId, lease: boolean) => void
  readonly #open = new Map<ReadId, Round>()
  readonly #confirmed: {
    readonly index: LogIndex
    readonly callbacks: readonly ReadCallback[]
    /** Given up then; infinite where the index is known to be committed. */
    readonly untilMs: Millis
  }[] = []
  #collecting: ReadCallback[] = []
  #collectingLease: ReadCallback[] = []
  #nextId: number
  #waiting = 0

  /** `firstId` differs at every start, so that an answer to an earlier life is never taken. */
  constructor(options: {
    readonly limits: NodeLimits
    readonly firstId: number
    readonly begin: (id: ReadId, lease: boolean) => void
  }) {
    this.#limits = options.limits
    this.#begin = options.begin
    this.#nextId = options.firstId
  }

  /** Reads that wait. */
  get size(): number {
    return this.#waiting
  }

  get isIdle(): boolean {
    return this.#waiting === 0
  }

  /** False when too many reads wait. With `lease` a leader that holds one need not ask. */
  add(callback: ReadCallback, lease: boolean): boolean {
    if (this.#waiting >= this.#limits.queriesWaitingMax) return false
    this.#waiting++
    const collecting = lease ? this.#collectingLease : this.#collecting
    collecting.push(callback)
    return true
  }

  /** For a read that a client placed itself: calls back once `index` is applied. False when too many reads wait. */
  addAfter(index: LogIndex, nowMs: Millis, callback: ReadCallback): boolean {
    if (this.#waiting >= this.#limits.queriesWaitingMax) return false
    this.#waiting++
    this.#confirmed.push({ index, callbacks: [callback], untilMs: nowMs + this.#limits.readTimeoutMs })
    return true
  }

  /** Once per turn: one round for everything that arrived, and one for what a lease is enough for. */
  beginRound(nowMs: Millis): void {
    const { length } = this.#collecting
    if (length > 0) this.#ask({ lease: false, callbacks: this.#collecting, firstAskedMs: nowMs, askedMs: nowMs })
    if (length > 0) this.#collecting = []
    const leased = this.#collectingLease
    if (leased.length > 0) this.#ask({ lease: true, callbacks: leased, firstAskedMs: nowMs, askedMs: nowMs })
    if (leased.length > 0) this.#collectingLease = []
  }

  ready(id: ReadId, index: LogIndex): void {
    const round = this.#open.get(id)
    if (round === undefined) return
    this.#open.delete(id)
    this.#confirmed.push({ index, callbacks: round.callbacks, untilMs: Number.POSITIVE_INFINITY })
  }

  refused(id: ReadId, code: RefusalCode, leader: NodeId | null): void {
    const round = this.#open.get(id)
    if (round === undefined) return
    // Without a leader the read waits for one: an election takes a fraction of its time-out.
    if (code === 'NoLeader' || code === 'LeadershipLost') return
    this.#open.delete(id)
    this.#finish(round.callbacks, { code, leader })
  }

  /** Serves every confirmed read whose index is applied. */
  serve(applied: LogIndex): void {
    let kept = 0
    for (const read of this.#confirmed) {
      if (read.index <= applied) this.#finish(read.callbacks, null)
      else this.#confirmed[kept++] = read
    }
    this.#confirmed.length = kept
  }

  /** Asks again for rounds that got no answer, and gives up on old ones. */
  retry(nowMs: Millis): void {
    const late = this.#confirmed.filter(({ untilMs }) => untilMs <= nowMs)
    for (const read of late) {
      this.#confirmed.splice(this.#confirmed.indexOf(read), 1)
      this.#finish(read.callbacks, { code: 'DeadlineExceeded', leader: null })
    }
    for (const [id, round] of [...this.#open]) {
      // The same sum as in `deadline`: a difference can round below it, and the loop would turn in vain.
      if (nowMs < round.askedMs + this.#limits.readRetryMs) continue
      this.#open.delete(id)
      if (nowMs - round.firstAskedMs >= this.#limits.readTimeoutMs) {
        this.#finish(round.callbacks, { code: 'NoLeader', leader: null })
      } else {
        round.askedMs = nowMs
        this.#ask(round)
      }
    }
  }

  /** When `retry` has something to do; undefined when nothing waits. */
  deadline(): Millis | undefined {
    let earliest: Millis | undefined
    for (const round of this.#open.values()) {
      const due = round.askedMs + this.#limits.readRetryMs
      if (earliest === undefined || due < earliest) earliest = due
    }
    for (const { untilMs } of this.#confirmed) {
      if (untilMs < (earliest ?? Number.POSITIVE_INFINITY)) earliest = untilMs
    }
    return earliest
  }

  #ask(round: Round): void {
    const id = readId(this.#nextId++)
    this.#open.set(id, round)
    this.#begin(id, round.lease)
  }

  #finish(callbacks: readonly ReadCallback[], refusal: Parameters<ReadCallback>[0]): void {
    this.#waiting -= callbacks.length
    for (const callback of callbacks) callback(refusal)
  }
}
