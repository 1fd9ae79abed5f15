/**
 * One member of a simulated cluster: the production node over simulated time, network, files and
 * database. A crash ends its run at once; what its disk and database keep is theirs to decide.
 */
import { assert } from '../base/assert.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { Sha256 } from '../consensus/entry.js'
import type { NodeId } from '../consensus/types.js'
import { type ComposedNode, composeNode } from '../node/compose.js'
import type { NodeLimits } from '../node/limits.js'
import type { Logger, Scheduler } from '../node/ports.js'
import { MemoryFiles } from '../storage/memory-files.js'
import { createLog, openLog } from '../storage/open-log.js'
import { openStateStore } from '../storage/state-store.js'
import { VolatileSource } from '../storage/volatile-database.js'
import { SimulatedListener } from './clients.js'
import type { EventQueue } from './event-queue.js'
import { openMemoryLevel } from './memory-level.js'
import type { SimulatedNetwork } from './network.js'
import { SeededRandom } from './random.js'

const LOG_DIRECTORY = '/log'

export interface SimulatedNodeOptions {
  readonly id: NodeId
  readonly configuration: ClusterConfiguration
  readonly seed: number
  readonly limits: Partial<NodeLimits>
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
    this.files = new MemoryFiles({
      random: this.#random.next,
      fault: (operation) => (operation === 'datasync' ? { kind: 'wait', until: this.#diskTime() } : undefined),
    })
  }

  get running(): ComposedNode | null {
    return this.#node
  }

  /** Where clients connect; null while the node is down. */
  get listener(): SimulatedListener | null {
    return this.#listener
  }

  async start(): Promise<void> {
    assert(this.#node === null, 'a node is started once at a time')
    const { configuration, limits, logger, id } = this.#options
    const { queue, network, sha256 } = this.#world
    const run = ++this.#run
    this.fatal = null
    const scheduler: Scheduler = {
      nextTurn: (callback) => void queue.after(0, this.#guarded(run, callback)),
      after: (delayMs, callback) => queue.after(delayMs, this.#guarded(run, callback)),
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
    this.#listener = new SimulatedListener(queue)
    const clock = { monotonicMs: () => queue.nowMs, wallMs: () => 1_750_000_000_000 + queue.nowMs }
    const ports = {
      clock,
      scheduler,
      random: this.#random.next,
      peers: network.attach(id),
      clients: this.#listener,
      log,
      state,
      logger,
      sha256,
    }
    this.#node = await composeNode({ configuration, self: id, version: 'simulated', limits, onFatal: fail }, ports)
    this.#node.loop.start()
  }

  /** `power`: unsynced writes may be lost. `process`: only what was in memory is. */
  crash(kind: 'power' | 'process'): void {
    this.#end()
    if (kind === 'power') {
      this.files.crash()
      this.#database.crash(this.#random.next)
    } else {
      this.files.kill()
      this.#database.kill()
    }
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
    this.#world.network.detach(this.id)
    void this.#listener?.close()
    this.#listener = null
  }

  #guarded(run: number, callback: () => void): () => void {
    return () => {
      if (run === this.#run) callback()
    }
  }

  #diskTime(): Promise<void> {
    return new Promise((resolve) => void this.#world.queue.after(0.1 + this.#random.next() * 0.4, resolve))
  }
}
