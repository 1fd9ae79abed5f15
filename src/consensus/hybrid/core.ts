/**
 * The hybrid behind the contract of all protocols: Raft while nobody is known to lie, PBFT or HotStuff
 * afterwards, one core at a time over one log. It holds the epoch, the threat model and the way from one
 * epoch to the next (S0 to S4, docs/consensus/hybrid.md); what happens within an epoch is its core's.
 */
import { assert } from '../../base/assert.js'
import { bytesEqual, ByteWriter } from '../../base/bytes.js'
import type { SignatureCheck } from '../bft/checks.js'
import { isHotStuff } from '../bft/hotstuff/codec.js'
import { isPbft } from '../bft/pbft/index.js'
import type { SignedStatement } from '../bft/statement.js'
import { StatementBook } from '../bft/statement-book.js'
import { decodeEvidence, type Evidence, encodeEvidence, equivocation } from '../bft/evidence.js'
import type { Core, CoreStatus, Effect, Input, Now, ProtocolMessage, RestoredLog, StoreRecord } from '../core.js'
import { type Entry, GENESIS_CHAIN } from '../entry.js'
import type { MembershipRecord } from '../membership.js'
import type { Epoch, LogIndex, Millis, Mode, NodeId, Term } from '../types.js'
import type { AbortHistory } from './abort-history.js'
import { ENTRIES_MAX, isHybrid } from './codec.js'
import type { HybridModules, HybridOptions } from './config.js'
import {
  decodeEpochRecord,
  decodeLeaving,
  type EpochStart,
  encodeEpochRecord,
  encodeLeaving,
  type LeavingRecord,
  SWITCHES_MAX,
} from './epoch-record.js'
import { HandOverInstance } from './hand-over.js'
import { HardenedRaft } from './hardened/raft.js'
import { decodeStanding } from './hardened/standing.js'
import { byzantineCore, endingOf, raftEpoch } from './inner.js'
import { Leaving } from './leaving.js'
import { LogShadow } from './log-shadow.js'
import type { HybridHandOver, HybridMessage } from './messages.js'
import type { Position } from './positions.js'
import { checksOfHybrid, epochOf } from './ingress.js'
import { decodeHandOver, resultOf as handOverResult, type SwitchCertificate, switchResult } from './switch-certificate.js'
import { isAtLeast, ThreatModel, type ThreatReport } from './threat-model.js'
import { WriteMerger } from './write-merger.js'
import { decodeInit } from '../bft/init.js'

/** Statements remembered of each signer, to recognise two for one slot. */
const STATEMENTS_MAX = 4096
const PANIC_DIGEST = new Uint8Array(32).fill(0x50)

type Phase =
  | { readonly kind: 'raft'; readonly raft: HardenedRaft }
  | {
      readonly kind: 'leaving'
      readonly leaving: Leaving
      readonly instance: HandOverInstance
      readonly history: AbortHistory
      /** Proposals whose results are not here in full: the newest of each sender. */
      readonly held: Map<NodeId, HybridHandOver>
      decided: SwitchCertificate | null
    }
  /** Decided, and on its way to the disk: the next epoch begins when it is there. */
  | { readonly kind: 'entering' }
  | { readonly kind: 'byzantine'; readonly core: Core }

type Message = Extract<Input, { type: 'message' }>

export class HybridCore implements Core {
  readonly #options: HybridOptions
  readonly #modules: HybridModules
  readonly #shadow: LogShadow
  readonly #merger = new WriteMerger()
  readonly #threat: ThreatModel
  readonly #book = new StatementBook(STATEMENTS_MAX)
  #start: EpochStart
  #ended: EpochStart | null = null
  #switches: SwitchCertificate[] = []
  #evidence: Evidence[] = []
  #inner: Uint8Array | null = null
  #phase: Phase
  #now: Now
  #released: LogIndex
  #reported: ThreatReport = { level: 'none', causes: [], nodes: [] }
  readonly #panics = new Map<NodeId, SignedStatement>()
  readonly #early = new Map<NodeId, AbortHistory>()
  readonly #helpedMs = new Map<NodeId, Millis>()
  #abortDue: string | null = null
  #ordered: Exclude<Mode, 'raft'> | null = null
  #repeatMs: Millis
  #configHash: { readonly of: Uint8Array; readonly hash: Uint8Array } | null = null

