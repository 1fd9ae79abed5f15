/**
 * Looks at the disk now and then, beside the loop, so that a node stops before the disk does: a full one accepts no
 * proposals and lets another lead, while elections, reads, replication and compaction go on. Near the limit it makes
 * room by itself, and with room it goes on by itself. Between two looks the growth of the log is counted, which costs
 * nothing; nothing is measured for a proposal.
 */
import type { Core, Input } from '../consensus/core.js'
import type { Millis } from '../consensus/types.js'
import { DiskQuota, reserveBytes } from '../storage/disk-quota.js'
import type { NodeLimits } from './limits.js'
import type { Clock, DiskFacts, DiskGauge, DiskUsage, Logger, LogStore, Scheduler, SnapshotStore } from './ports.js'
import { LOG_SHARE, type SnapshotKeeper } from './snapshot-keeper.js'

export interface DiskWatchOptions {
  /** Null where the disk has no limits. */
  readonly disk: DiskGauge | null
  readonly limits: NodeLimits
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly logger: Logger
  readonly log: Pick<LogStore, 'bytesOnDisk'>
  readonly snapshots: Pick<SnapshotStore, 'list'>
  readonly keeper: Pick<SnapshotKeeper, 'compact' | 'shrink'>
  readonly core: Pick<Core, 'status'>
  /** An input that comes from outside of a turn. */
  readonly input: (input: Input) => void
  readonly onFailed: (error: unknown) => void
}

/** Looks in a row that found room before the ballast is made: not at every short start, nor while room comes and goes. */
const CALM_LOOKS = 10
/** Orders of operators are numbered from 1 on: nobody waits for this one. */
const OWN_ORDER = 0

export class DiskWatch {
  readonly #options: DiskWatchOptions
  readonly #quota: DiskQuota | null
  #usage: DiskUsage | null = null
  /** Of the log, when the disk was measured … */
  #logBytes = 0
  /** … and how much it may grow until a limit is reached. */
  #roomBytes = Number.POSITIVE_INFINITY
  #isBlind = false
  #calmLooks = 0
  #madeRoomMs: Millis = Number.NEGATIVE_INFINITY
  /** Once for each time that the disk is full: where all are, leadership would go round and round. */
  #hasHandedOver = false
  #cancel: (() => void) | null = null
  #stopped = false

  constructor(options: DiskWatchOptions) {
    this.#options = options
    this.#quota = options.disk === null ? null : new DiskQuota(options.disk.settings)
  }

  /** No proposals are accepted. */
  get isFull(): boolean {
    return this.#quota !== null && (this.#quota.standing === 'full' || this.#growth >= this.#roomBytes)
  }

  /** As of the last look; null before the first, and where the disk has no limits. */
  get facts(): DiskFacts | null {
    const { disk } = this.#options
    if (disk === null || this.#usage === null) return null
    const { usedBytes, freeBytes, totalBytes } = this.#usage
    return {
      usedBytes,
      quotaBytes: disk.settings.quotaBytes,
      freeBytes,
      reserveBytes: reserveBytes(disk.settings, totalBytes),
      ballastBytes: disk.ballastBytes,
      isFull: this.isFull,
    }
  }

  start(): void {
    if (this.#options.disk !== null) void this.#look(this.#options.disk)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  get #growth(): number {
    return this.#options.log.bytesOnDisk - this.#logBytes
  }

  async #look(disk: DiskGauge): Promise<void> {
    try {
      const logBytes = this.#options.log.bytesOnDisk
      const usage = await disk.measure()
      if (this.#stopped) return
      this.#logBytes = logBytes
      this.#note(disk, usage)
      this.#calmLooks = this.#quota?.standing === 'roomy' ? this.#calmLooks + 1 : 0
      if (this.#calmLooks >= CALM_LOOKS) await disk.keepBallast()
      this.#isBlind = false
    } catch (error) {
      this.#cannotSee(error)
    }
    if (this.#stopped) return
    const { scheduler, limits } = this.#options
    this.#cancel = scheduler.after(limits.diskLookMs, () => void this.#look(disk))
  }

  #note(disk: DiskGauge, usage: DiskUsage): void {
    const quota = this.#quota as DiskQuota
    const wasFull = quota.standing === 'full'
    this.#usage = usage
    this.#roomBytes = quota.roomBytes(usage)
    const standing = quota.note(usage)
    if (standing !== 'roomy') this.#makeRoom(usage)
    if (standing === 'full') this.#handOver()
    else this.#hasHandedOver = false
    if (wasFull === (standing === 'full')) return
    const numbers = { usedBytes: usage.usedBytes, freeBytes: usage.freeBytes, quotaBytes: disk.settings.quotaBytes }
    const { logger } = this.#options
    if (standing === 'full') logger.log('warn', 'the disk is full: no proposals are accepted', numbers)
    else logger.log('info', 'the disk has room again: proposals are accepted', numbers)
  }

  /**
   * A snapshot takes room before it gives some: where there may be too little, or the log is small against it, only
   * what is superfluous goes.
   */
  #makeRoom({ freeBytes }: DiskUsage): void {
    const { clock, limits, snapshots, log, keeper, onFailed } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#madeRoomMs < limits.makeRoomAgainMs) return
    this.#madeRoomMs = nowMs
    const newestBytes = snapshots.list().at(-1)?.bytes ?? 0
    // The state is what the newest snapshot holds, and at most what the log added to it.
    const mayFit = freeBytes > newestBytes + log.bytesOnDisk
    const isWorthwhile = log.bytesOnDisk * LOG_SHARE >= newestBytes
    const compacted = mayFit && isWorthwhile ? keeper.compact() : Promise.resolve(null)
    compacted.then(() => (this.#stopped ? undefined : keeper.shrink())).catch(onFailed)
  }

  /** Who has room can go on where this node cannot. In HotStuff leadership goes round anyway. */
  #handOver(): void {
    const { core, input } = this.#options
    const { mode, role } = core.status()
    if (mode === 'hotstuff' || role !== 'leader' || this.#hasHandedOver) return
    this.#hasHandedOver = true
    input({ type: 'order', orderId: OWN_ORDER, order: { kind: 'transferLeadership', target: null } })
  }

  /** Not to know is no reason to stop; a disk that is broken shows in the next write. */
  #cannotSee(error: unknown): void {
    if (this.#isBlind || this.#stopped) return
    this.#isBlind = true
    const reason = error instanceof Error ? error.message : String(error)
    this.#options.logger.log('warn', 'the disk could not be measured', { reason })
  }
}
