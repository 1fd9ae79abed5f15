/**
 * The state of the hybrid on one node, and the few things that every rule does with it: tell the others, store
 * what the epoch rests on. The rules are functions in files named after what they decide.
 */
import type { Evidence } from '../bft/evidence.js'
import type { WedgedCore } from '../bft/mode-change.js'
import { SignedSnapshots } from '../bft/signed-snapshots.js'
import type { SignedStatement } from '../bft/statement.js'
import { StatementBook } from '../bft/statement-book.js'
import type { Effect, Now, ProtocolMessage } from '../core.js'
import type { Entry } from '../entry.js'
import type { LogIndex, Millis, Mode, NodeId, Term } from '../types.js'
import type { AbortHistory } from './abort-history.js'
import type { Jump } from './behind.js'
import type { HybridModules, HybridOptions } from './config.js'
import { type EpochLink, genesisEpoch } from './epoch-links.js'
import { type EpochStart, encodeEpochRecord, FIRST_STAY, type Reasons, type Stay } from './epoch-record.js'
import { type Forgotten, stillForgotten } from './forgetting.js'
import type { HandOverInstance } from './hand-over.js'
import type { HardenedRaft } from './hardened/raft.js'
import type { Leaving } from './leaving.js'
import { LogShadow } from './log-shadow.js'
import type { HybridHandOver, HybridMessage } from './messages.js'
import type { RaftEpoch } from './positions.js'
import { EVIDENCE_MAX, type SwitchCertificate } from './switch-certificate.js'
import { NO_THREAT, ThreatModel, type ThreatReport } from './threat-model.js'
import { WriteMerger, type Writer } from './write-merger.js'

/** Statements remembered of each signer, to recognise two for one slot. */
const STATEMENTS_MAX = 4096

export type Phase =
  | { readonly kind: 'raft'; readonly raft: HardenedRaft }
  | {
      readonly kind: 'leaving'
      readonly leaving: Leaving
      readonly instance: HandOverInstance
      readonly history: AbortHistory
      readonly reasons: Reasons
      /** Proposals whose results are not here in full: the newest of each sender. */
      readonly held: Map<NodeId, HybridHandOver>
      decided: SwitchCertificate | null
    }
  /** Decided, and on its way to the disk: the next epoch begins when it is there. */
  | { readonly kind: 'entering' }
  | { readonly kind: 'byzantine'; readonly core: WedgedCore }

export class HybridState {
  readonly options: HybridOptions
  readonly modules: HybridModules
  readonly shadow: LogShadow
  readonly merger = new WriteMerger()
  readonly threat: ThreatModel
  readonly book = new StatementBook(STATEMENTS_MAX)
  start: EpochStart
  ended: EpochStart | null = null
  /** How the newest epochs ended, oldest first. */
  links: EpochLink[] = []
  stay: Stay = FIRST_STAY
  /** A later place that this node is on its way to, and who gave what was not signed. */
  jump: Jump | null = null
  readonly badDonors = new Set<string>()
  /** False while this node may have forgotten what it signed in this epoch: its log was damaged, and is not whole again. */
  mayVote: boolean
  /** A start with a damaged log, as long as it counts; null for none. */
  forgotten: Forgotten | null
  /** The log is whole again, and the node does not know it yet. */
  isRepairUntold = false
  /** The configuration that the driver was told of. */
  configurationTold = 0 as LogIndex
  /** What this node can give who lacks more than logs hold. */
  snapshots = new SignedSnapshots(null)
  evidence: Evidence[] = []
  inner: Uint8Array | null = null
  phase!: Phase
  /** They take completions of writes back to the core that wrote. */
  raftWriter!: Writer
  byzantineWriter!: Writer
  now: Now
  released: LogIndex
  reported: ThreatReport = NO_THREAT
  readonly panics = new Map<NodeId, SignedStatement>()
  readonly early = new Map<NodeId, AbortHistory>()
  readonly helpedMs = new Map<NodeId, Millis>()
  readonly suppliedMs = new Map<NodeId, Millis>()
  readonly convincedMs = new Map<NodeId, Millis>()
  abortDue: string | null = null
  readonly suspects = new Map<NodeId, SignedStatement>()
  /** When the own suspicion is said again; when suspicious members were last shown what their leader signed. */
  suspectAgainMs: Millis = 0
  readonly testifiedMs = new Map<NodeId, Millis>()
  /** Since when this member leads this term, as far as this node knows. */
  reign: { readonly leader: NodeId | null; readonly term: Term; readonly sinceMs: Millis }
  /** Since when the driver's oldest request waits. */
  demandMs: Millis | null = null
  ordered: Exclude<Mode, 'raft'> | null = null
  /** In a Byzantine epoch: another mode that an operator wants, and until when; CLEARs and orders of members. */
  wanted: { readonly mode: Mode; readonly untilMs: Millis } | null = null
  readonly clears = new Map<NodeId, SignedStatement>()
  readonly modeOrders = new Map<NodeId, SignedStatement>()
  clearDueMs: Millis
  /** The MODE operation that is due by what this node knows, since when it is, and until when it is not tried again. */
  modeDue: Uint8Array | null = null
  modeSinceMs: Millis | null = null
  modeHeldUntilMs: Millis = Number.NEGATIVE_INFINITY
  epochCache: { readonly start: EpochStart; readonly epoch: RaftEpoch } | null = null
  /** Entries being read for members that are behind. */
  readonly loads = new Map<NodeId, { readonly first: LogIndex; readonly answer: (entries: readonly Entry[]) => void }>()
  /** Orders that the core of the epoch has not answered. */
  readonly openOrders = new Set<number>()
  repeatMs: Millis
  /** When this node next asks whether its Raft epoch goes on. */
  whereAskMs: Millis
  configHashCache: { readonly of: Uint8Array; readonly hash: Uint8Array } | null = null

