/**
 * When a snapshot is taken, what leaves the log after it, and which files are kept. A snapshot is due
 * after so many entries, operations or bytes of log (docs/limits.md), whichever comes first, but not
 * while the log since the last is small against the snapshot itself: a large state would be written over
 * and over. Trailing entries stay for followers that are only a little behind, and so does what a peer
 * is fetching.
 */

import { bytesEqual } from '../base/bytes.js'
import type { Core } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import type { LogBase, SnapshotOffer } from '../consensus/snapshot.js'
import { type LogIndex, logIndex } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { StateDigests } from '../workflow/digest.js'
import type { Checkpoints, StableCheckpoint } from './checkpoints.js'
import type { Execution } from './execution.js'
import type { NodeLimits } from './limits.js'
import type { Logger, LogStore, SnapshotInfo, SnapshotStore, StateStore } from './ports.js'

export interface SnapshotKeeperOptions {
  readonly core: Core
  readonly execution: Execution
  readonly log: LogStore
  readonly state: StateStore
  readonly snapshots: SnapshotStore
  readonly clusterId: Uint8Array
  readonly limits: NodeLimits
  /** Where replicas sign their state: snapshots that fall due are taken there; null in plain Raft. */
  readonly checkpoints: Checkpoints | null
  readonly logger: Logger
  readonly observer: Observer
  /** Tells the core, in a turn of the loop. */
  readonly onTaken: (snapshot: SnapshotOffer, compactTo: Omit<LogBase, 'membership'> | null) => void
  readonly onFailed: (error: unknown) => void
}

/** A snapshot is written once the log since the last has this share (one in so many) of its size: at most so many bytes are written for one of log. */
export const LOG_SHARE = 2

