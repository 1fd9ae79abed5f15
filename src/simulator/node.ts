/**
 * One member of a simulated cluster: the production node over simulated time, network, files and
 * database. A crash ends its run at once; what its disk and database keep is theirs to decide.
 */
import { assert } from '../base/assert.js'
import type { ClusterConfiguration, MemberConfiguration } from '../consensus/configuration.js'
import type { Core, Effect, Input, RestoredLog } from '../consensus/core.js'
import type { Sha256 } from '../consensus/entry.js'
import type { NodeId } from '../consensus/types.js'
import { type ComposedNode, composeNode } from '../node/compose.js'
import type { NodeLimits } from '../node/limits.js'
import type { CoreLimits } from '../node/make-core.js'
import type { DiskGauge, Logger, Scheduler, SignatureVerifier, SnapshotInfo, SnapshotStore } from '../node/ports.js'
import { openEvidenceStore } from '../storage/evidence-store.js'
import type { FileSystem } from '../storage/files.js'
import { type CrashLosses, MemoryFiles } from '../storage/memory-files.js'
import { openStores } from '../storage/node-storage.js'
import { createLog } from '../storage/open-log.js'
import { VolatileSource } from '../storage/volatile-database.js'
import { SimulatedListener } from './clients.js'
import { SimulatedDisk } from './disk.js'
import { DurableModel } from './durable-model.js'
import type { EventQueue } from './event-queue.js'
import { Failpoints } from './failpoints.js'
import { LogTail } from './log-tail.js'
import { openMemoryLevel } from './memory-level.js'
import type { SimulatedNetwork } from './network.js'
import { watchLog, watchState } from './ports-watch.js'
import { SeededRandom } from './random.js'
import { type SignatureScheme, verifierOf } from './signatures.js'
import { SpoiltSnapshots } from './spoilt-snapshots.js'
import type { Trace } from './trace.js'
import { InvariantViolation } from './violation.js'
import { WatchedFiles } from './watched-files.js'

export const LOG_DIRECTORY = '/log'
const EVIDENCE_DIRECTORY = '/evidence'
const EPOCH_DIRECTORY = '/epochs'
const SNAPSHOT_DIRECTORY = '/snapshots'
const START_OF_TIME_MS = 1_750_000_000_000
/** More than any rounding: a timer never comes before its time on a clock of another speed. */
const ROUNDING_MS = 1e-6
const NOTHING_LOST: CrashLosses = { lostWrites: 0, tornWrites: 0, lostEntries: 0 }

export interface SimulatedNodeOptions {
  readonly id: NodeId
  readonly configuration: ClusterConfiguration
  readonly seed: number
  /** Seconds of its own clock per second. */
  readonly clockSpeed: number
  readonly limits: Partial<NodeLimits>
  readonly coreLimits: CoreLimits
  readonly logger: Logger
  /** Small, so that the log changes segments within a run. */
  readonly segmentBytesMax: number
  /** How long the check of a signature takes at most; 0 for no time. */
  readonly verifyMaxMs: number
  /** Null for a disk without limits. */
  readonly diskOf: DiskOf | null
}

/** What measures the disk of a node, whose files are below the root. */
export type DiskOf = (files: FileSystem, node: NodeId) => DiskGauge

/** Who looks at what goes on inside nodes; whatever is thrown is kept for who looks next. */
export interface NodeWatch {
  /** Something was signed with this node's key. */
  signed(node: NodeId, bytes: Uint8Array, signature: Uint8Array): void
  /** Its core has taken a step. */
  stepped(node: SimulatedNode, core: Core, input: Input, effects: readonly Effect[]): void
}

export interface SimulatedWorld {
  readonly queue: EventQueue
  readonly network: SimulatedNetwork
  readonly sha256: Sha256
  readonly signatures: SignatureScheme
  /** Null where nobody looks. */
  readonly trace: Trace | null
  /** Null where nobody looks. */
  readonly watch: () => NodeWatch | null
}

