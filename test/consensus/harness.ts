/**
 * A small deterministic cluster of Raft cores: one seed decides every delay, loss, duplicate, crash and
 * timer. It drives the cores as a node does (writes complete later, sends wait for their write, a crash
 * loses what was not durable) and checks Raft's invariants at every step.
 */
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import type { ClusterSettings } from '../../src/consensus/configuration.js'
import type { Effect, Input, ProtocolMessage, StoreRecord } from '../../src/consensus/core.js'
import type { Entry } from '../../src/consensus/entry.js'
import { type Membership, quorumOf, type TargetMember } from '../../src/consensus/membership.js'
import { hasQuorum } from '../../src/consensus/quorum.js'
import { DEFAULT_RAFT_LIMITS, RaftCore, type RaftLimits } from '../../src/consensus/raft/index.js'
import type { SnapshotOffer } from '../../src/consensus/snapshot.js'
import { type LogIndex, type NodeId, nodeId, readId, type WriteId } from '../../src/consensus/types.js'
import { configurationAt, positionOf } from './cluster-parts.js'
import { CALM, CoreCluster, type Faults, justStarted, type NodeParts, type Sent } from './core-cluster.js'
import { CLUSTER_ID, CONFIG_HASH, Disk, members, SETTINGS, sha256 } from './disk.js'

const LOAD_ENTRIES_MAX = 4

interface Node extends NodeParts<RaftCore, Disk> {
  /** The state waits for the log to begin at its snapshot. */
  restoring: { readonly index: number; readonly after: WriteId } | null
  /** Index of the snapshot on its way, 0 for none. */
  fetching: number
}

export class Cluster extends CoreCluster<Node> {
  readonly genesis: Membership
  readonly settings: ClusterSettings
  readonly limits: RaftLimits
  override faults: Faults = CALM
  /** Every committed entry by index, as first seen. */
  readonly committed: Entry[] = []
  /** The term of whoever was first seen to commit an index. */
  readonly #committedIn: number[] = []
  readonly leaders = new Map<number, NodeId>()
  readonly counts = {
    proposed: 0,
    reads: 0,
    loads: 0,
    crashes: 0,
    leaderChanges: 0,
    refusedReads: 0,
    leasedReads: 0,
    installs: 0,
    changes: 0,
  }
  /** Sees every message as it is delivered. */
  onDeliver: (from: NodeId, to: NodeId, message: ProtocolMessage) => void = () => {}
  readonly #votes = new Map<string, NodeId>()
  readonly #positions = new Map<string, string>()
  readonly #reads = new Map<number, number>()
  #nextId = 1

