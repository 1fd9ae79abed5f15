/**
 * The node loop: drains what arrived, steps the core, groups writes, applies behind commit, and writes
 * once per peer and client per turn. It knows no protocol: everything protocol-specific is behind
 * `Core`, everything outside the process behind ports (architecture: the node loop).
 *
 * Order within a turn: pause check, messages, new batch, reads, tick, disk, apply, digests, flush.
 */
import { unreachable } from '../base/assert.js'
import { KnhkError } from '../base/error.js'
import { computeBatchDigest } from '../consensus/batch-digest.js'
import type { Core, Effect, Now, ProtocolMessage, Role } from '../consensus/core.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import type { LogIndex, Millis, NodeId } from '../consensus/types.js'
import { CLIENT_FRAME, encodeLeaderNotice, requestNumberOf, requestOf } from '../transport/client-protocol.js'
import type { WorkflowMachine } from '../workflow/machine.js'
import { Answers, answerApplied, refuse, refuseOne } from './answers.js'
import { Applier } from './applier.js'
import { Collector, type Waiters } from './collector.js'
import { Digests } from './digests.js'
import { admit } from './ingress.js'
import type { NodeLimits } from './limits.js'
import { LogWriter, type StoreEffect } from './log-writer.js'
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
  StateStore,
} from './ports.js'
import { QueryService } from './query-service.js'
import { ReadQueue } from './reads.js'

export interface NodePorts {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: Random
  readonly peers: PeerLinks
  readonly clients: ClientListener
  readonly log: LogStore
  readonly state: StateStore
  readonly logger: Logger
  readonly sha256: Sha256
}

export interface NodeOptions {
  readonly self: NodeId
  readonly configHash: Uint8Array
  readonly zone: string
  readonly version: string
  readonly electionTimeoutMinMs: Millis
  readonly limits: NodeLimits
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
  readonly #machine: WorkflowMachine
  readonly #collector: Collector
  readonly #answers = new Answers()
  readonly #reads: ReadQueue
  readonly #writer: LogWriter
  readonly #applier: Applier
  readonly #digests: Digests
  readonly #queries: QueryService
  readonly #pauses: PauseWatch
  readonly #connections = new Set<ClientConnection>()
  #inbox: Incoming[] = []
  #completions: StoreEffect[] = []
  #proposing = new Map<number, Waiters>()
  #waiters: Waiters | undefined
  #nextProposalId = 1
  #commitIndex = 0 as LogIndex
  #role: Role = 'follower'
  #leader: NodeId | null = null
  #leaderSeenMs: Millis
  #flushedMs: Millis
  #lastAppliedMs: Millis
  #turnScheduled = false
  #cancelTimer: (() => void) | undefined
  #timerAtMs: Millis = Number.POSITIVE_INFINITY
  #stopped = false

