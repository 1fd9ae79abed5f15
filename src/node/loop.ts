/**
 * The node loop: drains what arrived, steps the core, groups writes, applies behind commit, and writes
 * once per peer and client per turn. It knows no protocol: everything protocol-specific is behind
 * `Core`, everything outside the process behind ports (architecture: the node loop).
 *
 * Order within a turn: pause check, messages, new batch, reads, tick, disk, apply, answers, write-behind,
 * digests.
 */
import { unreachable } from '../base/assert.js'
import { KnhkError } from '../base/error.js'
import { computeBatchDigest } from '../consensus/batch-digest.js'
import type { Core, Effect, Input, Now, ProtocolMessage, Role } from '../consensus/core.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import type { MembershipRecord } from '../consensus/membership.js'
import type { LogIndex, Millis, NodeId } from '../consensus/types.js'
import {
  type AnswerContext,
  CLIENT_FRAME,
  encodeLeaderNotice,
  requestNumberOf,
  requestOf,
} from '../transport/client-protocol.js'
import type { WorkflowMachine } from '../workflow/machine.js'
import { Answers, answerApplied, refuse, refuseOne } from './answers.js'
import { Collector, type Waiters } from './collector.js'
import { Execution, type MakeMachine } from './execution.js'
import { admit } from './ingress.js'
import type { NodeLimits } from './limits.js'
import { LogWriter, type StoreEffect } from './log-writer.js'
import { memberList, nodeStatus } from './node-status.js'
import { Orders } from './orders.js'
import { PauseWatch } from './pause-watch.js'
import type {
  ClientConnection,
  ClientListener,
  Clock,
  Logger,
  LogStore,
  PeerLinks,
  Random,
  Scheduler,
  SnapshotLinks,
  SnapshotStore,
  StateStore,
} from './ports.js'
import { QueryService } from './query-service.js'
import { ReadQueue } from './reads.js'
import { SnapshotKeeper } from './snapshot-keeper.js'
import { SnapshotTransfer } from './snapshot-transfer.js'

export interface NodePorts {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: Random
  readonly peers: PeerLinks
  readonly clients: ClientListener
  readonly log: LogStore
  readonly state: StateStore
  readonly snapshots: SnapshotStore
  readonly snapshotLinks: SnapshotLinks
  readonly logger: Logger
  readonly sha256: Sha256
}

export interface NodeOptions {
  readonly self: NodeId
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly configHash: Uint8Array
  readonly zone: string
  readonly version: string
  readonly electionTimeoutMinMs: Millis
  readonly limits: NodeLimits
  readonly makeMachine: MakeMachine
  /** Called once when the node cannot go on: a write failed, or an invariant broke. */
  readonly onFatal: (error: unknown) => void
}

interface Incoming {
  readonly from: NodeId
  readonly message: ProtocolMessage
}

export class NodeLoop {
  readonly #options: NodeOptions
  readonly #ports: NodePorts
  readonly #core: Core
  readonly #collector: Collector
  readonly #answers = new Answers()
  readonly #reads: ReadQueue
  readonly #writer: LogWriter
  readonly #execution: Execution
  readonly #snapshots: SnapshotKeeper
  readonly #transfer: SnapshotTransfer
  readonly #orders: Orders
  readonly #queries: QueryService
  readonly #pauses: PauseWatch
  readonly #connections = new Set<ClientConnection>()
  #inbox: Incoming[] = []
  #completions: StoreEffect[] = []
  #proposing = new Map<number, Waiters>()
  #waiters: Waiters | undefined
  /** What the answers of the entry that is being applied rest on. */
  #entryContext: AnswerContext
  #nextProposalId = 1
  #commitIndex = 0 as LogIndex
  #role: Role = 'follower'
  #leader: NodeId | null = null
  #leaderSeenMs: Millis
  /** A snapshot that replaces the state once the log begins behind it. */
  #restore: Extract<Effect, { type: 'restoreState' }> | null = null
  #turnScheduled = false
  #cancelTimer: (() => void) | undefined
  #timerAtMs: Millis = Number.POSITIVE_INFINITY
  #stopped = false

