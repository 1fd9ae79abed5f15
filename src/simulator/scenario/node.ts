/**
 * One member of a story: a production core, its disk, its own clock, and what a driver does for a core
 * (writes in order, sends that wait for their write, execution, loads, snapshots). Nothing happens by
 * itself but what follows at once; the world decides when time passes and messages arrive.
 */
import { assert } from '../../base/assert.js'
import { KnhkError } from '../../base/error.js'
import type { ClusterSettings } from '../../consensus/configuration.js'
import type { Effect, Input, Now, RestoredLog } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import type { Membership } from '../../consensus/membership.js'
import type { RaftLimits } from '../../consensus/raft/config.js'
import { RaftCore } from '../../consensus/raft/core.js'
import type { LogBase, SnapshotOffer } from '../../consensus/snapshot.js'
import type { LogIndex, Millis, NodeId } from '../../consensus/types.js'
import { sha256 } from '../../crypto/sha256.js'
import type { Damage, PlainLog, ScenarioDisk } from './disk.js'
import { CLUSTER_ID, CONFIG_HASH, START_OF_TIME_MS } from './entries.js'
import type { RuledNode } from './rules.js'

type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>

const LOAD_ENTRIES_MAX = 64
/** Steps that one step may lead to at once; more is a loop. */
const DRAIN_MAX = 10_000

/** What a node tells the world. */
export interface NodeEvents {
  readonly onSend: (node: ScenarioNode, send: EffectOf<'send'>) => void
  readonly onFetch: (node: ScenarioNode, fetch: EffectOf<'fetchSnapshot'>) => void
  readonly onCommit: (node: ScenarioNode, from: number, upTo: number) => void
  readonly onRestore: (node: ScenarioNode, base: LogBase) => void
  readonly onStepped: (node: ScenarioNode, input: Input) => void
  readonly onEntries: (node: ScenarioNode, entries: readonly Entry[]) => void
  readonly onAnswer: (node: ScenarioNode, effect: Effect) => void
}

export interface NodeParts {
  readonly id: NodeId
  readonly disk: ScenarioDisk
  /** What is on the disk, as plain values; kept along by the node. */
  readonly durable: PlainLog
  readonly appliedIndex: number
  readonly snapshot: SnapshotOffer | null
  readonly storesByHand: boolean
  readonly byHand: boolean
  readonly random: () => number
  readonly genesis: Membership
  readonly settings: ClusterSettings
  readonly limits: RaftLimits
  readonly priorities?: ReadonlyMap<NodeId, number>
}

export class ScenarioNode implements RuledNode {
  readonly id: NodeId
  readonly byHand: boolean
  readonly durable: PlainLog
  /** The log as the core has it. */
  view: PlainLog
  core: RaftCore | null = null
  paused = false
  /** The node's own monotonic clock. */
  clockMs: Millis = 0
  storesByHand: boolean
  appliedIndex: number
  commitIndex = 0
  snapshot: SnapshotOffer | null
  /** Why the last start was refused; null where it was not. */
  refusedStart: string | null = null
  /** What the core asked to store and is not on disk. */
  writes: EffectOf<'store'>[] = []
  #held: EffectOf<'send'>[] = []
  #durableWrite = 0
  #loads: EffectOf<'load'>[] = []
  #restore: EffectOf<'restoreState'> | null = null
  #executeUpTo = 0
  #isRepaired = false
  readonly #parts: NodeParts
  readonly #events: NodeEvents

  constructor(parts: NodeParts, events: NodeEvents) {
    this.id = parts.id
    this.byHand = parts.byHand
    this.durable = parts.durable
    this.view = parts.durable.copy()
    this.storesByHand = parts.storesByHand
    this.appliedIndex = parts.appliedIndex
    this.snapshot = parts.snapshot
    this.#parts = parts
    this.#events = events
  }

  get baseOf(): LogBase {
    return this.view.base
  }

  get durableBase(): LogBase {
    return this.durable.base
  }

  get durableHardState() {
    return this.durable.hardState
  }

  entryOf(index: number): Entry | undefined {
    return this.view.entry(index)
  }

  durableEntry(index: number): Entry | undefined {
    return this.durable.entry(index)
  }

  now(): Now {
    return { monotonicMs: this.clockMs, wallMs: START_OF_TIME_MS + this.clockMs }
  }

  /** The running core. Throws where the node is down. */
  running(): RaftCore {
    if (this.core === null) throw new KnhkError('InvalidArgument', `${this.id} is not running`)
    return this.core
  }

  async start(): Promise<void> {
    assert(this.core === null, 'a node is started once at a time')
    if (this.byHand) return
    const { disk, genesis, settings, limits, random, priorities } = this.#parts
    let restored: RestoredLog
    try {
      restored = await disk.open({ appliedIndex: this.appliedIndex, snapshot: this.snapshot })
    } catch (error) {
      if (!(error instanceof KnhkError)) throw error
      this.refusedStart = error.code
      return
    }
    this.refusedStart = null
    this.#takeOver(restored)
    this.core = new RaftCore(
      {
        ...{ self: this.id, genesis, clusterId: CLUSTER_ID, configHash: CONFIG_HASH, settings, limits },
        ...(priorities === undefined ? {} : { priorities }),
      },
      { sha256, random, restored, now: this.now() },
    )
    this.commitIndex = this.core.status().commitIndex
    this.#executeUpTo = this.appliedIndex
  }

