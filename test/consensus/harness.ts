/**
 * A small deterministic cluster of Raft cores: one seed decides every delay, loss, duplicate, crash and
 * timer. It drives the cores as a node does (writes complete later, sends wait for their write, a crash
 * loses what was not durable) and checks Raft's invariants at every step.
 */
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import type { Effect, Input, ProtocolMessage, StoreRecord } from '../../src/consensus/core.js'
import type { Entry } from '../../src/consensus/entry.js'
import { DEFAULT_RAFT_LIMITS, RaftCore, type RaftLimits, type RaftMember } from '../../src/consensus/raft/index.js'
import { type LogIndex, type NodeId, nodeId, readId, type WriteId } from '../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, Disk, SETTINGS, seededRandom, sha256 } from './disk.js'
import { EventQueue } from './event-queue.js'

interface Faults {
  readonly drop: number
  readonly duplicate: number
  readonly delayMaxMs: number
  readonly storeMaxMs: number
}

export const CALM: Faults = { drop: 0, duplicate: 0, delayMaxMs: 2, storeMaxMs: 2 }

interface Node {
  readonly id: NodeId
  readonly disk: Disk
  core: RaftCore
  /** Counts lives: events of an earlier one are void. */
  life: number
  up: boolean
  writes: Extract<Effect, { type: 'store' }>[]
  writing: boolean
  durable: number
  held: Extract<Effect, { type: 'send' }>[]
  /** Reported by `commit` effects. */
  commit: number
  executed: number
  wallOffsetMs: number
}

export class Cluster {
  readonly random: () => number
  readonly nodes = new Map<NodeId, Node>()
  readonly members: readonly RaftMember[]
  readonly limits: RaftLimits
  faults: Faults = CALM
  nowMs = 0
  /** Links that are cut, as "from>to". */
  readonly cut = new Set<string>()
  /** Every committed entry by index, as first seen. */
  readonly committed: Entry[] = []
  readonly leaders = new Map<number, NodeId>()
  readonly counts = { proposed: 0, reads: 0, loads: 0, crashes: 0, leaderChanges: 0, refusedReads: 0 }
  /** Sees every message as it is delivered. */
  onDeliver: (from: NodeId, to: NodeId, message: ProtocolMessage) => void = () => {}
  readonly #queue = new EventQueue()
  readonly #votes = new Map<string, NodeId>()
  readonly #positions = new Map<string, string>()
  readonly #reads = new Map<number, number>()
  #nextId = 1