  constructor(options: NodeOptions, ports: NodePorts, core: Core, machine: WorkflowMachine) {
    this.#options = options
    this.#ports = ports
    this.#core = core
    const { limits } = options
    const now = ports.clock.monotonicMs()
    this.#leaderSeenMs = now
    this.#entryContext = this.#context()
    this.#commitIndex = core.status().commitIndex
    this.#collector = new Collector(limits)
    this.#pauses = new PauseWatch(options.electionTimeoutMinMs, now)
    this.#reads = new ReadQueue({
      limits,
      firstId: 1 + Math.floor(ports.random() * 2 ** 40),
      begin: (id, lease) => this.#step({ type: 'read', readId: id, lease }),
    })
    this.#writer = new LogWriter({
      log: ports.log,
      onStored: (stored) => {
        this.#completions.push(...stored)
        this.#wake()
      },
      onFailed: (error) => this.#fail(error),
    })
    this.#execution = new Execution(
      {
        ...ports,
        limits,
        makeMachine: options.makeMachine,
        cached: (index) => core.entry(index),
        onBegin: (entry) => {
          this.#entryContext = this.#context()
          this.#waiters = this.#answers.take(entry.index, entry.term)
        },
        onRequest: (entry, ordinal, firstPosition, results) => this.#answer(entry, ordinal, firstPosition, results),
        onApplied: (entry) => this.#applied(entry),
        onDigest: ({ index, stateDigest }) =>
          this.#step({ type: 'executed', upTo: index, stateDigest, resultRoot: null }),
        wake: () => this.#wake(),
        onFailed: (error) => this.#fail(error),
      },
      machine,
    )
    this.#snapshots = new SnapshotKeeper({
      ...ports,
      core,
      execution: this.#execution,
      clusterId: options.clusterId,
      limits,
      onTaken: (snapshot, compactTo) => this.#input({ type: 'snapshotTaken', snapshot, compactTo }),
      onFailed: (error) => this.#fail(error),
    })
    this.#transfer = new SnapshotTransfer({
      ...ports,
      links: ports.snapshotLinks,
      limits,
      onFetched: (snapshot) => this.#input({ type: 'snapshotFetched', snapshot }),
      onGone: (id) => this.#input({ type: 'snapshotGone', id }),
      onFailed: (error) => this.#fail(error),
    })
    this.#orders = new Orders({
      roleOf: (key) => this.#execution.machine.roleOf(key),
      context: () => this.#context(),
      leader: () => this.#leader,
      give: (orderId, order) => this.#step({ type: 'order', orderId, order }),
      takeSnapshot: (compactAll) => this.#snapshots.take(compactAll),
      openMax: limits.queriesWaitingMax,
      wake: () => this.#wake(),
    })
    this.#queries = new QueryService({
      state: ports.state,
      log: ports.log,
      snapshots: ports.snapshots,
      execution: this.#execution,
      context: () => this.#context(),
      status: () => nodeStatus(options, ports.peers, core.status(), this.#execution),
      members: () => memberList(core.status()),
      staleMs: () => (this.#role === 'leader' ? 0 : ports.clock.monotonicMs() - this.#leaderSeenMs),
      openMax: limits.queriesWaitingMax,
      holdsLease: () => core.holdsLease(this.#now()),
      confirmed: (lease, callback) => {
        const added = this.#reads.add(callback, lease)
        this.#wake()
        return added
      },
    })
  }

  /** The state machine as it is now: a snapshot replaces it. */
  get machine(): WorkflowMachine {
    return this.#execution.machine
  }

  /** Something that a turn waited for has happened outside the loop. */
  wake(): void {
    this.#wake()
  }

  /** Begins to listen and to take part. */
  start(): void {
    const { peers, clients } = this.#ports
    peers.onMessage = (from, message) => {
      if (this.#stopped) return
      this.#inbox.push({ from, message })
      this.#wake()
    }
    peers.onConnectionChange = (peer, connected) => {
      this.#ports.logger.log('info', connected ? 'peer connected' : 'peer disconnected', { peer })
    }
    clients.onOpen = (connection) => this.#opened(connection)
    clients.onClose = (connection) => this.#connections.delete(connection)
    clients.onFrame = (connection, type, payload) => this.#frame(connection, type, payload)
    this.#connectMembers()
    this.#execution.start()
    this.#wake()
  }

  /** Stops taking part; the log gets its seal, the state its last generation. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelTimer?.()
    this.#transfer.stop()
    refuse(this.#collector.drain(), { code: 'NotLeader', outcomeUnknown: false, leader: null })
    this.#answers.abandon(null)
    this.#ports.clients.flush()
    await this.#ports.clients.close()
    await this.#ports.peers.close()
    await this.#writer.stop()
    await this.#execution.close()
    await this.#ports.snapshots.close()
    await this.#ports.log.close()
  }

  #wake(): void {
    if (this.#turnScheduled || this.#stopped) return
    this.#turnScheduled = true
    this.#ports.scheduler.nextTurn(() => {
      this.#turnScheduled = false
      if (this.#stopped) return
      try {
        this.#turn()
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  #turn(): void {
    const { clock, peers, clients } = this.#ports
    const startMs = clock.monotonicMs()
    const pausedMs = this.#pauses.look(startMs)
    if (pausedMs > 0) {
      this.#ports.logger.log('warn', 'the process stood still', { pausedMs: Math.round(pausedMs) })
      this.#step({ type: 'paused', pausedMs })
    }
    this.#drain()
    this.#propose()
    this.#reads.retry(startMs)
    this.#reads.beginRound(startMs)
    const due = this.#core.deadline()
    if (due !== undefined && due <= clock.monotonicMs()) this.#step({ type: 'tick' })
    for (const effect of this.#writer.release()) peers.send(effect.to, effect.message)
    this.#writer.start()
    // Peers get their messages before apply takes its time.
    peers.flush()
    const { applyBudgetMs, digestBudgetMs } = this.#options.limits
    const more = this.#apply(clock.monotonicMs() + applyBudgetMs)
    peers.flush()
    clients.flush()
    this.#beginRestore()
    this.#snapshots.takeIfDue()
    this.#execution.writeBehind(clock.monotonicMs())
    // Where apply waits for the digests, they get its time too.
    const lagged = this.#execution.digestsLag
    const budgetMs = lagged ? digestBudgetMs + applyBudgetMs : digestBudgetMs
    const moreDigests = this.#execution.digest(clock.monotonicMs() + budgetMs)
    const caughtUp = lagged && !this.#execution.digestsLag
    if (more || moreDigests || caughtUp || this.#inbox.length > 0) this.#wake()
    this.#armTimer(clock.monotonicMs())
  }

  #drain(): void {
    if (this.#completions.length > 0) {
      const completions = this.#completions
      this.#completions = []
      for (const { writeId, epoch, term, index } of completions)
        this.#step({ type: 'stored', writeId, epoch, term, index })
    }
    if (this.#inbox.length === 0) return
    const inbox = this.#inbox
    this.#inbox = []
    for (const { from, message } of inbox) {
      if (!admit(this.#core, from, message)) continue
      if (from === this.#leader) this.#leaderSeenMs = this.#ports.clock.monotonicMs()
      this.#step({ type: 'message', from, configHash: this.#options.configHash, message })
    }
  }

  /** Proposes at once when idle; while a write is under way, requests collect for the next entry. */
  #propose(): void {
    if (this.#collector.isEmpty || this.#writer.busy || this.#writer.queued > 0) return
    if (this.#answers.waitingEntries >= this.#options.limits.entriesInFlightMax) return
    if (this.#role !== 'leader') {
      refuse(this.#collector.drain(), {
        code: this.#leader === null ? 'NoLeader' : 'NotLeader',
        outcomeUnknown: false,
        leader: this.#leader,
      })
      return
    }
    if (this.#commitIndex - this.#execution.appliedIndex > this.#options.limits.applyLagEntriesMax) {
      refuse(this.#collector.drain(), { code: 'ResourceExhausted', outcomeUnknown: false, leader: this.#leader })
      return
    }
    const batch = this.#collector.take()
    const proposalId = this.#nextProposalId++
    this.#proposing.set(proposalId, batch)
    const batchDigest = computeBatchDigest(this.#ports.sha256, 'data', batch.body)
    this.#step({ type: 'propose', proposalId, kind: 'data', body: batch.body, batchDigest })
  }

  #step(input: Input): void {
    for (const effect of this.#core.step(input, this.#now())) this.#perform(effect)
  }

  #now(): Now {
    const { clock } = this.#ports
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        if (this.#writer.admit(effect)) this.#ports.peers.send(effect.to, effect.message)
        return
      case 'store':
        this.#writer.store(effect)
        return
      case 'load':
        this.#load(effect.peer, effect.from, effect.maxBytes)
        return
      case 'commit':
        this.#commitIndex = effect.upTo
        return
      case 'proposed': {
        const waiters = this.#takeProposal(effect.proposalId)
        if (waiters !== undefined) this.#answers.expect(effect.index, effect.term, waiters)
        return
      }
      case 'refused': {
        const waiters = this.#takeProposal(effect.proposalId)
        if (waiters !== undefined) refuse(waiters, { code: effect.code, outcomeUnknown: false, leader: effect.leader })
        return
      }
      case 'readReady':
        this.#reads.ready(effect.readId, effect.index)
        return
      case 'readRefused':
        this.#reads.refused(effect.readId, effect.code, effect.leader)
        return
      case 'roleChanged':
        this.#roleChanged(effect)
        return
      case 'ordered':
        this.#orders.ordered(effect)
        return
      case 'orderRefused':
        this.#orders.refused(effect)
        return
      case 'fetchSnapshot':
        this.#transfer.fetch(effect.from, effect.snapshot)
        return
      case 'restoreState':
        this.#restore = effect
        this.#commitIndex = Math.max(this.#commitIndex, effect.snapshot.base.index) as LogIndex
        return
      case 'membershipChanged':
        this.#membershipChanged(effect)
        return
      case 'diverged':
        this.#diverged(effect)
        return
      case 'membershipHinted':
        this.#connectMembers(effect.record)
        return
      case 'damaged':
        this.#ports.logger.log('error', 'this node lost what it had acknowledged: it neither votes nor leads', {
          lastIndex: effect.lastIndex,
        })
        this.#ports.log.markDamaged().catch((error: unknown) => this.#fail(error))
        return
      case 'repaired':
        this.#ports.logger.log('info', 'repaired: the log is whole again, and this node votes')
        this.#ports.log.markRepaired().catch((error: unknown) => this.#fail(error))
        return
      case 'evidence':
        this.#ports.logger.log('warn', 'an effect has no driver yet', { effect: effect.type })
        return
      default:
        unreachable(effect, 'effect')
    }
  }

  #takeProposal(proposalId: number): Waiters | undefined {
    const waiters = this.#proposing.get(proposalId)
    this.#proposing.delete(proposalId)
    return waiters
  }

  #load(peer: NodeId, from: LogIndex, maxBytes: number): void {
    this.#ports.log
      .read(from, maxBytes)
      .then((entries) => {
        if (this.#stopped) return
        this.#step({ type: 'loaded', peer, from, entries })
        this.#wake()
      })
      .catch((error: unknown) => this.#fail(error))
  }

  #roleChanged(effect: Extract<Effect, { type: 'roleChanged' }>): void {
    const wasLeader = this.#role === 'leader'
    const leaderChanged = this.#leader !== effect.leader
    this.#role = effect.role
    this.#leader = effect.leader
    this.#leaderSeenMs = this.#ports.clock.monotonicMs()
    this.#ports.logger.log('info', 'role changed', { role: effect.role, term: effect.term, leader: effect.leader })
    if (wasLeader && effect.role !== 'leader') this.#answers.abandon(effect.leader)
    if (!leaderChanged) return
    const notice = encodeLeaderNotice(effect.term, effect.leader)
    for (const connection of this.#connections) connection.send(CLIENT_FRAME.leader, notice)
  }

  #apply(deadlineMs: number): boolean {
    if (this.#restore !== null) return false
    const upTo = Math.min(this.#commitIndex, this.#writer.durableIndex) as LogIndex
    const before = this.#execution.appliedIndex
    const stop = this.#snapshots.stop
    const unfinished = this.#execution.advance(Math.min(upTo, stop) as LogIndex, deadlineMs)
    const applied = this.#execution.appliedIndex
    if (applied > before) this.#step({ type: 'executed', upTo: applied, stateDigest: null, resultRoot: null })
    if (!this.#execution.isRestoring) this.#reads.serve(applied)
    return unfinished || (applied === stop && stop < upTo)
  }

  /** Once the log begins behind a fetched snapshot, and nothing else works on the state. */
  #beginRestore(): void {
    const restore = this.#restore
    if (restore === null || !this.#writer.isDurable(restore.after)) return
    if (this.#snapshots.isTaking || this.#execution.isRestoring) return
    this.#restore = null
    const { base, id } = restore.snapshot
    this.#ports.logger.log('info', 'the state is replaced by a snapshot', { index: base.index })
    this.#execution
      .restore(base.index, this.#ports.snapshots.pairs(id))
      .then(() => {
        this.#snapshots.noteRestored()
        this.#ports.logger.log('info', 'snapshot restored', { index: base.index })
      })
      .catch((error: unknown) => this.#fail(error))
  }

  /**
   * This node's state is not what the log gives on the others: it stops. Snapshots that may hold the same fault go too; the next start rebuilds the state.
   */
  #diverged({ index, agreedIndex }: Extract<Effect, { type: 'diverged' }>): void {
    const { state, snapshots, logger } = this.#ports
    logger.log('error', 'the state of this node differs from that of the majority', { index, agreedIndex })
    const error = new KnhkError('Diverged', `the state differs from that of a majority at entry ${index}`)
    Promise.all([state.condemn(), snapshots.retain(({ base }) => base.index <= agreedIndex)]).then(
      () => this.#fail(error),
      (failed: unknown) => this.#fail(failed),
    )
  }

  #membershipChanged({ record, committed }: Extract<Effect, { type: 'membershipChanged' }>): void {
    const { index, membership } = record
    const members = membership.members.map(({ id, role }) => `${id}:${role}`).join(' ')
    this.#ports.logger.log('info', 'members changed', { index, committed, joint: membership.joint, members })
    this.#connectMembers()
  }

  /**
   * The genesis members are linked by the cluster file; later ones by what the log says, and by what
   * other members say of newer configurations.
   */
  #connectMembers(hint: MembershipRecord | null = null): void {
    const { membership: own } = this.#core.status()
    if (own.index === 0 && hint === null) return
    const members = new Map(own.membership.members.map((member) => [member.id, member]))
    for (const member of hint?.membership.members ?? []) members.set(member.id, member)
    members.delete(this.#options.self)
    this.#ports.peers.setMembers([...members.values()])
  }

  #answer(entry: Entry, ordinal: number, firstPosition: number, results: Uint8Array): void {
    if (this.#waiters === undefined) return
    answerApplied(this.#waiters, ordinal, this.#entryContext, entry.index, firstPosition, results)
  }

  #applied(entry: Entry): void {
    this.#waiters = undefined
    this.#snapshots.noteApplied(entry)
    if (entry.index % this.#options.limits.digestInterval === 0) this.#execution.rotate(entry.index)
  }

  /** What an answer rests on. */
  #context(): AnswerContext {
    const { mode, epoch } = this.#core.status()
    return { mode, assurance: 'quorum', epoch }
  }

  /** An input that comes from outside of a turn. */
  #input(input: Input): void {
    if (this.#stopped) return
    this.#step(input)
    this.#wake()
  }

  #opened(connection: ClientConnection): void {
    this.#connections.add(connection)
    connection.send(CLIENT_FRAME.leader, encodeLeaderNotice(this.#core.status().term, this.#leader))
    this.#wake()
  }

  #frame(connection: ClientConnection, type: number, payload: Uint8Array): void {
    if (this.#stopped) return
    if (connection.bufferedBytes > this.#options.limits.clientBufferBytesMax) {
      connection.close('the client does not read its answers')
      return
    }
    try {
      if (type === CLIENT_FRAME.propose) this.#proposeFrame(connection, payload)
      else if (type === CLIENT_FRAME.order) {
        this.#orders.frame(connection, payload)
        this.#wake()
      } else if (type === CLIENT_FRAME.query) this.#queries.frame(connection, payload, () => this.#wake())
      else throw new KnhkError('ProtocolViolation', `frame type ${type} is unknown`)
    } catch (error) {
      if (!(error instanceof KnhkError)) throw error
      this.#ports.logger.log('warn', 'closed a client', { code: error.code, reason: error.message })
      connection.close(error.message)
    }
  }

  #proposeFrame(connection: ClientConnection, payload: Uint8Array): void {
    const requestNumber = requestNumberOf(payload)
    const request = requestOf(payload)
    const refusal =
      this.#role === 'leader'
        ? this.#collector.add(connection, requestNumber, request)
        : this.#leader === null
          ? 'NoLeader'
          : 'NotLeader'
    if (refusal !== null)
      refuseOne(connection, requestNumber, { code: refusal, outcomeUnknown: false, leader: this.#leader })
    this.#wake()
  }

  #armTimer(nowMs: Millis): void {
    const wanted = [this.#core.deadline(), this.#reads.deadline(), this.#pauses.deadline(), this.#execution.deadline()]
    let at = Number.POSITIVE_INFINITY
    for (const candidate of wanted) if (candidate !== undefined && candidate < at) at = candidate
    // A timer that fires a little early costs one empty turn; setting one for every message costs more.
    if (this.#cancelTimer !== undefined && this.#timerAtMs <= at) return
    this.#cancelTimer?.()
    this.#timerAtMs = at
    this.#cancelTimer = this.#ports.scheduler.after(Math.max(0, at - nowMs), () => {
      this.#cancelTimer = undefined
      this.#wake()
    })
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelTimer?.()
    this.#options.onFatal(error)
  }
}