  /** Continues from `modules.restored`. Throws where options or what is stored contradict themselves. */
  constructor(options: HybridOptions, modules: HybridModules) {
    this.#options = options
    this.#modules = modules
    const { restored, now } = modules
    this.#now = now
    this.#shadow = new LogShadow(restored)
    this.#threat = new ThreatModel(options.threatWindowMs)
    this.#released = restored.commitIndex
    this.#repeatMs = now.monotonicMs
    const origin = { index: 0 as LogIndex, chain: GENESIS_CHAIN, timestampMs: 0 }
    this.#start = { epoch: 0 as Epoch, mode: 'raft', origin, membership: options.membership }
    if (restored.safety !== null) this.#restore(restored.safety)
    this.#phase = this.#resume(restored)
  }

  #restore(safety: Uint8Array): void {
    const { start, switches, ended, evidence, inner } = decodeEpochRecord(safety)
    this.#start = start
    this.#switches = [...switches]
    this.#ended = ended
    this.#evidence = [...evidence]
    this.#inner = inner
    for (const { culprit } of evidence) this.#threat.noteEvidence(culprit)
  }

  #resume(restored: RestoredLog): Phase {
    const { epoch, mode } = this.#start
    if (mode !== 'raft') return { kind: 'byzantine', core: this.#byzantine({ ...restored, safety: this.#inner }) }
    const left = restored.aborts.find((record) => record.epoch === epoch)
    if (left === undefined) return { kind: 'raft', raft: this.#hardened(restored) }
    return this.#leave(decodeLeaving(left.payload))
  }

  #hardened(restored: RestoredLog): HardenedRaft {
    const { self, settings, raftLimits } = this.#options
    const { sign, random } = this.#modules
    const epoch = raftEpoch(this.#options, this.#modules, this.#start)
    const { membership } = this.#start
    const isSmall = epoch.replicas.quorum === epoch.replicas.count - 1
    return new HardenedRaft(
      { self, epoch, membership, settings, limits: raftLimits },
      {
        sign,
        random,
        restored,
        stored: this.#inner === null ? null : decodeStanding(this.#inner),
        isAborted: false,
        now: this.#now,
        shadow: this.#shadow,
        assurance: () => (isSmall && this.#reported.level === 'none' ? 'fast' : 'certified'),
        onStatement: (statement) => this.#watch(statement),
        onUnsound: (from) => this.#threat.noteTampering(from, this.#now.monotonicMs),
      },
    )
  }

  #byzantine(restored: RestoredLog): Core {
    const certificate = this.#switches.at(-1)
    assert(certificate !== undefined && this.#ended !== null, 'a Byzantine epoch follows a switch')
    const switched = { ended: this.#ended, certificate }
    return byzantineCore(this.#options, this.#modules, this.#start, switched, restored, this.#now)
  }

  #leave({ history, safety, slots, fetched }: LeavingRecord): Phase {
    const ending = endingOf(this.#options, this.#modules, this.#start)
    const leaving = new Leaving(ending, this.#shadow, this.#released, fetched)
    const distrusts = (id: NodeId): boolean => this.#evidence.some(({ culprit }) => culprit === id)
    const stored = { safety, slots }
    const instance = new HandOverInstance(ending, this.#options, this.#modules, stored, distrusts, this.#now)
    leaving.note(history)
    return { kind: 'leaving', leaving, instance, history, held: new Map(), decided: null }
  }

  // The contract.

  step(input: Input, now: Now): Effect[] {
    this.#now = now
    if (input.type === 'stored') for (const run of this.#merger.complete(input)) run()
    else this.#apply(input)
    this.#settle()
    const { epoch, term } = this.status()
    return this.#merger.finish(epoch, term)
  }

  deadline(): Millis | undefined {
    const phase = this.#phase
    if (phase.kind === 'byzantine') return phase.core.deadline()
    if (phase.kind === 'entering') return undefined
    const own = phase.kind === 'raft' ? phase.raft.deadline() : phase.instance.deadline()
    const isRepeating = phase.kind === 'leaving' || this.#panics.has(this.#options.self)
    const times = [own, isRepeating ? this.#repeatMs : undefined].filter((time) => time !== undefined)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  status(): CoreStatus {
    const phase = this.#phase
    const threat = this.#reported
    if (phase.kind === 'byzantine') return { ...phase.core.status(), threat }
    if (phase.kind === 'raft') return { ...phase.raft.status(), threat }
    const shadow = this.#shadow
    return {
      mode: this.#start.mode,
      role: 'follower',
      epoch: this.#start.epoch,
      term: shadow.termAt(shadow.lastIndex)?.term ?? (0 as Term),
      view: null,
      round: null,
      leader: null,
      firstIndex: (shadow.base.index + 1) as LogIndex,
      lastIndex: shadow.lastIndex,
      commitIndex: this.#released,
      peers: [],
      membership: this.membershipAt(shadow.lastIndex),
      membershipCommitted: true,
      mayVote: true,
      threat,
    }
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#phase.kind === 'byzantine' ? this.#phase.core.entry(index) : this.#shadow.entry(index)
  }

  membershipAt(index: LogIndex): MembershipRecord {
    const phase = this.#phase
    if (phase.kind === 'byzantine') return phase.core.membershipAt(index)
    if (phase.kind === 'raft') return phase.raft.membershipAt(index)
    return { index: 0 as LogIndex, membership: this.#start.membership }
  }

  mayPropose(): boolean {
    const phase = this.#phase
    if (phase.kind === 'raft') return phase.raft.mayPropose()
    return phase.kind === 'byzantine' && phase.core.mayPropose()
  }

  /** There are no leases where leaders may lie. */
  holdsLease(_now: Now): boolean {
    return false
  }

  /** Changes with the epoch and with its end: what was verified for one says nothing in the next. */
  configHash(): Uint8Array {
    const phase = this.#phase
    const of = contextOf(phase)
    if (this.#configHash?.of === of) return this.#configHash.hash
    const out = new ByteWriter(96).text('knhk/hybrid-context/1').text(phase.kind).u32(this.status().epoch).raw(of)
    this.#configHash = { of, hash: this.#modules.sha256(out.finish()) }
    return this.#configHash.hash
  }

  interest(from: NodeId, message: ProtocolMessage): 'verify' | 'keep' | 'drop' {
    const phase = this.#phase
    if (isPbft(message) || isHotStuff(message))
      return phase.kind === 'byzantine' ? phase.core.interest(from, message) : 'drop'
    const of = epochOf(message)
    const { epoch, mode } = this.#start
    if (of === null || of > epoch) return 'drop'
    // Who is behind gets what ended its epoch; nothing of its message counts.
    if (of < epoch) return 'keep'
    if (mode !== 'raft' || phase.kind === 'entering') return 'drop'
    switch (message.type) {
      case 'hybridSwitch':
        return phase.kind === 'leaving' && phase.decided !== null ? 'drop' : 'verify'
      case 'hybridHistory': {
        const { signer } = message.history.vote
        const isKnown = phase.kind === 'leaving' ? phase.leaving.knows(signer) : this.#early.has(signer)
        return isKnown || signer !== from ? 'drop' : 'verify'
      }
      case 'hybridEvidence':
        return this.#isProven(message.evidence.culprit) ? 'drop' : 'verify'
      case 'hybridVote':
        return phase.kind === 'raft' && message.vote.signer === from && !this.#panics.has(from) ? 'verify' : 'drop'
      case 'hybridFetch':
        return 'keep'
      case 'hybridEntries':
        return phase.kind === 'leaving' ? 'verify' : 'drop'
      case 'hybridHandOver':
        return phase.kind === 'leaving' ? phase.instance.interest(from, message.message) : 'drop'
      default:
        return phase.kind === 'raft' ? phase.raft.interest(message) : 'keep'
    }
  }

  checks(from: NodeId, message: ProtocolMessage): readonly SignatureCheck[] | null {
    const phase = this.#phase
    if (phase.kind === 'byzantine') return phase.core.checks(from, message)
    if (!isHybrid(message)) return null
    if (message.type === 'hybridHandOver')
      return phase.kind === 'leaving' ? phase.instance.checks(from, message.message) : null
    const own = phase.kind === 'raft' ? phase.raft.checks(from, message) : undefined
    return own === undefined ? checksOfHybrid(endingOf(this.#options, this.#modules, this.#start), message) : own
  }

  // What comes in.

  #apply(input: Exclude<Input, { type: 'stored' }>): void {
    const phase = this.#phase
    switch (input.type) {
      case 'message':
        return this.#message(input)
      case 'invalid':
        return this.#invalid(input.from, input.message, input.reason)
      case 'clear':
        return this.#threat.clear(input.node)
      case 'order':
        if (input.order.kind === 'clearThreat' || input.order.kind === 'setMode') return this.#order(input)
        break
      case 'executed':
        if (input.stateDigest === null) this.#shadow.evict(input.upTo)
        break
      default:
    }
    if (phase.kind === 'leaving' || phase.kind === 'entering') return this.#whileLeaving(input)
    if (input.type === 'order' && phase.kind === 'raft' && input.order.kind === 'changeMembership') {
      const reason = 'members of a hybrid cluster change in a Byzantine epoch'
      this.#merger.emit({ type: 'orderRefused', orderId: input.orderId, code: 'ModeRefused', reason, leader: null })
      return
    }
    this.#inside(input)
  }

  /** Nothing is answered while an epoch ends. */
  #whileLeaving(input: Input): void {
    const leader = null
    const code = 'EpochChanging'
    if (input.type === 'propose') this.#merger.emit({ type: 'refused', proposalId: input.proposalId, code, leader })
    else if (input.type === 'read') this.#merger.emit({ type: 'readRefused', readId: input.readId, code, leader })
    else if (input.type === 'order') {
      const reason = 'the protocol is changing'
      this.#merger.emit({ type: 'orderRefused', orderId: input.orderId, code, reason, leader })
    } else if (input.type === 'tick') {
      this.#handOver({ type: 'tick' })
      this.#repeat()
    }
  }

  /** Steps the core of the epoch. */
  #inside(input: Input): void {
    const phase = this.#phase
    if (phase.kind === 'raft') {
      this.#takeRaft(phase.raft, phase.raft.step(input, this.#now))
      if (input.type === 'tick' && this.#panics.has(this.#options.self)) this.#repeat()
    } else if (phase.kind === 'byzantine') this.#takeByzantine(phase.core, phase.core.step(input, this.#now))
  }

  #message({ from, configHash, message }: Message): void {
    const phase = this.#phase
    if (from === this.#options.self || !bytesEqual(configHash, this.configHash())) return
    if (phase.kind === 'byzantine' && (isPbft(message) || isHotStuff(message)))
      return this.#inside({ type: 'message', from, configHash: phase.core.configHash(), message })
    const of = epochOf(message)
    if (of === null) return
    if (of < this.#start.epoch) return this.#help(from, of, message)
    if (of > this.#start.epoch || this.#start.mode !== 'raft') return
    if (isHybrid(message) && this.#takeSwitching(from, message)) return
    if (phase.kind === 'raft') return this.#inside({ type: 'message', from, configHash, message })
    if (phase.kind === 'leaving') this.#tell(from, { type: 'hybridHistory', history: phase.history })
  }

  /** What leads out of the epoch. False for what is Raft's. */
  #takeSwitching(from: NodeId, message: HybridMessage): boolean {
    const phase = this.#phase
    switch (message.type) {
      case 'hybridVote':
        this.#watch(message.vote)
        if (message.vote.type === 'panic') this.#panics.set(from, message.vote)
        return true
      case 'hybridEvidence':
        this.#accuse(message.evidence)
        return true
      case 'hybridHistory':
        this.#watch(message.history.vote)
        if (phase.kind === 'leaving') phase.leaving.note(message.history)
        else this.#early.set(from, message.history)
        return true
      case 'hybridHandOver':
        if (phase.kind === 'leaving') this.#consider(from, message)
        return true
      case 'hybridSwitch':
        this.#decide(message.certificate)
        return true
      case 'hybridFetch':
        this.#supply(from, message.epoch, message.from, message.upTo)
        return true
      case 'hybridEntries':
        if (phase.kind === 'leaving') phase.leaving.take(message.entries)
        return true
      default:
        return false
    }
  }

  /** A signature that does not hold, or what no honest member says, by the connection that delivered it. */
  #invalid(from: NodeId, message: ProtocolMessage, reason: 'unsound' | 'signature'): void {
    const isTampered = reason === 'unsound' && (message.type === 'hybridAppend' || message.type === 'hybridEntries')
    if (isTampered) this.#threat.noteTampering(from, this.#now.monotonicMs)
    else this.#threat.noteBadSignature(from, this.#now.monotonicMs)
  }

  #order({ orderId, order }: Extract<Input, { type: 'order' }>): void {
    if (order.kind === 'clearThreat') {
      const isLive = this.#evidence.some(({ culprit }) => order.node === null || culprit === order.node)
      if (isLive && this.#phase.kind === 'leaving') return this.#whileLeaving({ type: 'order', orderId, order })
      this.#threat.clear(order.node)
      this.#evidence = this.#evidence.filter(({ culprit }) => order.node !== null && culprit !== order.node)
      this.#storeEpoch()
      this.#merger.emit({ type: 'ordered', orderId, index: null })
      return
    }
    const refuse = (reason: string): void =>
      this.#merger.emit({ type: 'orderRefused', orderId, code: 'ModeRefused', reason, leader: null })
    if (order.kind !== 'setMode') return
    if (this.#phase.kind === 'leaving' || this.#phase.kind === 'entering')
      return this.#whileLeaving({ type: 'order', orderId, order })
    const { mode } = this.status()
    const wanted = order.mode === 'bft' ? this.#options.bft : order.mode
    if (wanted === mode || (order.mode === 'bft' && mode !== 'raft')) {
      this.#merger.emit({ type: 'ordered', orderId, index: null })
    } else if (wanted === 'raft' || this.#phase.kind !== 'raft') {
      const { level } = this.#reported
      refuse(isAtLeast(level, 'medium') ? `the threat level is ${level}` : 'this version leaves a Byzantine epoch by export and restore only')
    } else {
      // One member's word ends nothing: the order goes to all, and f + 1 of them panic.
      this.#ordered = wanted
      this.#panic()
      this.#merger.emit({ type: 'ordered', orderId, index: null })
    }
  }

  // The cores' effects.

  readonly #raftWriter = (stored: Input): void => {
    if (this.#phase.kind === 'raft') this.#inside(stored)
  }

  readonly #byzantineWriter = (stored: Input): void => {
    if (this.#phase.kind === 'byzantine') this.#inside(stored)
  }

  #takeRaft(raft: HardenedRaft, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'store') this.#merger.store(this.#raftWriter, effect, (record) => [record])
      else if (effect.type === 'send') this.#merger.send(this.#raftWriter, effect, isSigned(effect.message))
      else this.#pass(effect)
    }
    if (!raft.takeChange()) return
    const out = new ByteWriter(1024)
    raft.writeTo(out)
    this.#inner = out.finish()
    this.#storeEpoch()
    const certified = raft.lastCertificate
    this.#merger.whenDurable(() => this.#standingDurable(raft, certified))
  }

  #standingDurable(raft: HardenedRaft, certified: Position): void {
    const phase = this.#phase
    if (phase.kind === 'raft' && phase.raft === raft) this.#takeRaft(raft, raft.standingDurable(certified))
  }

  #takeByzantine(core: Core, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'store') {
        this.#shadow.apply(effect.records)
        this.#merger.store(this.#byzantineWriter, effect, (record) => [this.#wrapped(record)])
      } else if (effect.type === 'send') this.#merger.send(this.#byzantineWriter, effect, false)
      else if (effect.type === 'evidence') {
        this.#threat.noteEvidence(decodeEvidence(effect.evidence).culprit)
        this.#merger.emit(effect)
      } else if (effect.type === 'restoreState') {
        const after = this.#merger.idOf(this.#byzantineWriter, effect.after) ?? effect.after
        this.#merger.emit({ ...effect, after })
      } else this.#pass(effect)
    }
    assert(core.status().epoch >= this.#start.epoch, 'epochs only grow')
  }

  /** The core's safety record stands within the hybrid's. */
  #wrapped(record: StoreRecord): StoreRecord {
    if (record.kind !== 'safety') return record
    this.#inner = record.safety
    return { kind: 'safety', safety: this.#encoded() }
  }

  #pass(effect: Exclude<Effect, { type: 'send' | 'store' }>): void {
    if (effect.type === 'commit') {
      if (effect.upTo <= this.#released) return
      this.#released = effect.upTo
    }
    this.#merger.emit(effect)
  }

  #encoded(): Uint8Array {
    const { mode } = this.#start
    return encodeEpochRecord({
      start: this.#start,
      switches: this.#switches,
      ended: mode === 'raft' ? null : this.#ended,
      evidence: this.#evidence,
      inner: this.#inner,
    })
  }

  #storeEpoch(): void {
    this.#merger.record({ kind: 'safety', safety: this.#encoded() })
  }

  // Suspicion.

  #watch(statement: SignedStatement): void {
    if (statement.epoch !== this.#start.epoch || statement.signer === this.#options.self) return
    const before = this.#book.note(statement)
    if (before === null) return
    const evidence = equivocation(raftEpoch(this.#options, this.#modules, this.#start).sign, before, statement)
    if (evidence !== null) this.#accuse(evidence)
  }

  #isProven(culprit: NodeId): boolean {
    return this.#evidence.some((known) => known.culprit === culprit && known.epoch === this.#start.epoch)
  }

  #accuse(evidence: Evidence): void {
    if (this.#isProven(evidence.culprit)) return
    this.#evidence.push(evidence)
    this.#threat.noteEvidence(evidence.culprit)
    this.#storeEpoch()
    this.#merger.emit({ type: 'evidence', evidence: encodeEvidence(evidence) })
    this.#broadcast({ type: 'hybridEvidence', evidence })
    this.#abortDue ??= `there is evidence against ${evidence.culprit}`
  }

  #panic(): void {
    const phase = this.#phase
    if (phase.kind !== 'raft' || this.#panics.has(this.#options.self)) return
    const vote = phase.raft.panic(PANIC_DIGEST)
    this.#panics.set(this.#options.self, vote)
    this.#broadcast({ type: 'hybridVote', vote })
    this.#repeatMs = this.#now.monotonicMs + this.#options.limits.repeatMs
  }

  #others(): NodeId[] {
    return this.#start.membership.members.map(({ id }) => id).filter((id) => id !== this.#options.self)
  }

  #broadcast(message: HybridMessage): void {
    for (const id of this.#others()) this.#merger.sendTo(id, message, isSigned(message))
  }

  /** To one member, no more often than it can have use for. */
  #tell(to: NodeId, message: HybridMessage): void {
    const nowMs = this.#now.monotonicMs
    if (nowMs - (this.#helpedMs.get(to) ?? Number.NEGATIVE_INFINITY) < this.#options.limits.helpMs) return
    this.#helpedMs.set(to, nowMs)
    this.#merger.sendTo(to, message, isSigned(message))
  }

  #help(to: NodeId, epoch: Epoch, message: ProtocolMessage): void {
    if (message.type === 'hybridFetch') return this.#supply(to, epoch, message.from, message.upTo)
    const certificate = this.#switches.find((known) => known.epoch === epoch)
    if (certificate !== undefined) this.#tell(to, { type: 'hybridSwitch', certificate })
  }

  // From one epoch to the next.

  #settle(): void {
    const report = this.#threat.report(this.#now.monotonicMs)
    if (JSON.stringify(report) !== JSON.stringify(this.#reported)) {
      this.#reported = report
      this.#merger.emit({ type: 'threat', ...report })
    }
    const phase = this.#phase
    if (phase.kind === 'raft') {
      const { f } = raftEpoch(this.#options, this.#modules, this.#start).replicas
      if (isAtLeast(report.level, 'high')) this.#panic()
      if (this.#panics.size > f) this.#abortDue ??= `${this.#panics.size} members panic`
      if (this.#early.size > f) this.#abortDue ??= `${this.#early.size} members left the epoch`
      if (this.#abortDue !== null) this.#abort(phase.raft, this.#abortDue)
    }
    if (this.#phase.kind === 'leaving') this.#advance()
  }

  /** S1: nothing is signed, acknowledged or answered in this epoch from here on. */
  #abort(raft: HardenedRaft, reason: string): void {
    for (const effect of raft.distrustLeader()) {
      if (effect.type === 'readRefused' || effect.type === 'refused') this.#merger.emit(effect)
    }
    const { epoch } = this.#start
    const history = raft.abort()
    this.#abortDue = null
    this.#phase = this.#leave({ history, safety: null, slots: [], fetched: [] })
    for (const early of this.#early.values()) this.#phase.kind === 'leaving' && this.#phase.leaving.note(early)
    this.#early.clear()
    this.#storeLeaving()
    this.#merger.emit({ type: 'roleChanged', role: 'follower', epoch, term: this.status().term, leader: null })
    this.#merger.emit({ type: 'epochChanged', epoch, mode: 'raft', isUnderWay: true, reason })
    this.#broadcast({ type: 'hybridHistory', history })
    this.#repeatMs = this.#now.monotonicMs + this.#options.limits.repeatMs
  }

  #storeLeaving(): void {
    const phase = this.#phase
    assert(phase.kind === 'leaving', 'an epoch is being left')
    const { history, instance, leaving } = phase
    const payload = encodeLeaving({ history, ...instance.stored, fetched: leaving.fetched })
    this.#merger.record({ kind: 'abort', epoch: this.#start.epoch, payload })
  }

  /** S2 and S3: proposes what it can, votes for what it holds, enters what is decided. */
  #advance(): void {
    const phase = this.#phase
    if (phase.kind !== 'leaving') return
    const { leaving, instance } = phase
    if (phase.decided === null && instance.proof === null && leaving.count >= leaving.ending.raft.replicas.quorum) {
      const protocol = this.#ordered ?? this.#options.bft
      const current = this.#evidence.filter(({ epoch }) => epoch === this.#start.epoch)
      const proposed = leaving.propose(protocol, current)
      if (proposed instanceof Uint8Array) {
        instance.proof = proposed
        this.#handOver({ type: 'tick' })
      }
    }
    for (const [from, message] of [...phase.held]) {
      phase.held.delete(from)
      this.#consider(from, message)
    }
    if (phase.decided !== null) this.#activate(phase.decided)
  }

  /** A message of the instance: a proposal has to wait until its result is here in full. */
  #consider(from: NodeId, message: HybridHandOver): void {
    const phase = this.#phase
    if (phase.kind !== 'leaving') return
    const inner = message.message
    if (inner.type === 'pbftPrePrepare') {
      const { basis } = decodeInit(inner.value.body)
      assert(basis.kind === 'handOver', 'what was verified rests on a hand-over')
      const outcome = resultIn(phase.leaving, basis.proof)
      if (!('entries' in phase.leaving.assemble(outcome))) {
        phase.held.set(from, message)
        return
      }
    }
    this.#handOver({ type: 'message', from, configHash: phase.instance.configHash(), message: inner })
  }

  #handOver(input: Input): void {
    const phase = this.#phase
    if (phase.kind !== 'leaving') return
    const { epoch } = this.#start
    const effects = phase.instance.step(input, this.#now)
    for (const effect of effects) {
      if (effect.type === 'send' && isPbft(effect.message))
        this.#merger.sendTo(effect.to, { type: 'hybridHandOver', epoch, message: effect.message }, true)
      else if (effect.type === 'evidence') this.#threat.noteEvidence(decodeEvidence(effect.evidence).culprit)
    }
    if (effects.some(({ type }) => type === 'store')) this.#storeLeaving()
    const decision = phase.instance.decision()
    if (decision !== null) phase.decided ??= decision
  }

  /** A verified switch certificate, from whomever it came. */
  #decide(certificate: SwitchCertificate): void {
    if (this.#phase.kind === 'raft') this.#abort(this.#phase.raft, 'the others have left the epoch')
    if (this.#phase.kind === 'leaving') this.#phase.decided ??= certificate
  }

  /** S4: the log becomes the result, and the next epoch begins. */
  #activate(certificate: SwitchCertificate): void {
    const phase = this.#phase
    assert(phase.kind === 'leaving', 'an epoch is left before the next begins')
    const { leaving } = phase
    const decided = switchResult(leaving.ending, certificate)
    assert(typeof decided !== 'string', 'what was decided is sound')
    const { result, protocol } = decided
    const assembly = leaving.assemble(result)
    if (!('entries' in assembly)) return
    const { forkIndex, entries } = assembly
    assert(forkIndex >= this.#released, 'what was told is within the result')
    const records: StoreRecord[] = []
    if (this.#shadow.lastIndex > forkIndex) records.push({ kind: 'truncate', from: (forkIndex + 1) as LogIndex })
    if (entries.length > 0) records.push({ kind: 'entries', entries })
    const epoch = (this.#start.epoch + 1) as Epoch
    const hardState = { epoch, term: 0 as Term, votedFor: null }
    records.push({ kind: 'hardState', hardState })
    this.#shadow.apply(records)
    for (const record of records) this.#merger.record(record)
    const timestampMs = this.#timestampAt(result.index)
    this.#ended = this.#start
    this.#start = {
      epoch,
      mode: protocol,
      origin: { index: result.index, chain: result.hash, timestampMs },
      membership: this.#start.membership,
    }
    this.#switches = [...this.#switches, certificate].slice(-SWITCHES_MAX)
    this.#inner = null
    this.#ordered = null
    this.#panics.clear()
    this.#storeEpoch()
    this.#phase = { kind: 'entering' }
    this.#merger.whenDurable(() => this.#begin(hardState, result.index))
    this.#broadcast({ type: 'hybridSwitch', certificate })
  }

  #begin(hardState: RestoredLog['hardState'], result: LogIndex): void {
    const { snapshot, mayVote } = this.#modules.restored
    const given = { hardState, snapshot, commitIndex: this.#released, mayVote, safety: null, pending: [] }
    this.#phase = { kind: 'byzantine', core: this.#byzantine(this.#shadow.restored(given)) }
    const { epoch, mode } = this.#start
    this.#pass({ type: 'commit', upTo: result, assurance: 'certified' })
    this.#merger.emit({ type: 'epochChanged', epoch, mode, isUnderWay: false, reason: 'the switch is decided' })
    this.#inside({ type: 'tick' })
  }

  #timestampAt(index: LogIndex): Millis {
    const { base } = this.#shadow
    const { origin } = this.#start
    if (index === base.index) return base.timestampMs
    return this.#shadow.entry(index)?.timestampMs ?? origin.timestampMs
  }

  /** What others may lack: the own history, PANIC, evidence; and the bodies that this node lacks. */
  #repeat(): void {
    const nowMs = this.#now.monotonicMs
    if (nowMs < this.#repeatMs) return
    this.#repeatMs = nowMs + this.#options.limits.repeatMs
    const panic = this.#panics.get(this.#options.self)
    const phase = this.#phase
    if (phase.kind === 'raft' && panic !== undefined) this.#broadcast({ type: 'hybridVote', vote: panic })
    if (phase.kind !== 'leaving') return
    this.#broadcast({ type: 'hybridHistory', history: phase.history })
    for (const evidence of this.#evidence) {
      if (evidence.epoch === this.#start.epoch) this.#broadcast({ type: 'hybridEvidence', evidence })
    }
    for (const { result, holders } of this.#wanted()) this.#fetch(result, holders)
  }

  /** Results that are proposed or decided, and not here in full. */
  #wanted(): { readonly result: Position; readonly holders: readonly NodeId[] }[] {
    const phase = this.#phase
    if (phase.kind !== 'leaving') return []
    const { leaving, decided, held, instance } = phase
    if (decided !== null) {
      const outcome = switchResult(leaving.ending, decided)
      return typeof outcome === 'string' ? [] : [outcome]
    }
    const results = [...held].map(([from, { message }]) => {
      assert(message.type === 'pbftPrePrepare', 'proposals are held')
      const { basis } = decodeInit(message.value.body)
      assert(basis.kind === 'handOver', 'what was verified rests on a hand-over')
      return { result: resultIn(leaving, basis.proof), holders: [from] }
    })
    if (instance.proof !== null || leaving.count < leaving.ending.raft.replicas.quorum) return results
    const proposed = leaving.propose(this.#options.bft, [])
    if (!(proposed instanceof Uint8Array) && proposed.missing !== null) results.push(proposed.missing as never)
    return results
  }

  #fetch(result: Position, holders: readonly NodeId[]): void {
    const phase = this.#phase
    if (phase.kind !== 'leaving') return
    const missing = phase.leaving.assemble(result)
    if ('entries' in missing) return
    const donor = phase.leaving.nextDonor(holders, this.#options.self)
    const { from, upTo } = missing
    if (donor !== undefined) this.#merger.sendTo(donor, { type: 'hybridFetch', epoch: this.#start.epoch, from, upTo }, false)
  }

  #supply(to: NodeId, epoch: Epoch, from: LogIndex, upTo: LogIndex): void {
    if (this.#phase.kind === 'raft') return
    const fetched = this.#phase.kind === 'leaving' ? this.#phase.leaving.fetched : []
    const own = this.#shadow.slice(from, upTo, ENTRIES_MAX)
    for (const entries of [own, fetched.filter(({ index }) => index >= from && index <= upTo)]) {
      const cut = within(entries, this.#options.limits.answerBytesMax)
      if (cut.length > 0) this.#merger.sendTo(to, { type: 'hybridEntries', epoch, entries: cut }, false)
    }
  }
}

const ENTERING = new Uint8Array(32)

/** What messages are verified under now. */
function contextOf(phase: Phase): Uint8Array {
  switch (phase.kind) {
    case 'raft':
      return phase.raft.core.configHash()
    case 'leaving':
      return phase.instance.configHash()
    case 'entering':
      return ENTERING
    case 'byzantine':
      return phase.core.configHash()
  }
}

/** What bears a signature waits for the write that remembers it. */
function isSigned(message: ProtocolMessage): boolean {
  switch (message.type) {
    case 'hybridAck':
    case 'hybridVoteRequest':
    case 'hybridGrant':
    case 'hybridHeld':
    case 'hybridHistory':
    case 'hybridHandOver':
      return true
    default:
      return false
  }
}

/** The newest entries that fit: what is missing is asked for from its end. */
function within(entries: readonly Entry[], bytesMax: number): Entry[] {
  let bytes = 0
  let first = entries.length
  while (first > 0 && bytes <= bytesMax) bytes += (entries[--first] as Entry).body.length
  return entries.slice(first)
}

function resultIn(leaving: Leaving, proof: Uint8Array): Position {
  const outcome = handOverResult(leaving.ending, decodeHandOver(proof))
  assert(typeof outcome !== 'string', 'what was verified is sound')
  return outcome.result
}
