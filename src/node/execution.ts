/**
 * What runs behind commit: the state machine, apply, the write-behind of the applied state and the
 * digests over it. The loop says how far it may go; this file keeps the rhythm of generations: when one
 * ends, what it is counted for, and when it goes to disk. A snapshot replaces all of it at once.
 */
import type { Entry, Sha256 } from '../consensus/entry.js'
import type { LogIndex, Millis } from '../consensus/types.js'
import type { StateDigests } from '../workflow/digest.js'
import type { WorkflowMachine } from '../workflow/machine.js'
import { SYSTEM_FROM, SYSTEM_TO } from '../workflow/state-keys.js'
import { Applier } from './applier.js'
import { type DigestRecord, Digests } from './digests.js'
import type { NodeLimits } from './limits.js'
import type { Clock, LogStore, Scheduler, StatePair, StateStore } from './ports.js'

/** Makes the state machine that continues at an index; `system` are all pairs of the system spaces. */
export type MakeMachine = (appliedIndex: LogIndex, system: readonly StatePair[]) => WorkflowMachine

export interface ExecutionOptions {
  readonly log: LogStore
  readonly state: StateStore
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly sha256: Sha256
  readonly limits: NodeLimits
  readonly makeMachine: MakeMachine
  /** The core's memory of recent entries. */
  readonly cached: (index: LogIndex) => Entry | undefined
  readonly onBegin: (entry: Entry) => void
  readonly onRequest: (entry: Entry, ordinal: number, firstPosition: number, results: Uint8Array) => void
  readonly onApplied: (entry: Entry) => void
  /** A compared digest was computed. */
  readonly onDigest: (record: DigestRecord) => void
  /** There is more to do: take another turn. */
  readonly wake: () => void
  readonly onFailed: (error: unknown) => void
}

export class Execution {
  readonly #options: ExecutionOptions
  #machine: WorkflowMachine
  #applier: Applier
  #digests: Digests
  #restoring = false
  /** What the log follows is not on this disk: nothing is applied before a snapshot gave it. */
  #lacksState: boolean
  #flushedMs: Millis
  #lastAppliedMs: Millis

  constructor(options: ExecutionOptions, machine: WorkflowMachine) {
    const nowMs = options.clock.monotonicMs()
    this.#options = options
    this.#machine = machine
    this.#applier = this.#makeApplier(machine)
    this.#digests = new Digests(options, options.onDigest)
    this.#flushedMs = nowMs
    this.#lastAppliedMs = nowMs
    this.#lacksState = options.state.appliedIndex < options.log.firstIndex - 1
  }

  get machine(): WorkflowMachine {
    return this.#machine
  }

  get digests(): Digests {
    return this.#digests
  }

  get appliedIndex(): LogIndex {
    return this.#applier.appliedIndex
  }

  /** Between the first and the last operation of an entry, or while a snapshot is loaded, the state is at no index. */
  get isBetweenEntries(): boolean {
    return !this.isRestoring && !this.#applier.isInsideEntry
  }

  /** While a snapshot replaces the state, or has to, nothing can be read from it. */
  get isRestoring(): boolean {
    return this.#restoring || this.#lacksState
  }

  /** True while one can begin to. */
  get isReplaceable(): boolean {
    return !this.#restoring
  }

  /** Apply waits for the digests, which hold on to the changes until they have taken them. */
  get digestsLag(): boolean {
    return this.#digests.waitingBytes > this.#options.limits.digestBacklogBytesMax
  }

  start(): void {
    this.#rebuildDigests()
  }