export class SimulatedNode {
  readonly id: NodeId
  readonly files: MemoryFiles
  readonly disk: SimulatedDisk
  /** Added to this node's time of day. */
  clockOffsetMs = 0
  /** Counts turns and timers: what is equal to last time has not moved since. */
  activity = 0
  /** Steps at which the node can be ended. */
  readonly failpoints = new Failpoints()
  /** What is on its disk for certain. */
  readonly durable: DurableModel
  readonly watchedFiles: WatchedFiles
  /** The disk holds something else than what was written: the node may find that out, and say so. */
  isDamaged = false
  /** It was started since, and found that out. */
  knowsDamage = false
  /** Of the log that it finds at its next start the acknowledged end is missing, and nothing on the disk shows it. */
  hasLostTail = false
  /** Votes may be gone with it: a replica of a Byzantine protocol may then say another thing in their place, and not know it. */
  mayContradictItself = false
  /** It was told of that, and has it on its disk: no restart makes it forget. */
  remembersLoss = false
  /** It is whole again, and the mark that says so is not certain to be on the disk: a crash may bring the damage back. */
  isMarkingRepair = false
  /** The mark is on the disk. A replica of PBFT is silent after it until its epoch ends. */
  saysRepaired = false
  /** The segment that holds something else than what was written; null where nothing but the end of the log is lost. */
  damagedFile: string | null = null
  /** Where the log ended when its end was lost. */
  damagedIndex = 0
  /** A bit of its applied state turned; at this index it had not yet. Null while its state is sound. */
  astraySince: number | null = null
  /** Its snapshots that may hold a turned bit, although its state is sound again. */
  readonly #spoilt = new SpoiltSnapshots()
  /** It was found astray: its state, and every snapshot that may hold the same, are thrown away. */
  isRebuilding = false
  /** Asked at every put of the state: whether the value is to be turned. */
  rotsPut: ((key: string) => boolean) | null = null
  /** Appends at the end of its log that can go as if they had never been. */
  readonly tail = new LogTail()
  /** What leaves in place of an answer to a client; null for nothing. */
  answerOf: (type: number, payload: Uint8Array) => Uint8Array | null = (_type, payload) => payload
  /** Everything on its disk is gone: it must not come back. */
  isWiped = false
  /** A promise that was broken inside the node, for who looks next; null while there is none. */
  broken: InvariantViolation | null = null
  readonly #options: SimulatedNodeOptions
  readonly #world: SimulatedWorld
  readonly #random: SeededRandom
  readonly #database = new VolatileSource(openMemoryLevel)
  readonly #incarnation: Uint8Array
  #formatted = false
  /** Counts runs: what an earlier run scheduled does nothing any more. */
  #run = 0
  #node: ComposedNode | null = null
  #listener: SimulatedListener | null = null
  #snapshots: SnapshotStore | null = null
  #starting = false
  #pausedUntilMs = 0
  /** Why the node stopped by itself; null while it did not. */
  fatal: unknown = null