  constructor(options: NodeOptions, ports: NodePorts, core: Core, machine: WorkflowMachine) {
    this.#options = options
    this.#ports = ports
    this.#core = core
    this.#machine = machine
    const { limits } = options
    const now = ports.clock.monotonicMs()
    this.#leaderSeenMs = now
    this.#flushedMs = now
    this.#lastAppliedMs = now
    this.#commitIndex = core.status().commitIndex
    this.#collector = new Collector(limits)
    this.#pauses = new PauseWatch(options.electionTimeoutMinMs, now)
    this.#digests = new Digests({ sha256: ports.sha256, clock: ports.clock, limits })
    this.#reads = new ReadQueue({
      limits,
      firstId: 1 + Math.floor(ports.random() * 2 ** 40),
      begin: (id) => this.#step({ type: 'read', readId: id }),
    })
    this.#writer = new LogWriter({
      log: ports.log,
      onStored: (stored) => {
        this.#completions.push(...stored)
        this.#wake()
      },
      onFailed: (error) => this.#fail(error),
    })
    this.#applier = new Applier({
      machine,
      log: ports.log,
      state: ports.state,
      clock: ports.clock,
      limits,
      cached: (index) => core.entry(index),
      onBegin: (entry) => {
        this.#waiters = this.#answers.take(entry.index, entry.term)
      },
      onRequest: (entry, ordinal, firstPosition, results) => this.#answer(entry, ordinal, firstPosition, results),
      onApplied: (entry) => this.#applied(entry),
      wake: () => this.#wake(),
      onFailed: (error) => this.#fail(error),
    })
    this.#queries = new QueryService({
      state: ports.state,
      log: ports.log,
      tables: machine,
      digests: this.#digests,
      context: () => ({ mode: core.status().mode, assurance: 'quorum', epoch: core.status().epoch }),
      appliedIndex: () => this.#applier.appliedIndex,
      status: () => this.#status(),
      staleMs: () => (this.#role === 'leader' ? 0 : ports.clock.monotonicMs() - this.#leaderSeenMs),
      openMax: limits.queriesWaitingMax,
      linearizable: (callback) => {
        const added = this.#reads.add(callback)
        this.#wake()
        return added
      },
    })
  }

  /** Something that a turn waited for has happened outside the loop. */
  wake(): void {
    this.#wake()
  }

  /** Begins to listen and to take part. */
  start(): void {
    const { peers, clients, scheduler, state } = this.#ports
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
    const pause = () => new Promise<void>((resolve) => scheduler.nextTurn(resolve))
    this.#digests.rebuild(state, pause).then(
      () => this.#wake(),
      (error: unknown) => this.#fail(error),
    )
    this.#wake()
  }

  /** Stops taking part; the log gets its seal, the state its last generation. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelTimer?.()
    refuse(this.#collector.drain(), { code: 'NotLeader', outcomeUnknown: false, leader: null })
    this.#answers.abandon(null)
    this.#ports.clients.flush()
    await this.#ports.clients.close()
    await this.#ports.peers.close()
    await this.#writer.stop()
    // Inside an entry the state is at no index: its last generation is dropped, the log gives it again.
    if (!this.#applier.isInsideEntry) {
      this.#machine.checkpoint()
      this.#ports.state.rotate(this.#applier.appliedIndex)
    }
    await this.#ports.state.close()
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
    this.#flushIfDue(clock.monotonicMs())
    // Where apply waits for the digests, they get its time too.
    const lagged = this.#digestsLag
    const budgetMs = lagged ? digestBudgetMs + applyBudgetMs : digestBudgetMs
    const moreDigests = this.#digests.work(clock.monotonicMs() + budgetMs)
    const caughtUp = lagged && !this.#digestsLag
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
    if (this.#commitIndex - this.#applier.appliedIndex > this.#options.limits.applyLagEntriesMax) {
      refuse(this.#collector.drain(), { code: 'ResourceExhausted', outcomeUnknown: false, leader: this.#leader })
      return
    }
    const batch = this.#collector.take()
    const proposalId = this.#nextProposalId++
    this.#proposing.set(proposalId, batch)
    const batchDigest = computeBatchDigest(this.#ports.sha256, 'data', batch.body)
    this.#step({ type: 'propose', proposalId, kind: 'data', body: batch.body, batchDigest })
  }

  #step(input: Parameters<Core['step']>[0]): void {
    const now: Now = { monotonicMs: this.#ports.clock.monotonicMs(), wallMs: this.#ports.clock.wallMs() }
    for (const effect of this.#core.step(input, now)) this.#perform(effect)
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
      case 'snapshotWanted':
      case 'installSnapshot':
      case 'evidence':
        // Snapshots join with compaction, evidence with the Byzantine protocols: until then the log
        // keeps every entry, so no peer can fall behind it.
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
    const upTo = Math.min(this.#commitIndex, this.#writer.durableIndex) as LogIndex
    const before = this.#applier.appliedIndex
    // An entry that has begun is finished; the digests wake the loop as long as they have work.
    const waits = this.#digestsLag && !this.#applier.isInsideEntry
    const more = !waits && this.#applier.advance(upTo, deadlineMs)
    const applied = this.#applier.appliedIndex
    if (applied > before) {
      this.#lastAppliedMs = this.#ports.clock.monotonicMs()
      this.#step({ type: 'executed', upTo: applied, stateDigest: null, resultRoot: null })
    }
    this.#reads.serve(applied)
    return more
  }

  get #digestsLag(): boolean {
    return this.#digests.waitingBytes > this.#options.limits.digestBacklogBytesMax
  }

  #answer(entry: Entry, ordinal: number, firstPosition: number, results: Uint8Array): void {
    if (this.#waiters === undefined) return
    const context = { mode: 'raft', assurance: 'quorum', epoch: entry.epoch } as const
    answerApplied(this.#waiters, ordinal, context, entry.index, firstPosition, results)
  }

  #applied(entry: Entry): void {
    this.#waiters = undefined
    if (entry.index % this.#options.limits.digestInterval === 0) this.#rotate(entry.index, entry.index)
  }

  /** Ends the open generation: its changes reach the digest now and the disk with the next flush. */
  #rotate(applied: LogIndex, recordAt: LogIndex | null): void {
    this.#machine.checkpoint()
    const { state } = this.#ports
    const { openBytes } = state
    this.#digests.add(state.rotate(applied), openBytes, recordAt)
  }

  /** Writes behind: when much is unwritten, now and then, and when the node has become idle. */
  #flushIfDue(nowMs: Millis): void {
    if (this.#applier.isInsideEntry) return
    const { limits } = this.#options
    const { state } = this.#ports
    const applied = this.#applier.appliedIndex
    const { openBytes, unflushedBytes } = state
    const due = openBytes + unflushedBytes > 0 && nowMs >= this.#flushedMs + limits.flushIntervalMs
    // The same sums as in `#idleDeadline`: a difference can round below them, and the loop would turn in vain.
    const idle = nowMs >= this.#lastAppliedMs + limits.idleMs
    const digestDue = idle && this.#digests.isIdle && this.#digests.latest?.index !== applied
    // What is frozen and not yet written says nothing about the open generation: cut at every turn of a
    // long write, it would end as a thousand small ones, and each read looks through all of them.
    if (digestDue || due || openBytes >= limits.generationBytesMax) {
      this.#rotate(applied, digestDue ? applied : null)
      this.#flushedMs = nowMs
    } else if (openBytes + unflushedBytes < limits.generationBytesMax) return
    state.flush()
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
      else if (type === CLIENT_FRAME.query) this.#queries.frame(connection, payload, () => this.#wake())
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
    const wanted = [this.#core.deadline(), this.#reads.deadline(), this.#pauses.deadline(), this.#idleDeadline()]
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

  #idleDeadline(): Millis | undefined {
    const { openBytes, unflushedBytes } = this.#ports.state
    const idleAtMs = this.#lastAppliedMs + this.#options.limits.idleMs
    if (this.#digests.isIdle && this.#digests.latest?.index !== this.#applier.appliedIndex) return idleAtMs
    if (openBytes + unflushedBytes === 0) return undefined
    return this.#flushedMs + this.#options.limits.flushIntervalMs
  }

  #status(): Record<string, unknown> {
    const status = this.#core.status()
    const digest = this.#digests.latest
    return {
      id: this.#options.self,
      role: status.role,
      mode: status.mode,
      epoch: status.epoch,
      term: status.term,
      view: status.view,
      round: status.round,
      leader: status.leader,
      firstIndex: status.firstIndex,
      lastIndex: status.lastIndex,
      commitIndex: status.commitIndex,
      appliedIndex: this.#applier.appliedIndex,
      digestIndex: digest?.index ?? null,
      stateDigest: digest?.stateDigest ?? null,
      dataDigest: digest?.dataDigest ?? null,
      zone: this.#options.zone,
      version: this.#options.version,
      http: null,
      peers: status.peers.map((peer) => ({
        ...peer,
        connected: this.#ports.peers.isConnected(peer.id),
        rttMs: this.#ports.peers.rttMs(peer.id),
      })),
    }
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelTimer?.()
    this.#options.onFatal(error)
  }
}