  constructor(options: {
    seed: number
    voters: number
    learners?: number
    /** Nodes that are in no configuration yet. */
    spares?: number
    limits?: Partial<RaftLimits>
    /** Turns leases on. */
    leaseDriftMs?: number
  }) {
    super(options.seed)
    this.limits = { ...DEFAULT_RAFT_LIMITS, ...options.limits }
    const { voters, learners = 0, spares = 0, leaseDriftMs = null } = options
    this.settings = { ...SETTINGS, leaseDriftMs }
    const names = Array.from({ length: voters + learners + spares }, (_, i) => nodeId(`n${i + 1}`))
    this.genesis = members(voters, names.slice(voters, voters + learners))
    for (const id of names) {
      const disk = new Disk()
      this.nodes.set(id, this.#boot(id, disk, 0, (this.random() - 0.5) * 4000))
    }
  }

  leader(): Node | undefined {
    const leaders = [...this.nodes.values()].filter((node) => node.up && node.core.status().role === 'leader')
    return leaders.sort((a, b) => b.core.status().term - a.core.status().term)[0]
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
    const now = { monotonicMs: this.nowMs, wallMs: this.nowMs }
    if (node.up && node.core.holdsLease(now)) this.counts.leasedReads++
    this.step(node, { type: 'read', readId: readId(id), lease: this.settings.leaseDriftMs !== null })
    return id
  }

  override crash(node: Node): void {
    if (!node.up) return
    this.counts.crashes++
    this.end(node)
    node.disk.executed = Math.min(node.executed, Math.floor(node.executed * (0.5 + this.random())))
  }

  restart(node: Node): void {
    if (node.up) return
    const fresh = this.#boot(node.id, node.disk, node.life, node.wallOffsetMs)
    this.nodes.set(node.id, fresh)
  }

  /** Snapshots what the node has executed, and lets its log begin somewhere before that. */
  snapshot(node: Node): void {
    const index = Math.min(node.executed, node.core.status().commitIndex)
    const entry = node.disk.entry(index)
    const newest = node.disk.snapshot?.base.index ?? 0
    if (!node.up || entry === undefined || node.restoring !== null || index <= newest) return
    const base = { ...positionOf(entry), membership: configurationAt(this.committed, index) }
    const snapshot = { base, id: new Uint8Array(32).fill(index), bytes: 1 }
    node.disk.snapshot = snapshot
    const kept = node.disk.entry(index - Math.floor(this.random() * 6))
    this.step(node, { type: 'snapshotTaken', snapshot, compactTo: kept === undefined ? null : positionOf(kept) })
  }

  /** Asks the leader for other members: `target` as a whole. */
  change(node: Node, target: readonly TargetMember[]): void {
    const planned = node.core.status().membership.index
    this.step(node, { type: 'order', orderId: this.#nextId++, order: { kind: 'changeMembership', planned, target } })
  }

  #fetch(node: Node, from: NodeId, snapshot: SnapshotOffer): void {
    if (node.fetching === snapshot.base.index) return
    node.fetching = snapshot.base.index
    this.later(node, this.random() * 60, () => {
      node.fetching = 0
      if (this.cut.has(`${from}>${node.id}`) || !(this.nodes.get(from) as Node).up) return
      if (node.disk.snapshot === null || node.disk.snapshot.base.index < snapshot.base.index)
        node.disk.snapshot = snapshot
      this.step(node, { type: 'snapshotFetched', snapshot })
    })
  }

  override step(node: Node, input: Input): void {
    if (!node.up) return
    const before = node.core.status().role
    const effects = node.core.step(input, { monotonicMs: this.nowMs, wallMs: this.nowMs + 1e6 + node.wallOffsetMs })
    for (const effect of effects) this.#perform(node, effect)
    const status = node.core.status()
    if (status.role === 'leader' && before !== 'leader') this.#checkNewLeader(node, status.term)
    this.startWrite(node)
  }

  #boot(id: NodeId, disk: Disk, life: number, wallOffsetMs: number): Node {
    const restored = disk.restored(1 + Math.floor(this.random() * 20))
    const core = new RaftCore(
      {
        self: id,
        genesis: this.genesis,
        clusterId: CLUSTER_ID,
        configHash: CONFIG_HASH,
        settings: this.settings,
        limits: this.limits,
      },
      { sha256, random: this.random, restored, now: { monotonicMs: this.nowMs, wallMs: this.nowMs } },
    )
    return {
      id,
      disk,
      core,
      life,
      ...justStarted(),
      commit: disk.base.index,
      executed: Math.max(disk.base.index, disk.executed),
      restoring: null,
      fetching: 0,
      wallOffsetMs,
    }
  }

  #perform(node: Node, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.send(node, effect)
        return
      case 'store':
        this.#checkStored(effect.records)
        node.writes.push(effect)
        return
      case 'load':
        this.counts.loads++
        this.load(node, effect, LOAD_ENTRIES_MAX)
        return
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
      case 'fetchSnapshot':
        this.#fetch(node, effect.from, effect.snapshot)
        return
      case 'restoreState':
        this.counts.installs++
        node.restoring = { index: effect.snapshot.base.index, after: effect.after }
        node.commit = effect.snapshot.base.index
        return
      case 'orderRefused':
      case 'ordered':
        if (effect.type === 'ordered' && effect.index !== null) this.counts.changes++
        return
      default:
    }
  }

  protected override tick(node: Node): void {
    this.step(node, { type: 'tick' })
    if (node.up && (node.core.deadline() ?? Number.POSITIVE_INFINITY) <= this.nowMs)
      throw new Error(`a tick left ${node.id} due at once`)
  }

  protected override written(node: Node): void {
    if (node.restoring === null || node.restoring.after > node.durable) return
    node.executed = node.restoring.index
    node.restoring = null
  }

  protected override transmit(node: Node, { to, message }: Sent): void {
    this.#checkVote(node, to, message)
    const copies = this.random() < this.faults.duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (this.cut.has(`${node.id}>${to}`) || this.random() < this.faults.drop) continue
      // Most messages are quick, some are very late: delayed across terms and restarts.
      const slow = this.random() < 0.02 ? 50 : 1
      this.queue.at(this.nowMs + 0.1 + this.random() * this.faults.delayMaxMs * slow, () => {
        const target = this.nodes.get(to) as Node
        this.onDeliver(node.id, to, message)
        this.step(target, { type: 'message', from: node.id, configHash: CONFIG_HASH, message })
      })
    }
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
      // A leader of an older term, elected by votes that came late, need not have it.
      if ((this.#committedIn[entry.index - 1] as number) >= leaderTerm) continue
      if (entry.index < node.core.status().firstIndex) continue
      const own = node.core.entry(entry.index) ?? node.disk.entry(entry.index)
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
      if (index <= node.disk.base.index) continue
      const entry = node.disk.entry(index)
      if (entry === undefined) throw new Error(`${node.id} committed ${index}, which is not durable there`)
      const known = this.committed[index - 1]
      if (known === undefined) this.#checkFirstCommit(entry, node.core.status().term)
      else if (known.term !== entry.term || !Buffer.from(known.chain).equals(Buffer.from(entry.chain))) {
        throw new Error(`${node.id} committed another entry at ${index}`)
      }
    }
    node.commit = upTo
    this.later(node, this.random() * 10, () => {
      if (upTo <= node.executed || node.restoring !== null) return
      node.executed = upTo
      this.step(node, { type: 'executed', upTo, stateDigest: null, resultRoot: null })
    })
  }

  #checkFirstCommit(entry: Entry, term: number): void {
    const holds = (id: NodeId): boolean => {
      const disk = this.nodes.get(id)?.disk
      return disk !== undefined && (disk.base.index >= entry.index || disk.entry(entry.index)?.term === entry.term)
    }
    // Whoever committed first went by the configuration in force at a leader; a follower may know an older one.
    const known = [...this.nodes.values()].map((node) => quorumOf(node.core.status().membership.membership))
    if (!known.some((quorum) => hasQuorum(quorum, holds))) throw new Error(`${entry.index} committed without a quorum`)
    const previous = this.committed.at(-1)
    if (previous !== undefined && entry.timestampMs < previous.timestampMs) throw new Error('timestamps went back')
    this.committed.push(entry)
    this.#committedIn.push(term)
  }
}
