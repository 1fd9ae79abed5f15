/**
 * What clusters of cores in memory share, whatever the protocol: one clock and one seed, links that are cut, disks whose
 * writes take time and send what waited for them, and crashes that lose what was not durable.
 */
import type { Core, Effect, Input } from '../../src/consensus/core.js'
import { type NodeId, nodeId } from '../../src/consensus/types.js'
import { seededRandom } from '../random.js'
import { type Disk, partOf } from './disk.js'
import { EventQueue } from './event-queue.js'

/** What goes wrong between nodes, and how slow they and their disks are at most. */
export interface Faults {
  readonly drop: number
  readonly duplicate: number
  readonly delayMaxMs: number
  readonly storeMaxMs: number
}

export const CALM: Faults = { drop: 0, duplicate: 0, delayMaxMs: 2, storeMaxMs: 2 }

export type Stored = Extract<Effect, { type: 'store' }>
export type Sent = Extract<Effect, { type: 'send' }>

/** A node around its core. */
export interface NodeParts<C extends Core = Core, D extends Disk = Disk> {
  readonly id: NodeId
  readonly disk: D
  core: C
  /** Counts lives: events of an earlier one are void. */
  life: number
  up: boolean
  writes: Stored[]
  writing: boolean
  durable: number
  held: Sent[]
  /** Reported by `commit` effects. */
  commit: number
  executed: number
  readonly wallOffsetMs: number
}

/** Of a node that has just been started. */
export function justStarted(): Pick<NodeParts, 'up' | 'writes' | 'writing' | 'durable' | 'held'> {
  return { up: true, writes: [], writing: false, durable: 0, held: [] }
}

export abstract class CoreCluster<N extends NodeParts> {
  readonly random: () => number
  readonly nodes = new Map<NodeId, N>()
  nowMs = 0
  /** Links that are cut, as "from>to". */
  readonly cut = new Set<string>()
  protected readonly queue = new EventQueue()

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  abstract faults: Faults
  abstract step(node: N, input: Input): void
  /** A core wants to act. */
  protected abstract tick(node: N): void
  protected abstract transmit(node: N, send: Sent): void
  abstract crash(node: N): void
  /** All that was written so far is on the disk. */
  protected abstract written(node: N): void

  node(id: string): N {
    const node = this.nodes.get(nodeId(id))
    if (node === undefined) throw new Error(`there is no ${id}`)
    return node
  }

  /** Runs until the clock reaches `untilMs`, or `stop` says so. True when it was stopped. */
  run(untilMs: number, stop: () => boolean = () => false): boolean {
    let atOnce = 0
    for (;;) {
      if (stop()) return true
      const next = this.queue.earliest
      const tick = this.#nextTick()
      const atMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, tick?.atMs ?? Number.POSITIVE_INFINITY)
      if (atMs > untilMs) break
      atOnce = atMs <= this.nowMs ? atOnce + 1 : 0
      if (atOnce > 100_000) throw new Error('the cluster spins without time passing')
      this.nowMs = Math.max(this.nowMs, atMs)
      if (next !== undefined && next.atMs === atMs) {
        this.queue.pop()
        next.run()
      } else if (tick !== undefined) this.tick(tick.node)
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
    return stop()
  }

  runFor(ms: number, stop?: () => boolean): boolean {
    return this.run(this.nowMs + ms, stop)
  }

  /** Cuts both directions between the two sides. */
  partition(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const a of left) {
      for (const b of right) {
        this.cut.add(`${a}>${b}`)
        this.cut.add(`${b}>${a}`)
      }
    }
  }

  heal(): void {
    this.cut.clear()
  }

  /** The process is gone. Of the write under way and those behind it, a prefix may have reached the disk without a word. */
  protected end(node: N): void {
    node.up = false
    node.life++
    const survived = Math.floor(this.random() * (node.writes.length + 1))
    for (const write of node.writes.slice(0, survived)) node.disk.write(write.records)
    const next = node.writes[survived]?.records ?? []
    if (partOf(next, 'beforeBase') === undefined) return
    // The one behind them may be there in part.
    const cut = ([null, 'beforeBase', 'afterBase'] as const)[Math.floor(this.random() * 3)] ?? null
    if (cut !== null) node.disk.writePart(partOf(next, cut) ?? [])
  }

  /** Sends, as soon as what it waits for is durable. */
  protected send(node: N, send: Sent): void {
    if (send.after === undefined || send.after <= node.durable) this.transmit(node, send)
    else node.held.push(send)
  }

  /** Reads entries for a peer from the disk. */
  protected load(node: N, { peer, from }: Extract<Effect, { type: 'load' }>, entriesMax: number): void {
    const first = from - node.disk.base.index - 1
    const entries = first < 0 ? [] : node.disk.entries.slice(first, first + entriesMax)
    this.later(node, this.random() * 5, () => this.step(node, { type: 'loaded', peer, from, entries }))
  }

  protected startWrite(node: N): void {
    if (node.writing || node.writes.length === 0) return
    node.writing = true
    const batch = node.writes.length
    this.later(node, this.random() * this.faults.storeMaxMs, () => {
      const done = node.writes.splice(0, batch)
      node.writing = false
      for (const write of done) {
        if (this.#isCut(node, write)) return
        node.disk.write(write.records)
      }
      const last = done.at(-1) as Stored
      node.durable = last.writeId
      this.written(node)
      const { held } = node
      node.held = []
      for (const send of held) this.send(node, send)
      // Group commit: sometimes one completion stands for all.
      const reported = this.random() < 0.5 ? done : [last]
      for (const { writeId, epoch, term, index } of reported)
        this.step(node, { type: 'stored', writeId, epoch, term, index })
      this.startWrite(node)
    })
  }

  /** True where the node ends in the middle of this write. */
  #isCut(node: N, { records }: Stored): boolean {
    const { disk } = node
    const part = disk.failpoint === null ? undefined : partOf(records, disk.failpoint)
    if (part === undefined) return false
    disk.failpoint = null
    disk.writePart(part)
    node.writes = []
    this.crash(node)
    return true
  }

  /** In this life of the node. */
  protected later(node: N, delayMs: number, run: () => void): void {
    const { life } = node
    this.queue.at(this.nowMs + delayMs, () => {
      if (this.nodes.get(node.id) === node && node.life === life) run()
    })
  }

  /** Whose core wants to act next, and when; undefined when none does. */
  #nextTick(): { readonly atMs: number; readonly node: N } | undefined {
    let found: { readonly atMs: number; readonly node: N } | undefined
    for (const node of this.nodes.values()) {
      if (!node.up) continue
      const atMs = node.core.deadline()
      if (atMs !== undefined && (found === undefined || atMs < found.atMs)) found = { atMs, node }
    }
    return found
  }
}