  /** Applies up to `upTo` within the turn's budget. True when there is more to do at once. */
  advance(upTo: LogIndex, deadlineMs: Millis): boolean {
    if (this.isRestoring) return false
    // An entry that has begun is finished; the digests wake the loop as long as they have work.
    if (this.digestsLag && !this.#applier.isInsideEntry) return false
    const before = this.#applier.appliedIndex
    const more = this.#applier.advance(upTo, deadlineMs)
    if (this.#applier.appliedIndex > before) this.#lastAppliedMs = this.#options.clock.monotonicMs()
    return more
  }

  /** Lets the digests work. True when there is more to do. */
  digest(deadlineMs: Millis): boolean {
    return this.#digests.work(deadlineMs)
  }

  /** Ends the open generation: its changes reach the digest now and the disk with the next flush. */
  rotate(recordAt: LogIndex | null, tell: ((digests: StateDigests) => void) | null = null): void {
    this.#machine.checkpoint()
    const { state } = this.#options
    const { openBytes } = state
    this.#digests.add(state.rotate(this.#applier.appliedIndex), openBytes, recordAt, tell)
  }

  /** Ends the open generation for a snapshot. The walk over it flushes it, so the next regular flush counts from now. */
  rotateForSnapshot(tell: (digests: StateDigests) => void): void {
    this.rotate(null, tell)
    this.#flushedMs = this.#options.clock.monotonicMs()
  }

  /** Writes behind: when much is unwritten, now and then, and when the node has become idle. */
  writeBehind(nowMs: Millis): void {
    if (!this.isBetweenEntries) return
    const { limits, state } = this.#options
    const { openBytes, unflushedBytes } = state
    const due = openBytes + unflushedBytes > 0 && nowMs >= this.#flushedMs + limits.flushIntervalMs
    // The same sums as in `deadline`: a difference can round below them, and the loop would turn in vain.
    const idle = nowMs >= this.#lastAppliedMs + limits.idleMs
    const digestDue = idle && this.#lacksDigest()
    // What is frozen and not yet written says nothing about the open generation: cut at every turn of a
    // long write, it would end as a thousand small ones, and each read looks through all of them.
    if (digestDue || due || openBytes >= limits.generationBytesMax) {
      this.rotate(digestDue ? this.#applier.appliedIndex : null)
      this.#flushedMs = nowMs
    } else if (openBytes + unflushedBytes < limits.generationBytesMax) return
    state.flush()
  }

  /** When `writeBehind` has something to do; undefined when nothing waits. */
  deadline(): Millis | undefined {
    if (this.isRestoring) return undefined
    const { limits, state } = this.#options
    if (this.#lacksDigest()) return this.#lastAppliedMs + limits.idleMs
    if (state.openBytes + state.unflushedBytes === 0) return undefined
    return this.#flushedMs + limits.flushIntervalMs
  }

  /** Replaces the state by that of a snapshot at `index` and continues behind it. */
  async restore(index: LogIndex, pairs: AsyncIterable<StatePair>): Promise<void> {
    const { state, makeMachine, wake } = this.#options
    this.#restoring = true
    this.#lacksState = false
    await state.replace(index, pairs)
    this.#machine = makeMachine(index, await state.range(SYSTEM_FROM, SYSTEM_TO))
    this.#applier = this.#makeApplier(this.#machine)
    this.#digests = new Digests(this.#options, this.#options.onDigest)
    this.#lastAppliedMs = this.#options.clock.monotonicMs()
    this.#restoring = false
    this.#rebuildDigests()
    wake()
  }

  /** The last generation goes to disk, unless the state is at no index: then the log gives it again. */
  async close(): Promise<void> {
    const { state } = this.#options
    if (this.isBetweenEntries) {
      this.#machine.checkpoint()
      state.rotate(this.#applier.appliedIndex)
    }
    await state.close()
  }

  #lacksDigest(): boolean {
    return this.#digests.isIdle && this.#digests.latest?.index !== this.#applier.appliedIndex
  }

  #rebuildDigests(): void {
    const { state, scheduler, wake, onFailed } = this.#options
    const pause = () => new Promise<void>((resolve) => scheduler.nextTurn(resolve))
    this.#digests.rebuild(state, pause).then(wake, onFailed)
  }

  #makeApplier(machine: WorkflowMachine): Applier {
    const { log, state, clock, limits, cached, onBegin, onRequest, onApplied, wake, onFailed } = this.#options
    return new Applier({ machine, log, state, clock, limits, cached, onBegin, onRequest, onApplied, wake, onFailed })
  }
}
