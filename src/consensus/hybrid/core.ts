/**
 * The hybrid behind the contract of all protocols: Raft while nobody is known to lie, PBFT or HotStuff
 * afterwards, one core at a time over one log. It holds the epoch, the threat model and the way from one
 * epoch to the next (S0 to S4, docs/consensus/hybrid.md); what happens within an epoch is its core's.
 */
import { bytesEqual } from '../../base/bytes.js'
import type { SignatureCheck } from '../bft/checks.js'
import type { IsVerified } from '../bft/client-request.js'
import { isHotStuff } from '../bft/hotstuff/codec.js'
import { isPbft } from '../bft/pbft/index.js'
import type { Core, CoreStatus, Effect, Input, Now, ProtocolMessage, Stays } from '../core.js'
import type { Entry } from '../entry.js'
import type { MembershipRecord } from '../membership.js'
import type { LogIndex, Millis, NodeId } from '../types.js'
import { followCore } from './back/ending.js'
import { staysBecause } from './back/mode-rules.js'
import { checksOfOldEvidence, isOldEvidence } from './back/old-evidence.js'
import { helpBehind, isOfEarlierCore, takeLoaded } from './back/serving.js'
import { checksOfVote, considerMode, isWorthTaking, takeVote } from './back/talking.js'
import { checksOfJump, isAhead, receiveJump, rejectJump, takeJump } from './behind.js'
import { isHybrid } from './codec.js'
import type { HybridModules, HybridOptions } from './config.js'
import { dueMs } from './deadline.js'
import { inside } from './effects.js'
import type { EpochLink } from './epoch-links.js'
import { convince, help, supply } from './helping.js'
import { checksOfHybrid, epochOf, isJump, isLater, soundly } from './ingress.js'
import { currentEpoch, endingOf } from './inner.js'
import { askAround, askWhere } from './jump-offers.js'
import type { HybridMessage } from './messages.js'
import { handleOrder, whileLeaving } from './orders.js'
import { restore } from './phases.js'
import { restart } from './restarting.js'
import { HybridState } from './state.js'
import { configHashOf, membershipAt, statusOf } from './status.js'
import {
  accuse,
  clearThreat,
  isProven,
  isWorthVote,
  noteHistory,
  noteInvalid,
  panic,
  suspect,
  takeSuspicion,
  watch,
} from './suspicion.js'
import { abort, advance, consider, decide } from './switching.js'
import { isAtLeast } from './threat-model.js'

type Message = Extract<Input, { type: 'message' }>

export class HybridCore implements Core {
  readonly #state: HybridState

  /** Continues from `modules.restored`. Throws where options or what is stored contradict themselves. */
  constructor(options: HybridOptions, modules: HybridModules) {
    const { restored } = modules
    const state = new HybridState(options, modules)
    this.#state = state
    if (restored.safety !== null) restore(state, restored.safety)
    state.phase = restart(state, restored)
    state.raftWriter = (stored) => {
      if (state.phase.kind === 'raft') inside(state, stored)
    }
    state.byzantineWriter = (stored) => {
      if (state.phase.kind === 'byzantine') inside(state, stored)
    }
  }