  constructor(options: SimulatedNodeOptions, world: SimulatedWorld) {
    this.id = options.id
    this.#options = options
    this.#world = world
    this.#random = new SeededRandom(
      options.seed,
      1 + options.configuration.members.findIndex((m) => m.id === options.id),
    )
    this.#incarnation = new Uint8Array(16).map(() => this.#random.between(0, 255))
    this.disk = new SimulatedDisk(world.queue, this.#random)
    this.files = new MemoryFiles({ random: this.#random.next, fault: this.disk.fault })
    this.watchedFiles = new WatchedFiles(this.files, this.failpoints, SNAPSHOT_DIRECTORY)
    this.durable = new DurableModel(options.id)
  }

  get running(): ComposedNode | null {
    return this.#node
  }

  /** Neither running nor about to. */
  get isDown(): boolean {
    return this.#node === null && !this.#starting
  }

  /** Which life of the node this is; grows with every start and every end. */
  get run(): number {
    return this.#run
  }

  /** Where clients connect; null while the node is down. */
  get listener(): SimulatedListener | null {
    return this.#listener
  }

  /** The process stands still for so long, as under SIGSTOP: what arrives and falls due meanwhile waits. */
  pause(durationMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#world.queue.nowMs + durationMs)
    this.#world.trace?.emit('pause', this.id, { forMs: durationMs })
  }

  /** Rejects when the node cannot start; where a crash came in between, nothing is running afterwards. */
  async start(): Promise<void> {
    assert(this.isDown, 'a node is started once at a time')
    this.#starting = true
    const run = ++this.#run
    try {
      await this.#start(run)
    } catch (error) {
      // A crash meanwhile closed what was being opened.
      if (run === this.#run) throw error
    } finally {
      if (run === this.#run) this.#starting = false
    }
  }

  async #start(run: number): Promise<void> {
    const { configuration, limits, coreLimits, logger, id, clockSpeed } = this.#options
    const { queue, network, sha256, signatures } = this.#world
    this.fatal = null
    const guard = this.#guard(run)
    const { publicKey } = configuration.members.find((member) => member.id === id) as MemberConfiguration
    const sign = this.#watchedSigner(signatures.signerOf(publicKey))
    const scheduler: Scheduler = {
      nextTurn: (callback) => void queue.after(0, () => guard(callback)),
      after: (delayMs, callback) => queue.after(this.#trueMs(delayMs), () => guard(callback)),
    }
    const identity = { clusterId: configuration.clusterId, nodeId: id, incarnation: this.#incarnation }
    if (!this.#formatted) {
      await this.files.mkdir(LOG_DIRECTORY)
      await createLog(this.files, LOG_DIRECTORY, identity)
      this.#formatted = true
    }
    this.#world.trace?.emit('start', this.id)
    const fail = (error: unknown) => this.#fail(run, error)
    const { log, state, snapshots, loaded } = await openStores({
      files: this.watchedFiles,
      identity,
      logDirectory: LOG_DIRECTORY,
      snapshotDirectory: SNAPSHOT_DIRECTORY,
      source: this.#database,
      nextTurn: scheduler.nextTurn,
      onFailed: fail,
      onFlushed: () => this.#node?.loop.wake(),
      segmentBytesMax: this.#options.segmentBytesMax,
    })
    if (run !== this.#run) return
    const evidence = await openEvidenceStore(this.watchedFiles, EVIDENCE_DIRECTORY)
    // Plain Raft stays in its first epoch: nothing is ever kept.
    const isRaft = configuration.protocol === 'raft'
    const epochs = isRaft ? evidence : await openEvidenceStore(this.watchedFiles, EPOCH_DIRECTORY)
    if (run !== this.#run) return
    this.#snapshots = snapshots
    // The turned bit is back.
    if (loaded !== null && this.#spoilt.has(loaded.id)) this.astraySince ??= loaded.base.index - 1
    const hasLeft = this.damagedFile !== null && (await this.files.stat(this.damagedFile)) === null
    if (run !== this.#run) return
    this.#check(() => this.#checkRestored(log.restored, hasLeft))
    const listener = new SimulatedListener(queue, guard, (type, payload) => this.answerOf(type, payload))
    const clock = {
      monotonicMs: () => queue.nowMs * clockSpeed,
      wallMs: () => START_OF_TIME_MS + queue.nowMs * clockSpeed + this.clockOffsetMs,
    }
    const disk = this.#options.diskOf?.(this.files, id)
    const ports = {
      ...(disk === undefined ? {} : { disk }),
      clock,
      scheduler,
      random: this.#random.next,
      peers: network.attach(id, guard, this.failpoints),
      clients: listener,
      log: watchLog(log, this, network, (check) => this.#check(check)),
      state: watchState(state, this),
      snapshots,
      snapshotLinks: network.attachSnapshots(id, guard),
      logger,
      sha256,
      verifier: configuration.protocol === 'raft' ? null : this.#slowVerifier(verifierOf(signatures), guard),
      evidence,
      epochs,
    }
    const options = { configuration, self: id, version: 'simulated', limits, coreLimits, sign, onFatal: fail }
    const node = await composeNode(options, ports)
    if (run !== this.#run) return
    this.#watchCore(node.core)
    this.#node = node
    this.#listener = listener
    node.loop.start()
  }

  /** `power`: unsynced writes may be lost, and it is told which. `process`: only what was in memory is. */
  crash(kind: 'power' | 'process'): CrashLosses {
    this.#world.trace?.emit('crash', this.id, { loss: kind })
    this.#end()
    if (kind === 'power') {
      this.#database.crash(this.#random.next)
      return this.files.crash()
    }
    this.files.kill()
    this.#database.kill()
    return NOTHING_LOST
  }

  /** The disk of a node that is down is emptied, the database behind the state included. */
  async wipe(): Promise<void> {
    assert(this.isDown, 'only the disk of a node that is down is wiped')
    this.isWiped = true
    this.isDamaged = true
    this.remembersLoss = false
    this.astraySince = null
    this.#spoilt.clear()
    this.durable.damaged()
    this.files.wipe(LOG_DIRECTORY)
    this.files.wipe(SNAPSHOT_DIRECTORY)
    await this.#database.destroy()
  }

  /** Its state is what the log gives again. Snapshots that it took meanwhile are not. */
  foundSound(): void {
    if (this.astraySince !== null) this.#spoilt.add(this.snapshots, this.astraySince)
    this.astraySince = null
  }

  /** Its state, or a snapshot that it could begin from, may hold a turned bit. */
  get mayBeAstray(): boolean {
    return this.astraySince !== null || this.snapshots.some(({ id }) => this.#spoilt.has(id))
  }

  /** Whether others may be given this snapshot: nobody could tell a turned bit that a majority was given from the truth. */
  mayGive(snapshot: Uint8Array): boolean {
    return this.astraySince === null && !this.#spoilt.has(snapshot)
  }

  /** Durable and whole, oldest first. */
  get snapshots(): readonly SnapshotInfo[] {
    return this.#snapshots?.list() ?? []
  }

  /** Of those; 0 for none. */
  get newestSnapshotIndex(): number {
    return this.snapshots.at(-1)?.base.index ?? 0
  }

  /** When, on the clock of the simulation, the node's core wants to act next by itself; null for never. */
  get deadlineMs(): number | null {
    const ownMs = this.#node?.core.deadline()
    return ownMs === undefined ? null : ownMs / this.#options.clockSpeed
  }

  #trueMs(ownMs: number): number {
    const { clockSpeed } = this.#options
    return clockSpeed === 1 ? ownMs : ownMs / clockSpeed + ROUNDING_MS
  }

  /** A clean stop. It takes simulated time. */
  async stop(): Promise<void> {
    await this.#node?.loop.stop()
    this.#end()
  }

  #fail(run: number, error: unknown): void {
    if (run !== this.#run) return
    this.fatal = error
    this.#world.trace?.emit('stop', this.id, { reason: error instanceof Error ? error.message : String(error) })
    this.#end()
    this.files.kill()
    this.#database.kill()
  }

  #end(): void {
    this.#run++
    this.#node = null
    this.#starting = false
    this.failpoints.disarm()
    this.rotsPut = null
    this.watchedFiles.forgetUnsynced()
    this.#pausedUntilMs = 0
    this.#world.network.detach(this.id)
    void this.#listener?.close()
    this.#listener = null
  }

  /**
   * Damage is always placed so that checksums must show it; of a lost tail a leader has to tell. `hasLeft`: the damaged
   * segment is no part of the log any more.
   */
  #checkRestored(restored: RestoredLog, hasLeft: boolean): void {
    // A log that was cut behind the damage before anybody read it again has lost nothing by it.
    if (hasLeft && !this.knowsDamage) {
      this.isDamaged = false
      this.damagedFile = null
    }
    // Neither the state nor a snapshot of it was left: it threw its log away too, and has to get everything from others.
    const isEmptied = (this.isRebuilding || this.astraySince !== null) && !this.isDamaged && !restored.mayVote
    if (isEmptied) this.#loseAll()
    this.durable.restored(restored, this.isDamaged)
    this.tail.forget()
    // A repair whose mark was under way is there or not.
    const isMarked = (this.isMarkingRepair || this.saysRepaired) && restored.mayVote
    this.isMarkingRepair = false
    if (!this.isDamaged || isMarked) return
    if (this.hasLostTail && restored.mayVote && !this.remembersLoss) {
      this.knowsDamage = false
      return
    }
    // A snapshot covers what was lost.
    if (restored.mayVote && this.hasLostTail && restored.base.index >= this.damagedIndex) {
      this.isDamaged = false
      return
    }
    if (restored.mayVote) throw new InvariantViolation('damageIsNoticed', `${this.id} takes its damaged disk for sound`)
    this.knowsDamage = true
  }

  #watchedSigner(sign: (bytes: Uint8Array) => Uint8Array): (bytes: Uint8Array) => Uint8Array {
    const watch = this.#world.watch()
    if (watch === null) return sign
    return (bytes) => {
      const signature = sign(bytes)
      this.#check(() => watch.signed(this.id, bytes, signature))
      return signature
    }
  }

  #watchCore(core: Core): void {
    const watch = this.#world.watch()
    if (watch === null) return
    const step = core.step.bind(core)
    core.step = (input, now) => {
      const effects = step(input, now)
      this.#check(() => watch.stepped(this, core, input, effects))
      return effects
    }
  }

  /** Checks come back in another order than they were asked for, as from a pool of threads. */
  #slowVerifier(verifier: SignatureVerifier, guard: (callback: () => void) => void): SignatureVerifier {
    const { verifyMaxMs } = this.#options
    if (verifyMaxMs === 0) return verifier
    return {
      verify: (check, done) =>
        verifier.verify(check, (valid) => {
          this.#world.queue.after(this.#random.next() * verifyMaxMs, () => guard(() => done(valid)))
        }),
    }
  }

  #loseAll(): void {
    this.isDamaged = true
    this.damagedFile = null
    this.astraySince = null
    this.durable.damaged()
  }

  #check(check: () => void): void {
    try {
      check()
    } catch (error) {
      if (!(error instanceof InvariantViolation)) throw error
      this.broken ??= error
    }
  }

  /** Runs what is due, unless the run is over; a pause puts it off, in order. */
  #guard(run: number): (callback: () => void) => void {
    const guard = (callback: () => void): void => {
      if (run !== this.#run) return
      const { queue } = this.#world
      if (queue.nowMs < this.#pausedUntilMs) {
        queue.after(this.#pausedUntilMs - queue.nowMs, () => guard(callback))
        return
      }
      this.activity++
      callback()
    }
    return guard
  }
}