  /** Ends the run: what was not on disk is gone. */
  async crash(options: { readonly torn: boolean; readonly stateLost: boolean }): Promise<void> {
    this.running()
    const [next] = this.writes
    if (options.torn && next !== undefined) await this.#parts.disk.tear(next.records)
    this.#parts.disk.close()
    this.core = null
    this.paused = false
    this.writes = []
    this.#held = []
    this.#durableWrite = 0
    this.#loads = []
    this.#restore = null
    if (options.stateLost) this.appliedIndex = this.snapshot?.base.index ?? 0
    this.view = this.durable.copy()
  }

  async damage(damage: Damage): Promise<void> {
    if (this.core !== null) throw new KnhkError('InvalidArgument', `${this.id} is running; crash it first`)
    await this.#parts.disk.damage(damage)
    if (damage.kind === 'wipe') this.appliedIndex = 0
  }

  /** One input, and everything that follows from it at once. */
  async step(input: Input): Promise<void> {
    this.#step(input)
    await this.#drain()
  }

  /** Completes the oldest writes with one completion. */
  async store(count = this.writes.length): Promise<void> {
    if (await this.#complete(count)) await this.#drain()
  }

  /** The core has executed what it committed; nothing is left to do at once. */
  async #drain(): Promise<void> {
    for (let left = DRAIN_MAX; left > 0; left--) {
      if (this.core === null) return
      if (this.#isRepaired) await this.#parts.disk.markRepaired()
      this.#isRepaired = false
      const load = this.#loads.shift()
      if (load !== undefined) {
        const entries = await this.#parts.disk.read(load.from, LOAD_ENTRIES_MAX)
        this.#step({ type: 'loaded', peer: load.peer, from: load.from, entries })
      } else if (!this.storesByHand && this.writes.length > 0) {
        await this.#complete(this.writes.length)
      } else if (this.#executeUpTo > this.appliedIndex && this.#restore === null) {
        this.appliedIndex = this.#executeUpTo
        const upTo = this.appliedIndex as LogIndex
        this.#step({ type: 'executed', upTo, stateDigest: null, resultRoot: null })
      } else {
        return
      }
    }
    throw new KnhkError('Bug', `${this.id} does not come to rest`)
  }

  async #complete(count: number): Promise<boolean> {
    const done = this.writes.splice(0, count)
    const last = done.at(-1)
    if (last === undefined) return false
    for (const { records } of done) {
      await this.#parts.disk.write(records)
      this.durable.write(records)
    }
    this.#durableWrite = last.writeId
    const { writeId, epoch, term, index } = last
    this.#releaseHeld()
    this.#finishRestore()
    this.#step({ type: 'stored', writeId, epoch, term, index })
    return true
  }

  #step(input: Input): void {
    const effects = this.running().step(input, this.now())
    // Who leads is looked at before what it writes.
    this.#events.onStepped(this, input)
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        if (effect.after === undefined || effect.after <= this.#durableWrite) this.#events.onSend(this, effect)
        else this.#held.push(effect)
        return
      case 'store':
        this.writes.push(effect)
        this.view.write(effect.records)
        for (const record of effect.records) if (record.kind === 'entries') this.#events.onEntries(this, record.entries)
        return
      case 'load':
        this.#loads.push(effect)
        return
      case 'commit':
        this.#events.onCommit(this, this.commitIndex, effect.upTo)
        this.commitIndex = effect.upTo
        this.#executeUpTo = effect.upTo
        return
      case 'fetchSnapshot':
        this.#events.onFetch(this, effect)
        return
      case 'restoreState':
        this.#restore = effect
        this.#finishRestore()
        return
      case 'repaired':
        this.#isRepaired = true
        return
      default:
        this.#events.onAnswer(this, effect)
    }
  }

  #releaseHeld(): void {
    const held = this.#held
    this.#held = []
    for (const send of held) {
      if ((send.after as number) <= this.#durableWrite) this.#events.onSend(this, send)
      else this.#held.push(send)
    }
  }

  #finishRestore(): void {
    const restore = this.#restore
    if (restore === null || restore.after > this.#durableWrite) return
    this.#restore = null
    const { base } = restore.snapshot
    this.#events.onRestore(this, base)
    this.appliedIndex = base.index
    this.commitIndex = Math.max(this.commitIndex, base.index)
    this.#executeUpTo = Math.max(this.#executeUpTo, base.index)
  }

  /** What the disk gave may be less than was written: after damage it is the sound part. */
  #takeOver(restored: RestoredLog): void {
    const { durable } = this
    durable.hardState = restored.hardState
    if (durable.lastIndex > restored.lastIndex) durable.entries.length = restored.lastIndex - durable.base.index
    this.view = durable.copy()
    this.appliedIndex = Math.min(this.appliedIndex, restored.commitIndex)
  }
}