export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions
  /** Index of the last snapshot that was begun. */
  #lastIndex: number
  /** Counter of the machine at the last snapshot. */
  #operationsBefore = 0
  /** Of the log since then. */
  #bytes = 0
  /** The newest entry applied in this run, or since a snapshot replaced the state. */
  #last: Omit<LogBase, 'membership'> | null = null
  #taking: Promise<SnapshotInfo | null> | null = null
  #compactAll = false
  /** An operator wants the log shortened: a snapshot is due at the next checkpoint. */
  #isWanted = false
  /** Damage cut the log before the snapshot that covers its beginning: until there is another, who is behind gets none from here. */
  #isUncovered: boolean

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options
    const { base, snapshot } = options.log.restored
    this.#isUncovered = base.index > (snapshot?.base.index ?? 0)
    this.#lastIndex = options.snapshots.list().at(-1)?.base.index ?? 0
  }

  get isTaking(): boolean {
    return this.#taking !== null
  }

  noteApplied(entry: Entry): void {
    this.#last = entry
    this.#bytes += entry.header.length + entry.body.length
  }

  /**
   * Where apply has to stop so that a snapshot can be taken there: at the multiples of so many entries,
   * which are the same on all nodes, so that they hold the same files and one can serve for another.
   */
  get stop(): LogIndex {
    const { execution, limits, checkpoints } = this.#options
    if (this.#taking !== null) return logIndex(Number.MAX_SAFE_INTEGER)
    if (checkpoints !== null && this.#isDue()) return checkpoints.next(execution.appliedIndex)
    return logIndex(nextMultiple(execution.appliedIndex, limits.snapshotEntries))
  }

  /** Begins a snapshot where one is due. Called between turns of apply. */
  takeIfDue(): void {
    const { execution, checkpoints } = this.#options
    if (!this.#isDue() || checkpoints?.isDue(execution.appliedIndex) === false) return
    if (this.#mayTake()) this.#begin()
  }

  /** A quorum signed the state at this index: a snapshot of it can convince others. */
  noteCheckpoint({ index, certificate }: StableCheckpoint): void {
    const { snapshots, onFailed } = this.#options
    const snapshot = snapshots.list().find(({ base }) => base.index === index)
    if (snapshot === undefined || snapshot.certificate !== null) return
    snapshots.attach(snapshot.id, certificate).catch(onFailed)
  }

  #isDue(): boolean {
    const { execution, limits, snapshots } = this.#options
    const operations = execution.machine.operationsApplied - this.#operationsBefore
    if (this.#isWanted || this.#isUncovered) return true
    const due =
      execution.appliedIndex >= nextMultiple(this.#lastIndex, limits.snapshotEntries) ||
      operations >= limits.snapshotOperations ||
      this.#bytes >= limits.snapshotLogBytes
    return due && this.#bytes * LOG_SHARE >= (snapshots.list().at(-1)?.bytes ?? 0)
  }

  /** A snapshot replaced the state. */
  noteRestored(): void {
    this.#last = null
    this.#isUncovered = false
    this.#lastIndex = this.#options.execution.appliedIndex
    this.#bytes = 0
    this.#operationsBefore = this.#options.execution.machine.operationsApplied
  }

  /**
   * Takes a snapshot now, or gives the one under way, or the newest where nothing was applied since.
   * With `compactAll` no trailing entries are kept. Null where the state is at no index right now.
   */
  async take(compactAll: boolean): Promise<SnapshotInfo | null> {
    const { snapshots, execution } = this.#options
    this.#compactAll ||= compactAll
    if (this.#taking === null) {
      const newest = snapshots.list().at(-1)
      if (newest !== undefined && newest.base.index === execution.appliedIndex) {
        await this.#finish(newest)
        return newest
      }
      if (!this.#mayTake()) return null
      this.#begin()
    }
    return this.#taking
  }

  /**
   * Shortens the log as far as can be. Where replicas sign their states, it can begin only behind a snapshot that
   * a quorum signed: where none is newer than its beginning, the index of the checkpoint at which there will be one.
   */
  async compact(): Promise<SnapshotInfo | { readonly compactsAt: LogIndex } | null> {
    const { checkpoints, snapshots, execution, core } = this.#options
    if (checkpoints === null || checkpoints.isDue(execution.appliedIndex)) return this.take(true)
    this.#compactAll = true
    const signed = snapshots.list().findLast(({ certificate }) => certificate !== null)
    if (signed !== undefined && signed.base.index >= core.status().firstIndex) {
      await this.#finish(signed)
      return signed
    }
    this.#isWanted = true
    return { compactsAt: checkpoints.next(execution.appliedIndex) }
  }

  /** Frees what can be freed without writing a snapshot: the log behind the newest one, and older ones. */
  async shrink(): Promise<void> {
    const { checkpoints, snapshots } = this.#options
    const usable = snapshots.list().filter(({ certificate }) => checkpoints === null || certificate !== null)
    const newest = usable.at(-1)
    if (newest === undefined || this.#taking !== null) return
    this.#compactAll = true
    await this.#finish(newest)
    await this.#retain(1)
  }

  #mayTake(): boolean {
    const { execution, core } = this.#options
    if (this.#taking !== null || !execution.isBetweenEntries || execution.appliedIndex === 0) return false
    return core.status().commitIndex >= execution.appliedIndex
  }

  #begin(): void {
    this.#taking = this.#take()
      .catch((error: unknown) => {
        this.#options.onFailed(error)
        return null
      })
      .finally(() => {
        this.#taking = null
      })
  }

  async #take(): Promise<SnapshotInfo | null> {
    const { core, execution, log, state, snapshots, clusterId, logger, observer } = this.#options
    // Nothing was applied since the start: the position is read from the log.
    const restored = this.#last === null ? (await log.read(execution.appliedIndex, 1))[0] : undefined
    const last = this.#last ?? restored
    // Without its entry the index is the base of the log, and that snapshot exists already.
    if (last === undefined || last.index !== execution.appliedIndex) return snapshots.list().at(-1) ?? null
    if (!execution.isBetweenEntries) return null
    this.#lastIndex = last.index
    if (this.#options.checkpoints?.isDue(last.index) === true) this.#isWanted = false
    this.#operationsBefore = execution.machine.operationsApplied
    this.#bytes = 0
    const newest = snapshots.list().at(-1)
    if (newest?.base.index === last.index) {
      await this.#finish(newest)
      return newest
    }
    observer.snapshotBegun(last.index)
    const record = core.membershipAt(last.index)
    const base = { ...positionOf(last), membership: record.index === 0 ? null : record }
    const digests = new Promise<StateDigests>((resolve) => execution.rotateForSnapshot(resolve))
    const pairs = await state.walk(last.index)
    const taken = await snapshots.create({ base, clusterId }, pairs, () => digests)
    observer.snapshotTaken(last.index, taken.bytes)
    logger.log('info', 'snapshot taken', { index: last.index, bytes: taken.bytes })
    await this.#finish(taken)
    return taken
  }

  /** Tells the core how far the log can go, and lets go of files that nobody needs. */
  async #finish(taken: SnapshotInfo): Promise<void> {
    const { log, limits, core, onTaken, checkpoints } = this.#options
    // What no quorum signs is for whoever asked for it: it can help no other member, so no log rests on it.
    if (checkpoints?.isDue(taken.base.index) === false) return this.#retain()
    // After damage a snapshot can be ahead of what the core knows to be committed: no log rests on it before that.
    if (core.status().commitIndex < taken.base.index) return this.#retain()
    const { trailingEntries, trailingBytes } = limits
    const trailing = this.#compactAll ? 0 : log.countBack(taken.base.index, trailingEntries, trailingBytes)
    this.#compactAll = false
    const pinned = this.#offered().map((offer) => offer.base.index as number)
    const target = logIndex(Math.max(0, Math.min(taken.base.index - trailing, ...pinned)))
    const compactTo = target > core.status().firstIndex - 1 ? await this.#position(target, log) : null
    onTaken(taken, compactTo)
    this.#isUncovered = false
    const stable = checkpoints?.at(taken.base.index)
    if (stable !== undefined) this.noteCheckpoint(stable)
    await this.#retain()
  }

  /** Besides the newest ones: what peers are fetching, and the newest that others believe. */
  async #retain(newestKept = this.#options.limits.snapshotsKept): Promise<void> {
    const { snapshots } = this.#options
    const offered = this.#offered()
    const all = snapshots.list()
    const kept = [...all.slice(-newestKept), all.findLast(({ certificate }) => certificate !== null)]
    await snapshots.retain((info) => kept.includes(info) || offered.some((offer) => bytesEqual(offer.id, info.id)))
  }

  async #position(index: LogIndex, log: LogStore): Promise<Omit<LogBase, 'membership'> | null> {
    const entry = this.#options.core.entry(index) ?? (await log.read(index, 1))[0]
    return entry === undefined || entry.index !== index ? null : positionOf(entry)
  }

  /** What peers that are heard are fetching from this leader. */
  #offered(): SnapshotOffer[] {
    const { peers } = this.#options.core.status()
    return peers.flatMap(({ offered, active }) => (active && offered !== null ? [offered] : []))
  }
}

function nextMultiple(index: number, of: number): number {
  return (Math.floor(index / of) + 1) * of
}

function positionOf({
  index,
  epoch,
  term,
  chain,
  timestampMs,
}: Omit<LogBase, 'membership'>): Omit<LogBase, 'membership'> {
  return { index, epoch, term, chain: chain.slice(), timestampMs }
}
