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
import { isInit } from '../consensus/bft/init.js'
import { endsEpoch } from '../consensus/bft/mode-change.js'
import type { Core, Effect, Input, Now, ProtocolMessage, Role } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import type { MembershipRecord } from '../consensus/membership.js'
import { requestsIn } from '../consensus/request-body.js'
import type { Assurance, LogIndex, Millis, NodeId } from '../consensus/types.js'
import type { NodeFacts } from '../telemetry/facts.js'
import type { WorkflowMachine } from '../workflow/machine.js'
import { Announcements } from './announcements.js'
import { ClientDesk } from './client-desk.js'
import type { StoreEffect } from './log-writer.js'
import { LoopTimer } from './loop-timer.js'
import { nodeFacts } from './node-facts.js'
import type { NodeOptions, NodePorts } from './node-options.js'
import { nodeStatus } from './node-status.js'
import { type LoopHooks, makeParts, type NodeParts } from './parts.js'
import { PauseWatch } from './pause-watch.js'
import { PoolIntake } from './pool-intake.js'
import { StateReplacement } from './state-replacement.js'

interface Incoming {
  readonly from: NodeId
  readonly message: ProtocolMessage
  /** Monotonic; only looked at where messages are verified. */
  readonly arrivedMs: Millis
}

export class NodeLoop {
  readonly #options: NodeOptions
  readonly #ports: NodePorts
  readonly #core: Core
  readonly #parts: NodeParts
  readonly #pauses: PauseWatch
  readonly #desk: ClientDesk
  readonly #replacement: StateReplacement
  readonly #announcements: Announcements
  readonly #timer: LoopTimer
  #inbox: Incoming[] = []
  #completions: StoreEffect[] = []
  #commitIndex = 0 as LogIndex
  /** What the newest commit rests on. */
  #assurance: Assurance
  #role: Role = 'follower'
  #leader: NodeId | null = null
  #leaderSeenMs: Millis
  /** By the clock: when this epoch began, or this run where nothing changed since. */
  #epochSinceMs: Millis
  #turnScheduled = false
  #stopped = false

  constructor(options: NodeOptions, ports: NodePorts, core: Core, machine: WorkflowMachine) {
    this.#options = options
    this.#ports = ports
    this.#core = core
    const now = ports.clock.monotonicMs()
    const { commitIndex } = core.status()
    this.#leaderSeenMs = now
    this.#epochSinceMs = ports.clock.wallMs()
    this.#assurance = ports.verifier === null ? 'quorum' : 'certified'
    this.#commitIndex = commitIndex
    this.#pauses = new PauseWatch(options.electionTimeoutMinMs, now)
    this.#parts = makeParts(options, ports, core, machine, this.#hooks())
    this.#desk = new ClientDesk(this.#parts)
    this.#replacement = new StateReplacement(this.#parts)
    this.#announcements = new Announcements(ports, core, this.#parts.observer)
    this.#timer = new LoopTimer(ports.scheduler, () => this.#wake())
  }

  #hooks(): LoopHooks {
    return {
      step: (input) => this.#step(input),
      input: (input) => this.#input(input),
      wake: () => this.#wake(),
      fail: (error) => this.#fail(error),
      stored: (stored) => {
        this.#completions.push(...stored)
        this.#wake()
      },
      verified: (from, message, configHash, arrivedMs) =>
        this.#announcements.hear(arrivedMs, () => this.#verified(from, message, configHash)),
      invalid: (from, message, reason) => {
        this.#input({ type: 'invalid', from, reason, message })
        this.#announcements.invalid(from, message.type, reason)
      },
      applied: (entry) => this.#applied(entry),
      digested: (index, stateDigest) => this.#digested(index, stateDigest),
      describe: () => this.describe(),
      context: () => {
        const { mode, epoch } = this.#core.status()
        return { mode, assurance: this.#assurance, epoch }
      },
      isStopped: () => this.#stopped,
      leader: () => this.#leader,
      leads: () => this.#role === 'leader',
      commitIndex: () => this.#commitIndex,
      silenceMs: () => this.#silenceMs(),
      now: () => this.#now(),
    }
  }