  step(input: Input, now: Now): Effect[] {
    this.#state.now = now
    if (input.type === 'stored') for (const run of this.#state.merger.complete(input)) run()
    else this.#apply(input)
    this.#settle()
    const { epoch, term } = this.status()
    return this.#state.merger.finish(epoch, term)
  }

  deadline(): Millis | undefined {
    return dueMs(this.#state)
  }

  status(): CoreStatus {
    return statusOf(this.#state)
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#state.phase.kind === 'byzantine'
      ? this.#state.phase.core.entry(index)
      : this.#state.shadow.entry(index)
  }

  epochLinks(): readonly EpochLink[] {
    return this.#state.links
  }

  membershipAt(index: LogIndex): MembershipRecord {
    return membershipAt(this.#state, index)
  }

  mayPropose(): boolean {
    const phase = this.#state.phase
    if (phase.kind === 'raft') return phase.raft.mayPropose()
    return phase.kind === 'byzantine' && phase.core.mayPropose()
  }

  /** There are no leases where leaders may lie. */
  holdsLease(_now: Now): boolean {
    return false
  }

  /** Changes with the epoch and with its end: what was verified for one says nothing in the next. */
  configHash(): Uint8Array {
    return configHashOf(this.#state)
  }

  interest(from: NodeId, message: ProtocolMessage): 'verify' | 'keep' | 'drop' {
    const phase = this.#state.phase
    if (isPbft(message) || isHotStuff(message)) {
      if (isOfEarlierCore(this.#state, message)) return 'keep'
      if (phase.kind === 'byzantine') return phase.core.interest(from, message)
      return isLater(this.#state, message) ? 'keep' : 'drop'
    }
    const of = epochOf(message)
    const { epoch, mode } = this.#state.start
    if (of === null) return 'drop'
    // Who says where it is in a later epoch is asked how to get there.
    if (of > epoch) return 'keep'
    // An answer to a question of an epoch that is over leads nowhere from here, and is nobody's fault.
    if (message.type === 'hybridCheckpoint' && isJump(this.#state, message))
      return of === epoch && isAhead(this.#state, from, message) ? 'verify' : 'drop'
    if (message.type === 'hybridEvidence' && of < epoch)
      return isOldEvidence(this.#state, message.evidence) ? 'verify' : 'drop'
    // Who is behind gets what ended its epoch; nothing of its message counts.
    if (of < epoch) return 'keep'
    if (phase.kind === 'byzantine')
      return message.type === 'hybridVote' && isWorthTaking(this.#state, from, message.vote) ? 'verify' : 'drop'
    if (mode !== 'raft' || phase.kind === 'entering') return 'drop'
    switch (message.type) {
      case 'hybridSwitch':
        return phase.kind === 'leaving' && phase.decided !== null ? 'drop' : 'verify'
      case 'hybridHistory': {
        const { signer } = message.history.vote
        const isKnown = phase.kind === 'leaving' ? phase.leaving.knows(signer) : this.#state.early.has(signer)
        return isKnown || signer === this.#state.options.self ? 'drop' : 'verify'
      }
      case 'hybridEvidence':
        return isProven(this.#state, message.evidence.culprit) ? 'drop' : 'verify'
      case 'hybridVote':
        return phase.kind === 'raft' && isWorthVote(this.#state, from, message.vote) ? 'verify' : 'drop'
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

  checks(from: NodeId, message: ProtocolMessage, isVerified?: IsVerified): readonly SignatureCheck[] | null {
    const phase = this.#state.phase
    if (phase.kind === 'byzantine' && message.type === 'hybridVote') return checksOfVote(this.#state, message.vote)
    if (message.type === 'hybridCheckpoint' && isJump(this.#state, message))
      return soundly(() => checksOfJump(this.#state, message))
    if (message.type === 'hybridEvidence' && isOldEvidence(this.#state, message.evidence))
      return checksOfOldEvidence(this.#state, message)
    if (phase.kind === 'byzantine') return phase.core.checks(from, message)
    if (!isHybrid(message)) return null
    if (message.type === 'hybridHandOver')
      return phase.kind === 'leaving' ? phase.instance.checks(from, message.message) : null
    const own = phase.kind === 'raft' ? phase.raft.checks(from, message, isVerified) : undefined
    return own === undefined
      ? checksOfHybrid(endingOf(this.#state.options, this.#state.modules, this.#state.start), message)
      : own
  }

  stays(now: Now): Stays | null {
    const stays = staysBecause(this.#state, now)
    return stays?.retryAfterMs == null ? stays : { ...stays, retryAfterMs: Math.ceil(stays.retryAfterMs) }
  }

  #apply(input: Exclude<Input, { type: 'stored' }>): void {
    const phase = this.#state.phase
    switch (input.type) {
      case 'message':
        return this.#message(input)
      case 'invalid':
        return noteInvalid(this.#state, input.from, input.message, input.reason)
      case 'clear':
        return clearThreat(this.#state, input.node)
      case 'demand':
        this.#state.demandMs = input.waitingSinceMs
        break
      case 'order':
        if (input.order.kind === 'setMode') return handleOrder(this.#state, input.orderId, input.order)
        if (phase.kind === 'byzantine' || phase.kind === 'raft') this.#state.openOrders.add(input.orderId)
        break
      case 'loaded':
        takeLoaded(this.#state, input)
        break
      case 'snapshotFetched':
        if (takeJump(this.#state, input.snapshot)) return
        break
      case 'snapshotRejected':
        if (rejectJump(this.#state, input.from, input.id)) return
        break
      case 'snapshotGone':
        if (this.#state.snapshots.gone(input.id)) this.#state.storeEpoch()
        break
      case 'executed':
        if (input.stateDigest === null) this.#state.shadow.evict(input.upTo)
        break
      default:
    }
    if (phase.kind === 'leaving' || phase.kind === 'entering') return whileLeaving(this.#state, input)
    inside(this.#state, input)
  }

  #message({ from, configHash, message }: Message): void {
    const phase = this.#state.phase
    if (from === this.#state.options.self || !bytesEqual(configHash, this.configHash())) return
    if (isOfEarlierCore(this.#state, message)) return helpBehind(this.#state, from, message)
    if (phase.kind === 'byzantine' && (isPbft(message) || isHotStuff(message)))
      return inside(this.#state, { type: 'message', from, configHash: phase.core.configHash(), message })
    if (isLater(this.#state, message)) return askWhere(this.#state, from)
    const of = epochOf(message)
    if (of === null) return
    if (message.type === 'hybridCheckpoint' && of === this.#state.start.epoch && isJump(this.#state, message))
      return receiveJump(this.#state, from, message)
    if (message.type === 'hybridEvidence' && isOldEvidence(this.#state, message.evidence))
      return accuse(this.#state, message.evidence)
    if (of < this.#state.start.epoch) return help(this.#state, from, of, message)
    if (phase.kind === 'byzantine' && message.type === 'hybridVote') return takeVote(this.#state, message.vote)
    if (of > this.#state.start.epoch || this.#state.start.mode !== 'raft') return
    if (isHybrid(message) && this.#takeSwitching(from, message)) return
    if (phase.kind === 'raft') return inside(this.#state, { type: 'message', from, configHash, message })
    convince(this.#state, from)
  }

  /** What leads out of the epoch. False for what is Raft's. */
  #takeSwitching(from: NodeId, message: HybridMessage): boolean {
    const phase = this.#state.phase
    switch (message.type) {
      case 'hybridVote':
        takeSuspicion(this.#state, from, message.vote)
        return true
      case 'hybridEvidence':
        accuse(this.#state, message.evidence)
        return true
      case 'hybridHistory':
        watch(this.#state, message.history.vote)
        if (message.history.header !== null) watch(this.#state, message.history.header)
        if (phase.kind === 'leaving') noteHistory(this.#state, phase.leaving, message.history)
        else this.#state.early.set(message.history.vote.signer, message.history)
        if (phase.kind === 'raft' && message.history.commit !== null) phase.raft.learnCommit(message.history.commit)
        return true
      case 'hybridHandOver':
        if (phase.kind === 'leaving') consider(this.#state, from, message)
        return true
      case 'hybridSwitch':
        decide(this.#state, message.certificate)
        return true
      case 'hybridFetch':
        supply(this.#state, from, message.epoch, message.from, message.upTo)
        return true
      case 'hybridEntries':
        if (phase.kind === 'leaving') phase.leaving.take(message.entries)
        return true
      default:
        return false
    }
  }

  #settle(): void {
    followCore(this.#state)
    for (const culprit of this.#state.modules.liveCulprits()) this.#state.threat.noteEvidence(culprit)
    const report = this.#state.threat.report(this.#state.now.monotonicMs)
    const { reported } = this.#state
    if (report !== reported && JSON.stringify(report) !== JSON.stringify(reported)) {
      this.#state.reported = report
      this.#state.merger.emit({ type: 'threat', ...report })
    }
    const phase = this.#state.phase
    if (phase.kind === 'raft') {
      suspect(this.#state, phase.raft)
      askAround(this.#state)
      const { f } = currentEpoch(this.#state).replicas
      if (isAtLeast(report.level, 'high') || phase.raft.isStuck) panic(this.#state)
      this.#state.abortDue ??= phase.raft.overBecause
      // Of f + 1 members one is honest: it panics for a reason, or has left for one.
      const { panics, early } = this.#state
      if (new Set([...panics.keys(), ...early.keys()]).size > f)
        this.#state.abortDue ??= `${panics.size} members panic, ${early.size} left the epoch`
      if (this.#state.abortDue !== null) abort(this.#state, phase.raft, this.#state.abortDue)
    }
    if (this.#state.phase.kind === 'leaving') advance(this.#state)
    considerMode(this.#state)
    followCore(this.#state)
  }
}