  constructor(options: { seed: number; voters: number; learners?: number; limits?: Partial<RaftLimits> }) {
    this.random = seededRandom(options.seed)
    this.limits = { ...DEFAULT_RAFT_LIMITS, ...options.limits }
    const members: RaftMember[] = []
    for (let i = 1; i <= options.voters + (options.learners ?? 0); i++) {
      members.push({ id: nodeId(`n${i}`), voter: i <= options.voters })
    }
    this.members = members
    for (const { id } of members) {
      const disk = new Disk()
      this.nodes.set(id, this.#boot(id, disk, 0, (this.random() - 0.5) * 4000))
    }
  }

  node(id: string): Node {
    return this.nodes.get(nodeId(id)) as Node
  }

  leader(): Node | undefined {
    const leaders = [...this.nodes.values()].filter((node) => node.up && node.core.status().role === 'leader')
    return leaders.sort((a, b) => b.core.status().term - a.core.status().term)[0]
  }

  /** Runs until the clock reaches `untilMs`, or `stop` says so. True when it was stopped. */
  run(untilMs: number, stop: () => boolean = () => false): boolean {
    for (;;) {
      if (stop()) return true
      const next = this.#queue.earliest
      const tickAt = this.#nextTick()
      const atMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, tickAt?.atMs ?? Number.POSITIVE_INFINITY)
      if (atMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      if (next !== undefined && next.atMs === atMs) {
        this.#queue.pop()
        next.run()
      } else if (tickAt !== undefined) {
        this.step(tickAt.node, { type: 'tick' })
        if (tickAt.node.up && (tickAt.node.core.deadline() ?? Number.POSITIVE_INFINITY) <= this.nowMs) {
          throw new Error(`a tick left ${tickAt.node.id} due at once`)
        }
      }
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
    return stop()
  }

  runFor(ms: number, stop?: () => boolean): boolean {
    return this.run(this.nowMs + ms, stop)
  }

  propose(node: Node, size = 32): number {
    const body = new Uint8Array(size)
    // One request that fills the body: count 1, its length, its bytes.
    body[0] = 1
    body[4] = (size - 8) & 0xff
    body[5] = (size - 8) >>> 8
    for (let i = 8; i < size; i++) body[i] = Math.floor(this.random() * 256)
    const batchDigest = computeBatchDigest(sha256, 'data', body)
    const proposalId = this.#nextId++
    this.step(node, { type: 'propose', proposalId, kind: 'data', body, batchDigest })
    return proposalId
  }

  /** Starts a read; when it is released, its index must cover everything committed by now. */
  read(node: Node): number {
    const id = this.#nextId++
    this.#reads.set(id, this.committed.length)
    this.step(node, { type: 'read', readId: readId(id) })
    return id
  }

  crash(node: Node): void {
    if (!node.up) return
    this.counts.crashes++
    node.up = false
    node.life++
    // Of the write under way and those behind it, a prefix may have reached the disk without a word.
    const survived = Math.floor(this.random() * (node.writes.length + 1))
    for (const write of node.writes.slice(0, survived)) node.disk.write(write.records)
    node.disk.executed = Math.min(node.executed, Math.floor(node.executed * (0.5 + this.random())))
  }

  restart(node: Node): void {
    if (node.up) return
    const fresh = this.#boot(node.id, node.disk, node.life, node.wallOffsetMs)
    this.nodes.set(node.id, fresh)
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

  step(node: Node, input: Input): void {
    if (!node.up) return
    const before = node.core.status().role
    const effects = node.core.step(input, { monotonicMs: this.nowMs, wallMs: this.nowMs + 1e6 + node.wallOffsetMs })
    for (const effect of effects) this.#perform(node, effect)
    const status = node.core.status()
    if (status.role === 'leader' && before !== 'leader') this.#checkNewLeader(node, status.term)
    this.#startWrite(node)
  }

  #boot(id: NodeId, disk: Disk, life: number, wallOffsetMs: number): Node {
    const restored = disk.restored(1 + Math.floor(this.random() * 20))
    const core = new RaftCore(
      {
        self: id,
        members: this.members,
        clusterId: CLUSTER_ID,
        configHash: CONFIG_HASH,
        settings: SETTINGS,
        limits: this.limits,
      },
      { sha256, random: this.random, restored, now: { monotonicMs: this.nowMs, wallMs: this.nowMs } },
    )
    return {
      id,
      disk,
      core,
      life,
      up: true,
      writes: [],
      writing: false,
      durable: 0,
      held: [],
      commit: 0,
      executed: disk.executed,
      wallOffsetMs,
    }
  }

  #perform(node: Node, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        if (effect.after === undefined || effect.after <= node.durable) this.#transmit(node, effect)
        else node.held.push(effect)
        return
      case 'store':
        this.#checkStored(effect.records)
        node.writes.push(effect)
        return
      case 'load': {
        this.counts.loads++
        const entries = node.disk.entries.slice(effect.from - 1, effect.from + 3)
        this.#later(node, this.random() * 5, () =>
          this.step(node, { type: 'loaded', peer: effect.peer, from: effect.from, entries }),
        )
        return
      }
      case 'commit':
        this.#checkCommit(node, effect.upTo)
        return
      case 'readReady': {
        this.counts.reads++
        const floor = this.#reads.get(effect.readId)
        this.#reads.delete(effect.readId)
        if (floor === undefined) throw new Error(`read ${effect.readId} answered twice, or never asked`)
        if (effect.index < floor) throw new Error(`stale read: ${effect.index} < ${floor}`)
        return
      }
      case 'readRefused':
        this.counts.refusedReads++
        return
      case 'proposed':
        this.counts.proposed++
        return
      case 'snapshotWanted':
        throw new Error('the log keeps every entry, so nobody needs a snapshot')
      default:
    }
  }

  #startWrite(node: Node): void {
    if (node.writing || node.writes.length === 0) return
    node.writing = true
    const batch = node.writes.length
    this.#later(node, this.random() * this.faults.storeMaxMs, () => {
      const done = node.writes.splice(0, batch)
      node.writing = false
      for (const write of done) node.disk.write(write.records)
      const last = done.at(-1) as (typeof done)[number]
      node.durable = last.writeId
      this.#releaseHeld(node, last.writeId)
      // Group commit: sometimes one completion stands for all.
      const reported = this.random() < 0.5 ? done : [last]
      for (const { writeId, epoch: writeEpoch, term: writeTerm, index } of reported) {
        this.step(node, { type: 'stored', writeId, epoch: writeEpoch, term: writeTerm, index })
      }
      this.#startWrite(node)
    })
  }

  #releaseHeld(node: Node, durable: WriteId): void {
    const held = node.held
    node.held = []
    for (const send of held) {
      if ((send.after as number) <= durable) this.#transmit(node, send)
      else node.held.push(send)
    }
  }

  #transmit(node: Node, { to, message }: Extract<Effect, { type: 'send' }>): void {
    this.#checkVote(node, to, message)
    const copies = this.random() < this.faults.duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (this.cut.has(`${node.id}>${to}`) || this.random() < this.faults.drop) continue
      // Most messages are quick, some are very late: delayed across terms and restarts.
      const slow = this.random() < 0.02 ? 50 : 1
      this.#queue.at(this.nowMs + 0.1 + this.random() * this.faults.delayMaxMs * slow, () => {
        const target = this.nodes.get(to) as Node
        this.onDeliver(node.id, to, message)
        this.step(target, { type: 'message', from: node.id, configHash: CONFIG_HASH, message })
      })
    }
  }

  #later(node: Node, delayMs: number, run: () => void): void {
    const { life } = node
    this.#queue.at(this.nowMs + delayMs, () => {
      if (this.nodes.get(node.id) === node && node.life === life) run()
    })
  }

  // Invariants.

  /** One vote per term and member, over restarts too. */
  #checkVote(node: Node, to: NodeId, message: ProtocolMessage): void {
    if (message.type !== 'requestVoteReply' || !message.granted) return
    const key = `${node.id}/${message.term}`
    const before = this.#votes.get(key)
    if (before !== undefined && before !== to) throw new Error(`${node.id} voted twice in term ${message.term}`)
    this.#votes.set(key, to)
    if (node.disk.hardState.term < message.term) throw new Error('a vote left before it was durable')
  }

  /** Election safety and leader completeness. */
  #checkNewLeader(node: Node, leaderTerm: number): void {
    this.counts.leaderChanges++
    const other = this.leaders.get(leaderTerm)
    if (other !== undefined && other !== node.id) throw new Error(`two leaders in term ${leaderTerm}`)
    this.leaders.set(leaderTerm, node.id)
    for (const entry of this.committed) {
      const own = node.core.entry(entry.index) ?? node.disk.entries[entry.index - 1]
      if (own === undefined || own.term !== entry.term) throw new Error(`leader ${node.id} lacks ${entry.index}`)
    }
  }

  /** Log matching: index and term name one entry and, through the chain and the term before, its whole past. */
  #checkStored(records: readonly StoreRecord[]): void {
    for (const record of records) {
      if (record.kind === 'truncate' && record.from <= 0) throw new Error('truncated everything')
      if (record.kind !== 'entries') continue
      for (const entry of record.entries) {
        const key = `${entry.term}/${entry.index}`
        const chain = Buffer.from(entry.chain).toString('hex')
        const before = this.#positions.get(key)
        if (before !== undefined && before !== chain) throw new Error(`two entries at ${key}`)
        this.#positions.set(key, chain)
      }
    }
  }

  /** State machine safety, and that what commits first is durable on a majority of the voters. */
  #checkCommit(node: Node, upTo: LogIndex): void {
    if (upTo <= node.commit) throw new Error('commit went back')
    for (let index = node.commit + 1; index <= upTo; index++) {
      const entry = node.disk.entries[index - 1]
      if (entry === undefined) throw new Error(`${node.id} committed ${index}, which is not durable there`)
      const known = this.committed[index - 1]
      if (known === undefined) this.#checkFirstCommit(entry)
      else if (known.term !== entry.term || !Buffer.from(known.chain).equals(Buffer.from(entry.chain))) {
        throw new Error(`${node.id} committed another entry at ${index}`)
      }
    }
    node.commit = upTo
    this.#later(node, this.random() * 10, () => {
      if (upTo <= node.executed) return
      node.executed = upTo
      this.step(node, { type: 'executed', upTo, stateDigest: null, resultRoot: null })
    })
  }

  #checkFirstCommit(entry: Entry): void {
    const voters = this.members.filter((member) => member.voter)
    let holders = 0
    for (const { id } of voters) if (this.nodes.get(id)?.disk.entries[entry.index - 1]?.term === entry.term) holders++
    if (holders * 2 <= voters.length) throw new Error(`${entry.index} committed with ${holders} durable copies`)
    const previous = this.committed.at(-1)
    if (previous !== undefined && entry.timestampMs < previous.timestampMs) throw new Error('timestamps went back')
    this.committed.push(entry)
  }

  #nextTick(): { atMs: number; node: Node } | undefined {
    let found: { atMs: number; node: Node } | undefined
    for (const node of this.nodes.values()) {
      if (!node.up) continue
      const atMs = node.core.deadline()
      if (atMs !== undefined && (found === undefined || atMs < found.atMs)) found = { atMs, node }
    }
    return found
  }
}