  /** The state machine as it is now: a snapshot replaces it. */
  get machine(): WorkflowMachine {
    return this.#parts.execution.machine
  }

  /** Something that a turn waited for has happened outside the loop. */
  wake(): void {
    this.#wake()
  }

  /** What this node says of itself to those who ask, as `node.status` lists it. */
  describe(): Record<string, unknown> {
    const { peers, clock } = this.#ports
    const known = this.#options.selfKnowledge?.() ?? { http: null, notReady: [] }
    return nodeStatus(this.#options, peers, this.#core.status(), this.#parts.execution, {
      ...known,
      wallMs: clock.wallMs(),
      requestsWaiting: this.#parts.intake.depths().requests,
      epochSinceMs: this.#epochSinceMs,
      assurance: this.#assurance,
      residencyMs: this.#options.residencyMs,
      stays: this.#core.stays?.(this.#now()) ?? null,
      disk: this.#parts.disk.facts,
    })
  }

  /** What telemetry asks when somebody looks. */
  facts(): NodeFacts {
    const [leaderSilenceMs, inbox, clients] = [this.#silenceMs(), this.#inbox.length, this.#desk.size]
    return nodeFacts(this.#parts, { leaderSilenceMs, inbox, clients })
  }

  /** Since a leader was heard. */
  #silenceMs(): Millis {
    return this.#role === 'leader' ? 0 : this.#ports.clock.monotonicMs() - this.#leaderSeenMs
  }

  /** Begins to listen and to take part. */
  start(): void {
    const { peers, clock } = this.#ports
    const isTimed = this.#parts.verification !== null
    peers.onMessage = (from, message) => {
      if (this.#stopped) return
      this.#inbox.push({ from, message, arrivedMs: isTimed ? clock.monotonicMs() : 0 })
      this.#wake()
    }
    peers.onConnectionChange = (peer, connected) => {
      this.#ports.logger.log('info', connected ? 'peer connected' : 'peer disconnected', { peer })
    }
    this.#desk.open()
    this.#connectMembers()
    this.#parts.execution.start()
    this.#finishEpoch()
    this.#keepLinks()
    this.#parts.disk.start()
    this.#wake()
  }

  /** Stops taking part; the log gets its seal, the state its last generation. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#timer.cancel()
    this.#parts.disk.stop()
    this.#parts.transfer.stop()
    this.#parts.intake.stop()
    this.#ports.clients.flush()
    await this.#ports.clients.close()
    await this.#ports.peers.close()
    await this.#parts.writer.stop()
    await this.#parts.execution.close()
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
      this.#parts.observer.paused(pausedMs)
      this.#step({ type: 'paused', pausedMs })
    }
    this.#drain()
    this.#parts.intake.propose()
    this.#parts.reads.retry(startMs)
    this.#parts.reads.beginRound(startMs)
    const due = this.#core.deadline()
    if (due !== undefined && due <= clock.monotonicMs()) this.#step({ type: 'tick' })
    for (const effect of this.#parts.writer.release()) peers.send(effect.to, effect.message)
    this.#parts.writer.start()
    // Peers get their messages before apply takes its time.
    peers.flush()
    const { applyBudgetMs, digestBudgetMs } = this.#options.limits
    const more = this.#apply(clock.monotonicMs() + applyBudgetMs)
    peers.flush()
    clients.flush()
    this.#parts.observer.answered()
    this.#replacement.beginIfDue()
    this.#parts.snapshots.takeIfDue()
    this.#parts.execution.writeBehind(clock.monotonicMs())
    // Where apply waits for the digests, they get its time too.
    const lagged = this.#parts.execution.digestsLag
    const budgetMs = lagged ? digestBudgetMs + applyBudgetMs : digestBudgetMs
    const moreDigests = this.#parts.execution.digest(clock.monotonicMs() + budgetMs)
    const caughtUp = lagged && !this.#parts.execution.digestsLag
    if (more || moreDigests || caughtUp || this.#inbox.length > 0) this.#wake()
    const endMs = clock.monotonicMs()
    this.#parts.observer.turned(endMs - startMs)
    this.#armTimer(endMs)
  }

  #drain(): void {
    if (this.#completions.length > 0) {
      const completions = this.#completions
      this.#completions = []
      for (const { writeId, epoch, term, index } of completions)
        this.#step({ type: 'stored', writeId, epoch, term, index })
      this.#parts.observer.stored(this.#parts.writer.durableIndex)
    }
    if (this.#inbox.length === 0) return
    const inbox = this.#inbox
    this.#inbox = []
    for (const { from, message, arrivedMs } of inbox) {
      if (from === this.#leader) this.#leaderSeenMs = this.#ports.clock.monotonicMs()
      if (this.#parts.verification === null) this.#verified(from, message, this.#core.configHash())
      else if (message.type === 'forwardRequests') this.#forwarded(from, message.body)
      else this.#parts.verification.receive(from, message, arrivedMs)
    }
  }

  /** What the core may see: in plain Raft everything that came over an authenticated link. */
  #verified(from: NodeId, message: ProtocolMessage, configHash: Uint8Array): void {
    if (this.#stopped) return
    if (this.#parts.intake instanceof PoolIntake) this.#parts.intake.noteProposal(message)
    this.#step({ type: 'message', from, configHash, message })
  }

  #forwarded(from: NodeId, body: Uint8Array): void {
    if (this.#parts.intake instanceof PoolIntake) this.#parts.intake.forwarded(from, body)
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
        if (this.#parts.writer.admit(effect)) this.#ports.peers.send(effect.to, effect.message)
        return
      case 'store':
        this.#parts.writer.store(effect)
        return
      case 'load':
        this.#load(effect.peer, effect.from, effect.maxBytes)
        return
      case 'commit':
        this.#commitIndex = effect.upTo
        this.#assurance = effect.assurance
        this.#parts.observer.committed(effect.upTo)
        this.#announcements.committed(effect.upTo)
        return
      case 'proposed':
        this.#parts.intake.proposed(effect)
        return
      case 'refused':
        this.#parts.intake.refused(effect)
        return
      case 'readReady':
        this.#parts.reads.ready(effect.readId, effect.index)
        return
      case 'readRefused':
        this.#parts.reads.refused(effect.readId, effect.code, effect.leader)
        return
      case 'roleChanged':
        this.#roleChanged(effect)
        return
      case 'ordered':
        this.#parts.orders.ordered(effect)
        return
      case 'orderRefused':
        this.#parts.orders.refused(effect)
        return
      case 'fetchSnapshot':
        this.#parts.transfer.fetch(effect.from, effect.snapshot, effect.stateDigest)
        return
      case 'restoreState':
        this.#replacement.wait(effect)
        this.#commitIndex = Math.max(this.#commitIndex, effect.snapshot.base.index) as LogIndex
        return
      case 'membershipChanged':
        this.#announcements.membershipChanged(effect)
        this.#connectMembers()
        this.#keepLinks()
        return
      case 'diverged':
        this.#diverged(effect)
        return
      case 'membershipHinted':
        this.#connectMembers(effect.record)
        return
      case 'damaged':
        this.#announcements.damaged(effect)
        this.#ports.log.markDamaged().catch((error: unknown) => this.#fail(error))
        return
      case 'repaired':
        this.#announcements.repaired()
        this.#ports.log.markRepaired().catch((error: unknown) => this.#fail(error))
        return
      case 'checkpointStable':
        this.#parts.checkpoints.note(effect)
        this.#parts.snapshots.noteCheckpoint(effect)
        return
      case 'evidence':
        this.#announcements.convict(effect.evidence).catch((error: unknown) => this.#fail(error))
        return
      case 'threat':
        this.#announcements.threatened(effect)
        return
      case 'panicked':
        this.#announcements.panicked(effect)
        return
      case 'epochChanged':
        if (!effect.isUnderWay) this.#epochBegan()
        this.#announcements.epochChanged(effect)
        return
      default:
        unreachable(effect, 'effect')
    }
  }

  #epochBegan(): void {
    this.#epochSinceMs = this.#ports.clock.wallMs()
    this.#keepLinks()
  }

  #keepLinks(): void {
    this.#parts.steps.noteLinks().catch((error: unknown) => this.#fail(error))
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
    this.#announcements.roleChanged(effect)
    this.#parts.intake.roleChanged(effect, wasLeader)
    if (leaderChanged) this.#desk.announceLeader()
  }

  #apply(deadlineMs: number): boolean {
    if (this.#replacement.isWaiting) return false
    const upTo = Math.min(this.#commitIndex, this.#parts.writer.durableIndex) as LogIndex
    const before = this.#parts.execution.appliedIndex
    const stop = this.#parts.snapshots.stop
    const unfinished = this.#parts.execution.advance(Math.min(upTo, stop) as LogIndex, deadlineMs)
    const applied = this.#parts.execution.appliedIndex
    if (applied > before) this.#step({ type: 'executed', upTo: applied, stateDigest: null, resultRoot: null })
    if (!this.#parts.execution.isRestoring) this.#parts.reads.serve(applied)
    return unfinished || (applied === stop && stop < upTo)
  }

  /**
   * This node's state is not what the log gives on the others: it stops. Snapshots that may hold the same fault go
   * too; the next start rebuilds the state.
   */
  #diverged(effect: Extract<Effect, { type: 'diverged' }>): void {
    const { index, agreedIndex } = effect
    const { state, snapshots } = this.#ports
    this.#announcements.diverged(effect)
    const error = new KnhkError('Diverged', `the state differs from that of a majority at entry ${index}`)
    Promise.all([state.condemn(), snapshots.retain(({ base }) => base.index <= agreedIndex)]).then(
      () => this.#fail(error),
      (failed: unknown) => this.#fail(failed),
    )
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
    this.#parts.observer.applied(entry.index, entry.kind, entry.kind === 'data' ? requestsIn(entry.body) : 0)
    this.#parts.snapshots.noteApplied(entry)
    for (const node of this.machine.threats.takeCleared()) this.#step({ type: 'clear', node })
    if (entry.kind === 'mode') this.#parts.steps.note(entry).catch((error: unknown) => this.#fail(error))
    const recordAt = entry.index % this.#options.limits.digestInterval === 0 ? entry.index : null
    const isCheckpoint = this.#parts.checkpoints.isDue(entry.index) || this.#isEdge(entry)
    if (this.#parts.verification !== null && isCheckpoint)
      this.#parts.checkpoints.begin(this.#parts.execution, entry.index, recordAt)
    else if (recordAt !== null) this.#parts.execution.rotate(recordAt)
  }

  /** Ends of epochs are certified wherever they fall, and where protocols follow each other their beginnings. */
  #isEdge(entry: Entry): boolean {
    return endsEpoch(entry) || (this.#options.residencyMs !== null && isInit(entry))
  }

  /** The entry that ends an epoch was the last one applied before the start: its state is still to be signed. */
  #finishEpoch(): void {
    const { appliedIndex } = this.#parts.execution
    if (this.#parts.verification === null || appliedIndex === 0) return
    const last = this.#core.entry(appliedIndex)
    const isEdge = last !== undefined && this.#isEdge(last)
    if (isEdge || this.#core.membershipAt(appliedIndex).index === appliedIndex)
      this.#parts.checkpoints.begin(this.#parts.execution, appliedIndex, null)
  }

  /** Plain Raft compares the digests that `status` shows; Byzantine protocols sign those of their checkpoints. */
  #digested(index: LogIndex, stateDigest: Uint8Array): void {
    if (this.#parts.verification === null) this.#step({ type: 'executed', upTo: index, stateDigest, resultRoot: null })
  }

  /** An input that comes from outside of a turn. */
  #input(input: Input): void {
    if (this.#stopped) return
    this.#step(input)
    this.#wake()
  }

  #armTimer(nowMs: Millis): void {
    const wanted = [
      this.#core.deadline(),
      this.#parts.reads.deadline(),
      this.#pauses.deadline(),
      this.#parts.execution.deadline(),
      this.#parts.intake.deadline(),
    ]
    this.#timer.arm(wanted, nowMs)
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#timer.cancel()
    this.#parts.disk.stop()
    this.#options.onFatal(error)
  }
}
