/**
 * One member of a simulated cluster: the production node over simulated time, network, files and
 * database. A crash ends its run at once; what its disk and database keep is theirs to decide.
 */
import { assert } from '../base/assert.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { Sha256 } from '../consensus/entry.js'
import type { RaftLimits } from '../consensus/raft/config.js'
import type { NodeId } from '../consensus/types.js'
import { type ComposedNode, composeNode } from '../node/compose.js'
import type { NodeLimits } from '../node/limits.js'
import type { Logger, Scheduler } from '../node/ports.js'
import { type CrashLosses, MemoryFiles } from '../storage/memory-files.js'
import { createLog, openLog } from '../storage/open-log.js'
import { openStateStore } from '../storage/state-store.js'
import { VolatileSource } from '../storage/volatile-database.js'
import { SimulatedListener } from './clients.js'
import { SimulatedDisk } from './disk.js'
import type { EventQueue } from './event-queue.js'
import { openMemoryLevel } from './memory-level.js'
import type { SimulatedNetwork } from './network.js'
import { SeededRandom } from './random.js'

const LOG_DIRECTORY = '/log'
const START_OF_TIME_MS = 1_750_000_000_000
const NOTHING_LOST: CrashLosses = { lostWrites: 0, tornWrites: 0, lostEntries: 0 }

export interface SimulatedNodeOptions {
  readonly id: NodeId
  readonly configuration: ClusterConfiguration
  readonly seed: number
  readonly limits: Partial<NodeLimits>
  readonly raftLimits: Partial<RaftLimits>
  readonly logger: Logger
}

export interface SimulatedWorld {
  readonly queue: EventQueue
  readonly network: SimulatedNetwork
  readonly sha256: Sha256
}

export class SimulatedNode {
  readonly id: NodeId
  readonly files: MemoryFiles
  readonly disk: SimulatedDisk
  /** Added to this node's time of day. */
  clockOffsetMs = 0
  /** Counts turns and timers: what is equal to last time has not moved since. */
  activity = 0
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
    const { configuration, limits, raftLimits, logger, id } = this.#options
    const { queue, network, sha256 } = this.#world
    this.fatal = null
    const guard = this.#guard(run)
    const scheduler: Scheduler = {
      nextTurn: (callback) => void queue.after(0, () => guard(callback)),
      after: (delayMs, callback) => queue.after(delayMs, () => guard(callback)),
    }
    const identity = { clusterId: configuration.clusterId, nodeId: id, incarnation: this.#incarnation }
    if (!this.#formatted) {
      await this.files.mkdir(LOG_DIRECTORY)
      await createLog(this.files, LOG_DIRECTORY, identity)
      this.#formatted = true
    }
    const fail = (error: unknown) => this.#fail(run, error)
    const state = await openStateStore({
      source: this.#database,
      identity,
      nextTurn: scheduler.nextTurn,
      onFailed: fail,
      onFlushed: () => this.#node?.loop.wake(),
    })
    const log = await openLog({
      files: this.files,
      directory: LOG_DIRECTORY,
      identity,
      provenIndex: state.appliedIndex,
    })
    if (run !== this.#run) return
    const listener = new SimulatedListener(queue, guard)
    const clock = {
      monotonicMs: () => queue.nowMs,
      wallMs: () => START_OF_TIME_MS + queue.nowMs + this.clockOffsetMs,
    }
    const ports = {
      clock,
      scheduler,
      random: this.#random.next,
      peers: network.attach(id, guard),
      clients: listener,
      log,
      state,
      logger,
      sha256,
    }
    const options = { configuration, self: id, version: 'simulated', limits, raftLimits, onFatal: fail }
    const node = await composeNode(options, ports)
    if (run !== this.#run) return
    this.#node = node
    this.#listener = listener
    node.loop.start()
  }

  /** `power`: unsynced writes may be lost, and it is told which. `process`: only what was in memory is. */
  crash(kind: 'power' | 'process'): CrashLosses {
    this.#end()
    if (kind === 'power') {
      this.#database.crash(this.#random.next)
      return this.files.crash()
    }
    this.files.kill()
    this.#database.kill()
    return NOTHING_LOST
  }

  /** A clean stop. It takes simulated time. */
  async stop(): Promise<void> {
    await this.#node?.loop.stop()
    this.#end()
  }

  #fail(run: number, error: unknown): void {
    if (run !== this.#run) return
    this.fatal = error
    this.#end()
    this.files.kill()
    this.#database.kill()
  }

  #end(): void {
    this.#run++
    this.#node = null
    this.#starting = false
    this.#pausedUntilMs = 0
    this.#world.network.detach(this.id)
    void this.#listener?.close()
    this.#listener = null
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