  constructor(options: HybridOptions, modules: HybridModules) {
    this.options = options
    this.modules = modules
    const { restored, now } = modules
    this.now = now
    this.shadow = new LogShadow(restored)
    this.threat = new ThreatModel(options.threatWindowMs)
    this.released = Math.max(restored.commitIndex, restored.base.index) as LogIndex
    this.repeatMs = now.monotonicMs
    this.whereAskMs = now.monotonicMs + options.settings.electionTimeoutMaxMs
    this.clearDueMs = now.monotonicMs
    this.reign = { leader: null, term: 0 as Term, sinceMs: now.monotonicMs }
    this.mayVote = restored.mayVote
    this.forgotten = restored.mayVote ? null : { sinceMs: now.wallMs }
    const { base, lastIndex, safety } = restored
    // A restored cluster begins behind the state that it was made with.
    const isSeeded = safety === null && base.index > 0 && lastIndex === base.index
    const genesis = genesisEpoch(options.membership)
    const { index, chain, timestampMs } = base
    const origin = isSeeded ? { index, chain, timestampMs } : options.origin
    this.start = origin === undefined ? genesis : { ...genesis, origin }
  }

  others(): NodeId[] {
    return this.start.membership.members.map(({ id }) => id).filter((id) => id !== this.options.self)
  }

  broadcast(message: HybridMessage): void {
    for (const id of this.others()) this.merger.sendTo(id, message, isSigned(message))
  }

  /** To one member, no more often than it can have use for. */
  tell(to: NodeId, message: HybridMessage): void {
    const nowMs = this.now.monotonicMs
    if (nowMs - (this.helpedMs.get(to) ?? Number.NEGATIVE_INFINITY) < this.options.limits.helpMs) return
    this.helpedMs.set(to, nowMs)
    this.merger.sendTo(to, message, isSigned(message))
  }

  pass(effect: Exclude<Effect, { type: 'send' | 'store' }>): void {
    if (effect.type === 'commit') {
      if (effect.upTo <= this.released) return
      this.released = effect.upTo
      this.remembers(stillForgotten(this, effect.upTo))
    } else if (effect.type === 'ordered' || effect.type === 'orderRefused') this.openOrders.delete(effect.orderId)
    else if (effect.type === 'damaged' || effect.type === 'repaired') {
      this.mayVote = effect.type === 'repaired'
      // In a Byzantine epoch it takes a quorum that is there: who was in a later one is not.
      if (this.mayVote && this.phase.kind === 'byzantine') this.forgotten = null
      // The disk says that the log is damaged for as long as this node may have forgotten: another start has to know.
      this.isRepairUntold = this.mayVote && this.forgotten !== null
      if (this.isRepairUntold) return
    }
    this.merger.emit(effect)
  }

  /** What may still be forgotten. Where nothing is any more, a repair is told that was not told before. */
  remembers(forgotten: Forgotten | null): void {
    this.forgotten = forgotten
    if (forgotten !== null || !this.isRepairUntold) return
    this.isRepairUntold = false
    this.merger.emit({ type: 'repaired' })
  }

  encoded(): Uint8Array {
    const { start, stay, links, ended, evidence, inner } = this
    const snapshot = this.snapshots.newest
    return encodeEpochRecord({ start, stay, links, ended, snapshot, evidence, inner })
  }

  /** Keeps evidence: one piece against each culprit in an epoch. True when it was new. */
  remember(evidence: Evidence): boolean {
    const { culprit, epoch } = evidence
    if (this.evidence.some((known) => known.culprit === culprit && known.epoch === epoch)) return false
    this.evidence = [...this.evidence, evidence].slice(-EVIDENCE_MAX)
    this.threat.noteEvidence(culprit)
    this.storeEpoch()
    return true
  }

  storeEpoch(): void {
    this.merger.record({ kind: 'safety', safety: this.encoded() })
  }
}

/** What bears a signature waits for the write that remembers it. */
export function isSigned(message: ProtocolMessage): boolean {
  switch (message.type) {
    case 'hybridAck':
    case 'hybridVoteRequest':
    case 'hybridGrant':
    case 'hybridHeld':
    case 'hybridHistory':
    case 'hybridHandOver':
    case 'hybridCheckpoint':
      return true
    default:
      return false
  }
}
