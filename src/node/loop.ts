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
import { changeSignBytes, targetMembership } from '../consensus/bft/change-authority.js'
import { decodeEvidence, evidenceId } from '../consensus/bft/evidence.js'
import type { Core, Effect, Input, Now, ProtocolMessage, Role } from '../consensus/core.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import type { MembershipRecord } from '../consensus/membership.js'
import { requestsIn } from '../consensus/request-body.js'
import type { Assurance, LogIndex, Millis, Mode, NodeId } from '../consensus/types.js'
import type { NodeFacts } from '../telemetry/facts.js'
import { NO_OBSERVER, type Observer } from '../telemetry/observer.js'
import {
  type AnswerContext,
  CLIENT_FRAME,
  encodeLeaderNotice,
  requestNumberOf,
  requestOf,
  traceOf,
} from '../transport/client-protocol.js'
import type { WorkflowMachine } from '../workflow/machine.js'
import { Checkpoints } from './checkpoints.js'
import { EpochSteps } from './epoch-steps.js'
import { EvidenceQueries } from './evidence-queries.js'
import { Execution, type MakeMachine } from './execution.js'
import type { Intake } from './intake.js'
import { LeaderIntake } from './leader-intake.js'
import type { NodeLimits } from './limits.js'
import { LogWriter, type StoreEffect } from './log-writer.js'
import { memberList, nodeStatus, type SelfKnowledge } from './node-status.js'
import { type MemberOrder, Orders } from './orders.js'
import { PauseWatch } from './pause-watch.js'
import { PoolIntake } from './pool-intake.js'
import type {
  ClientConnection,
  ClientListener,
  Clock,
  EvidenceStore,
  Logger,
  LogStore,
  PeerLinks,
  Random,
  Scheduler,
  SignatureVerifier,
  SnapshotLinks,
  SnapshotStore,
  StateStore,
  StepStore,
} from './ports.js'
import { QueryService } from './query-service.js'
import { ReadQueue } from './reads.js'
import { ReceiptSigner } from './receipt-signer.js'
import { Receipts } from './receipts.js'
import { SnapshotKeeper } from './snapshot-keeper.js'
import { SnapshotTransfer } from './snapshot-transfer.js'
import { timedVerifier } from './timed-verifier.js'
import { Verification } from './verification.js'

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
  /** Checks signatures, where members or clients sign; null in plain Raft, where links authenticate. */
  readonly verifier: SignatureVerifier | null
  readonly evidence: EvidenceStore
  readonly epochs: StepStore
  /** Told what happens; nobody where it is absent. */
  readonly observer?: Observer
}

export interface NodeOptions {
  readonly self: NodeId
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly configHash: Uint8Array
  readonly zone: string
  readonly version: string
  /** How long a Byzantine epoch lasts at least; null where the mode never changes. */
  readonly residencyMs: Millis | null
  readonly electionTimeoutMinMs: Millis
  readonly limits: NodeLimits
  readonly makeMachine: MakeMachine
  /** Ed25519 with this node's key, 64 bytes; here it signs receipts and nothing else. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** What telemetry knows of this node, for its status; nothing where it is absent. */
  readonly selfKnowledge?: () => SelfKnowledge
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
  readonly #intake: Intake
  /** Null in plain Raft: nothing is verified beyond the link. */
  readonly #verification: Verification | null
  readonly #reads: ReadQueue
  readonly #writer: LogWriter
  readonly #execution: Execution
  readonly #checkpoints: Checkpoints
  readonly #steps: EpochSteps
  readonly #snapshots: SnapshotKeeper
  readonly #transfer: SnapshotTransfer
  readonly #orders: Orders
  readonly #queries: QueryService
  readonly #pauses: PauseWatch
  readonly #observer: Observer
  readonly #connections = new Set<ClientConnection>()
  #inbox: Incoming[] = []
  #completions: StoreEffect[] = []
  #commitIndex = 0 as LogIndex
  /** What the newest commit rests on. */
  #assurance: Assurance
  #role: Role = 'follower'
  #mode: Mode
  #leader: NodeId | null = null
  #leaderSeenMs: Millis
  /** By the clock: when this epoch began, or this run where nothing changed since. */
  #epochSinceMs: Millis
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
    const observer = ports.observer ?? NO_OBSERVER
    this.#observer = observer
    const now = ports.clock.monotonicMs()
    this.#leaderSeenMs = now
    this.#epochSinceMs = ports.clock.wallMs()
    this.#assurance = core.status().mode === 'raft' ? 'quorum' : 'certified'
    this.#commitIndex = core.status().commitIndex
    this.#mode = core.status().mode
    this.#pauses = new PauseWatch(options.electionTimeoutMinMs, now)
    this.#reads = new ReadQueue({
      limits,
      firstId: 1 + Math.floor(ports.random() * 2 ** 40),
      begin: (id, lease) => this.#step({ type: 'read', readId: id, lease }),
    })
    this.#writer = new LogWriter({
      log: ports.log,
      observer,
      onStored: (stored) => {
        this.#completions.push(...stored)
        this.#wake()
      },
      onFailed: (error) => this.#fail(error),
    })
    const { verifier } = ports
    this.#verification =
      verifier === null
        ? null
        : new Verification({
            core,
            verifier: timedVerifier(verifier, ports.clock, observer),
            sha256: ports.sha256,
            onVerified: (from, message, configHash) => {
              this.#verified(from, message, configHash)
              // A check that ended outside of a turn.
              this.#wake()
            },
            onInvalid: (from, message, reason) => this.#invalid(from, message, reason),
          })
    this.#intake = this.#makeIntake()
    this.#checkpoints = new Checkpoints(limits.checkpointInterval, (index, stateDigest) =>
      this.#input({ type: 'executed', upTo: index, stateDigest, resultRoot: null }),
    )
    this.#execution = new Execution(
      {
        ...ports,
        limits,
        makeMachine: options.makeMachine,
        cached: (index) => core.entry(index),
        onBegin: (entry) => {
          observer.applying(entry.index)
          this.#intake.begin(entry, this.#context())
        },
        onRequest: (_entry, ordinal, firstPosition, results) => this.#intake.answer(ordinal, firstPosition, results),
        onApplied: (entry) => this.#applied(entry),
        onDigest: ({ index, stateDigest }) => this.#digested(index, stateDigest),
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
      observer,
      checkpoints: this.#verification === null ? null : this.#checkpoints,
      onTaken: (snapshot, compactTo) => this.#input({ type: 'snapshotTaken', snapshot, compactTo }),
      onFailed: (error) => this.#fail(error),
    })
    this.#transfer = new SnapshotTransfer({
      ...ports,
      links: ports.snapshotLinks,
      limits,
      observer,
      onFetched: (snapshot) => this.#input({ type: 'snapshotFetched', snapshot }),
      onRejected: (from, id) => this.#input({ type: 'snapshotRejected', from, id }),
      onGone: (id) => this.#input({ type: 'snapshotGone', id }),
      onFailed: (error) => this.#fail(error),
    })
    this.#orders = new Orders({
      roleOf: (key) => this.#execution.machine.roleOf(key),
      context: () => this.#context(),
      leader: () => this.#leader,
      give: (orderId, order) => this.#step({ type: 'order', orderId, order }),
      verify: (change, done) => this.#verifyChange(change, done),
      takeSnapshot: () => this.#snapshots.take(false),
      compact: () => this.#snapshots.compact(),
      openMax: limits.queriesWaitingMax,
      wake: () => this.#wake(),
    })
    const { state, evidence: store, log, epochs } = ports
    this.#steps = new EpochSteps(log, epochs)
    const held = { core, state, steps: this.#steps }
    const { self, clusterId, sign } = options
    this.#queries = new QueryService({
      state: ports.state,
      log: ports.log,
      snapshots: ports.snapshots,
      execution: this.#execution,
      receipts: new Receipts({
        ...held,
        log,
        execution: this.#execution,
        signer: new ReceiptSigner(self, sign),
        sha256: ports.sha256,
        clusterId,
      }),
      evidence: new EvidenceQueries({ ...held, store }),
      context: () => this.#context(),
      status: () => this.describe(),
      members: () => memberList(core.status()),
      staleMs: () => this.#silenceMs(),
      openMax: limits.queriesWaitingMax,
      holdsLease: () => core.holdsLease(this.#now()),
      confirmed: (lease, callback) => {
        const added = this.#reads.add(callback, lease)
        this.#wake()
        return added
      },
      applied: (index, callback) => {
        const added = this.#reads.addAfter(index, ports.clock.monotonicMs(), callback)
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

  /** What this node says of itself to those who ask, as `node.status` lists it. */
  describe(): Record<string, unknown> {
    const { peers, clock } = this.#ports
    const known = this.#options.selfKnowledge?.() ?? { http: null, notReady: [] }
    return nodeStatus(this.#options, peers, this.#core.status(), this.#execution, {
      ...known,
      wallMs: clock.wallMs(),
      requestsWaiting: this.#intake.depths().requests,
      epochSinceMs: this.#epochSinceMs,
      residencyMs: this.#options.residencyMs,
    })
  }

  /** What telemetry asks when somebody looks. */
  facts(): NodeFacts {
    const { peers, log, state, snapshots } = this.#ports
    const status = this.#core.status()
    const newest = snapshots.list().at(-1)
    const others = status.membership.membership.members.filter(({ id }) => id !== this.#options.self)
    return {
      status,
      appliedIndex: this.#execution.appliedIndex,
      operationsApplied: this.machine.operationsApplied,
      restoring: this.#execution.isRestoring,
      leaderSilenceMs: this.#silenceMs(),
      queues: {
        ...this.#intake.depths(),
        writes: this.#writer.queued,
        reads: this.#reads.size,
        messages: this.#inbox.length + (this.#verification?.waiting ?? 0),
      },
      logBytes: log.bytesOnDisk,
      unflushedBytes: state.openBytes + state.unflushedBytes,
      digestBacklogBytes: this.#execution.digests.waitingBytes,
      sessions: this.machine.sessions.size,
      clients: this.#connections.size,
      peers: others.map(({ id }) => ({ id, connected: peers.isConnected(id), rttMs: peers.rttMs(id) })),
      newestSnapshot: newest === undefined ? null : { index: newest.base.index, bytes: newest.bytes },
      snapshotBytesMissing: this.#transfer.bytesMissing,
    }
  }

  /** Since a leader was heard. */
  #silenceMs(): Millis {
    return this.#role === 'leader' ? 0 : this.#ports.clock.monotonicMs() - this.#leaderSeenMs
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
    this.#finishEpoch()
    this.#wake()
  }

  /** Stops taking part; the log gets its seal, the state its last generation. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelTimer?.()
    this.#transfer.stop()
    this.#intake.stop()
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
      this.#observer.paused(pausedMs)
      this.#step({ type: 'paused', pausedMs })
    }
    this.#drain()
    this.#intake.propose()
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
    this.#observer.answered()
    this.#beginRestore()
    this.#snapshots.takeIfDue()
    this.#execution.writeBehind(clock.monotonicMs())
    // Where apply waits for the digests, they get its time too.
    const lagged = this.#execution.digestsLag
    const budgetMs = lagged ? digestBudgetMs + applyBudgetMs : digestBudgetMs
    const moreDigests = this.#execution.digest(clock.monotonicMs() + budgetMs)
    const caughtUp = lagged && !this.#execution.digestsLag
    if (more || moreDigests || caughtUp || this.#inbox.length > 0) this.#wake()
    const endMs = clock.monotonicMs()
    this.#observer.turned(endMs - startMs)
    this.#armTimer(endMs)
  }

  #drain(): void {
    if (this.#completions.length > 0) {
      const completions = this.#completions
      this.#completions = []
      for (const { writeId, epoch, term, index } of completions)
        this.#step({ type: 'stored', writeId, epoch, term, index })
      this.#observer.stored(this.#writer.durableIndex)
    }
    if (this.#inbox.length === 0) return
    const inbox = this.#inbox
    this.#inbox = []
    for (const { from, message } of inbox) {
      if (from === this.#leader) this.#leaderSeenMs = this.#ports.clock.monotonicMs()
      if (this.#verification === null) this.#verified(from, message, this.#core.configHash())
      else if (message.type === 'forwardRequests') this.#forwarded(message.body)
      else this.#verification.receive(from, message)
    }
  }

  /** What the core may see: in plain Raft everything that came over an authenticated link. */
  #verified(from: NodeId, message: ProtocolMessage, configHash: Uint8Array): void {
    if (this.#stopped) return
    if (this.#intake instanceof PoolIntake) this.#intake.noteProposal(message)
    this.#step({ type: 'message', from, configHash, message })
  }

  #forwarded(body: Uint8Array): void {
    if (this.#intake instanceof PoolIntake) this.#intake.forwarded(body)
  }

  #invalid(from: NodeId, message: ProtocolMessage, reason: 'unsound' | 'signature'): void {
    this.#input({ type: 'invalid', from, reason, message })
    this.#ports.logger.log('warn', 'a member sent what does not hold', { from, message: message.type, reason })
  }

  #makeIntake(): Intake {
    const { limits, self, clusterId } = this.#options
    const { sha256, clock, peers } = this.#ports
    const shared = {
      limits,
      sha256,
      observer: this.#observer,
      leader: () => this.#leader,
      applyLag: () => this.#commitIndex - this.#execution.appliedIndex,
      step: (input: Input) => this.#step(input),
    }
    if (this.#verification === null) {
      return new LeaderIntake({
        ...shared,
        leads: () => this.#role === 'leader',
        diskIsIdle: () => !this.#writer.busy && this.#writer.queued === 0,
      })
    }
    const { verification, core } = { verification: this.#verification, core: this.#core }
    const members = () => core.status().membership.membership.members.map(({ id }) => id)
    const wake = () => this.#wake()
    return new PoolIntake({ ...shared, self, clusterId, clock, core, peers, verification, members, wake })
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
        this.#assurance = effect.assurance
        this.#observer.committed(effect.upTo)
        return
      case 'proposed':
        this.#intake.proposed(effect)
        return
      case 'refused':
        this.#intake.refused(effect)
        return
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
        this.#transfer.fetch(effect.from, effect.snapshot, effect.stateDigest)
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
      case 'checkpointStable':
        this.#checkpoints.note(effect)
        this.#snapshots.noteCheckpoint(effect)
        return
      case 'evidence':
        this.#convict(effect.evidence)
        return
      case 'threat':
        this.#threatened(effect)
        return
      case 'epochChanged':
        this.#epochChanged(effect)
        return
      default:
        unreachable(effect, 'effect')
    }
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
    this.#observer.roleChanged(effect.role, effect.term, effect.leader)
    this.#noteView(leaderChanged)
    this.#ports.logger.log('info', 'role changed', { role: effect.role, term: effect.term, leader: effect.leader })
    this.#intake.roleChanged(effect, wasLeader)
    if (!leaderChanged) return
    const notice = this.#leaderNotice()
    for (const connection of this.#connections) connection.send(CLIENT_FRAME.leader, notice)
  }

  /** Tells of another mode, and in Byzantine modes of another primary. */
  #noteView(leaderChanged: boolean): void {
    const { mode, view } = this.#core.status()
    if (mode !== this.#mode) this.#observer.modeChanged(mode)
    else if (mode !== 'raft' && leaderChanged) this.#observer.viewChanged(view, 'timeout')
    this.#mode = mode
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
        this.#observer.snapshotRestored(base.index, restore.snapshot.bytes)
        this.#ports.logger.log('info', 'snapshot restored', { index: base.index })
      })
      .catch((error: unknown) => this.#fail(error))
  }

  /**
   * This node's state is not what the log gives on the others: it stops. Snapshots that may hold the same fault go too; the next start rebuilds the state.
   */
  #diverged({ index, agreedIndex }: Extract<Effect, { type: 'diverged' }>): void {
    const { state, snapshots, logger } = this.#ports
    this.#observer.diverged()
    logger.log('error', 'the state of this node differs from that of the majority', { index, agreedIndex })
    const error = new KnhkError('Diverged', `the state differs from that of a majority at entry ${index}`)
    Promise.all([state.condemn(), snapshots.retain(({ base }) => base.index <= agreedIndex)]).then(
      () => this.#fail(error),
      (failed: unknown) => this.#fail(failed),
    )
  }

  /** What nobody signed, the core refuses by itself. */
  #verifyChange(change: MemberOrder, done: (valid: boolean) => void): void {
    const { authority, planned, target } = change
    if (this.#verification === null || authority === undefined) return done(true)
    const { clusterId } = this.#options
    const membership = targetMembership(target)
    const bytes = changeSignBytes(this.#ports.sha256, { clusterId, epoch: authority.epoch, planned }, membership)
    this.#verification.checkAll([{ ...authority, bytes }], (valid) => {
      if (!this.#stopped) done(valid)
    })
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

  #applied(entry: Entry): void {
    this.#observer.applied(entry.index, entry.kind, entry.kind === 'data' ? requestsIn(entry.body) : 0)
    this.#snapshots.noteApplied(entry)
    if (entry.kind === 'mode') this.#steps.note(entry).catch((error: unknown) => this.#fail(error))
    const recordAt = entry.index % this.#options.limits.digestInterval === 0 ? entry.index : null
    // The end of an epoch is certified wherever it falls.
    const isCheckpoint = this.#checkpoints.isDue(entry.index) || entry.kind === 'membership'
    if (this.#verification !== null && isCheckpoint) this.#checkpoints.begin(this.#execution, entry.index, recordAt)
    else if (recordAt !== null) this.#execution.rotate(recordAt)
  }

  /** The entry that ends an epoch was the last one applied before the start: its state is still to be signed. */
  #finishEpoch(): void {
    const { appliedIndex } = this.#execution
    if (this.#verification === null || appliedIndex === 0) return
    if (this.#core.membershipAt(appliedIndex).index === appliedIndex)
      this.#checkpoints.begin(this.#execution, appliedIndex, null)
  }

  /** Plain Raft compares the digests that `status` shows; Byzantine protocols sign those of their checkpoints. */
  #digested(index: LogIndex, stateDigest: Uint8Array): void {
    if (this.#verification === null) this.#step({ type: 'executed', upTo: index, stateDigest, resultRoot: null })
  }

  /** What this node holds against others changed. */
  #threatened({ level, causes, nodes }: Extract<Effect, { type: 'threat' }>): void {
    const { logger } = this.#ports
    const against = nodes.map((node) => `${node.id}:${node.level}`).join(' ')
    logger.log('warn', 'the threat level changed', { level, causes: causes.join(' '), against })
    this.#observer.threat(level, this.#core.status().mode)
  }

  #epochChanged({ epoch, mode, isUnderWay, reason }: Extract<Effect, { type: 'epochChanged' }>): void {
    const { logger, clock } = this.#ports
    const event = isUnderWay ? 'the epoch ends' : 'another epoch began'
    logger.log('warn', event, { epoch, mode, reason })
    this.#observer.epochChanging(isUnderWay)
    if (isUnderWay) return
    this.#epochSinceMs = clock.wallMs()
    this.#observer.modeChanged(mode)
  }

  /** A member is proven to have lied: kept for good, and for everybody to check. */
  #convict(encoded: Uint8Array): void {
    const { evidence, logger, sha256 } = this.#ports
    const decoded = decodeEvidence(encoded)
    const { kind, culprit, epoch } = decoded
    this.#observer.evidence(kind)
    logger.log('error', 'a member lied: the evidence is kept', { culprit, kind, epoch })
    evidence.put(evidenceId(sha256, decoded), encoded).catch((error: unknown) => this.#fail(error))
  }

  /** A term orders notices in Raft; views do in PBFT, rounds in HotStuff. */
  #leaderNotice(): Uint8Array {
    const { term, view, round } = this.#core.status()
    return encodeLeaderNotice(view ?? round ?? term, this.#leader)
  }

  /** What an answer rests on. */
  #context(): AnswerContext {
    const { mode, epoch } = this.#core.status()
    return { mode, assurance: this.#assurance, epoch }
  }

  /** An input that comes from outside of a turn. */
  #input(input: Input): void {
    if (this.#stopped) return
    this.#step(input)
    this.#wake()
  }

  #opened(connection: ClientConnection): void {
    this.#connections.add(connection)
    connection.send(CLIENT_FRAME.leader, this.#leaderNotice())
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
    this.#intake.request(connection, requestNumberOf(payload), requestOf(payload), traceOf(payload))
    this.#wake()
  }

  #armTimer(nowMs: Millis): void {
    const wanted = [
      this.#core.deadline(),
      this.#reads.deadline(),
      this.#pauses.deadline(),
      this.#execution.deadline(),
      this.#intake.deadline(),
    ]
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
