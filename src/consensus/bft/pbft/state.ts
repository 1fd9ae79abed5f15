/**
 * The state of one PBFT replica and the few things that every rule does with it: send, persist, tell.
 * The rules are functions in files named after what they decide; they share this object and nothing else.
 */
import type { Effect, Now, RestoredLog, Role, StoreRecord } from '../../core.js'
import { MembershipHistory } from '../../raft/membership-history.js'
import type { LogBase } from '../../snapshot.js'
import type { LogIndex, Millis, NodeId, SequenceNumber, Term, WriteId } from '../../types.js'
import type { Certificate } from '../certificate.js'
import { CheckpointBook } from '../checkpoints.js'
import type { EpochContext, EpochPorts, EpochStep } from '../epoch.js'
import { SignedSnapshots } from '../signed-snapshots.js'
import type { SignedStatement } from '../statement.js'
import { StatementBook } from '../statement-book.js'
import { encodePbft } from './codec.js'
import type { PbftModules, PbftOptions } from './config.js'
import { DecidedLog } from './decided-log.js'
import type { NewView, PbftMessage, Value, ViewChange } from './messages.js'
import { Outbox } from './outbox.js'
import { encodeSafety, type SafetyRecord } from './safety-record.js'
import type { SafetyRules } from './safety-rules.js'
import { Slots } from './slots.js'
import { SlowPrimaryWatch } from './slow-primary.js'
import type { Ending, KnownEvidence, PeerPlace, PendingChange, Transfer } from './state-types.js'
import { nullValue } from './value.js'
import { VerifiedCertificates } from './verified.js'

export class PbftState {
  readonly options: PbftOptions
  readonly modules: PbftModules
  readonly self: NodeId
  readonly rules: SafetyRules
  readonly log: DecidedLog
  readonly slots = new Slots()
  readonly outbox: Outbox
  readonly memberships: MembershipHistory
  readonly nullValue: Value
  context: EpochContext
  /** The epoch before, whose checkpoint this one rests on; null in the first. */
  previous: { readonly context: EpochContext; readonly checkpoint: Certificate } | null = null
  /** How the cluster came to this epoch; for nodes that come from far behind. */
  readonly steps: EpochStep[]
  view: number
  active: boolean
  /** The accepted NEW-VIEW of the present view; null in view 0, and while it is awaited. */
  newView: NewView | null = null
  /** The own VIEW-CHANGE while the new view is awaited. */
  ownViewChange: ViewChange | null = null
  /** Slots up to here were ordered by the new view: fresh proposals follow. */
  orderedUpTo: LogIndex
  /** Of each replica the view change for the highest view. */
  readonly viewChanges = new Map<NodeId, ViewChange>()
  /** Views that failed since the last progress. */
  failedViews = 0
  /** When a NEW-VIEW is late; null while less than a quorum asks for one. */
  newViewDueMs: Millis | null = null
  /** When the present view began. */
  viewBeganMs: Millis
  /** Since when the driver's oldest request waits. */
  demandMs: Millis | null = null
  checkpoints: CheckpointBook
  /** Certificates of recent checkpoints, by index: what later digests are compared with, and snapshots rest on. */
  readonly certified = new Map<number, Certificate>()
  /** Chains at checkpoint indexes whose digest is not known yet. */
  readonly chains = new Map<number, Uint8Array>()
  /** Own digests from the stable checkpoint on. */
  readonly digests = new Map<number, Uint8Array>()
  /** The newest index at which the own state was found equal to a quorum's. */
  agreedIndex = 0 as LogIndex
  /** The own state differs from a quorum's, or is lost: nothing is signed on it until it is replaced. */
  diverged = false
  /** The log was damaged, and is not known to be whole again: what this replica did in epochs that it has yet to reach is unknown too. */
  repairing: boolean
  /** The write that remembers it; null before the first step. */
  silentWrite: WriteId | null = null
  commitIndex: LogIndex
  executedIndex: LogIndex
  ending: Ending | null = null
  /** The certified checkpoint at the end of this epoch: the next one begins with it. */
  epochDue: Certificate | null = null
  change: PendingChange | null = null
  statements: StatementBook
  /** Votes that were not worth a verification: only their contradictions are. */
  unverified: StatementBook
  /** Which unverified statement was verified along with a message. */
  readonly verifiedAlong = new WeakMap<PbftMessage, SignedStatement>()
  readonly verified: VerifiedCertificates
  /** Evidence by id in hex. */
  readonly evidence = new Map<string, KnownEvidence>()
  readonly slow: SlowPrimaryWatch
  /** A newer one that waits for its certificate does not take the place of one that others believe. */
  readonly snapshots: SignedSnapshots
  /** The log is to begin behind this entry, as soon as the checkpoint that covers it is stable. */
  compactTo: Omit<LogBase, 'membership'> | null = null
  transfer: Transfer | null = null
  /** Donors that gave something false for a snapshot. */
  readonly badDonors = new Set<string>()
  /** Donors whose turn was in vain, and until when they get no other. */
  readonly standBack = new Map<NodeId, Millis>()
  /** Where each peer said it stood, and when it was helped last. */
  readonly peers = new Map<NodeId, PeerPlace>()
  /** Loads under way: peer → first index asked for. */
  readonly loads = new Map<NodeId, LogIndex>()
  nextStatusMs: Millis
  lastStatusMs: Millis
  /** Decided and executed entries when held proposals were last looked at. */
  reconsideredAt: number
  /** Where this replica stood at its last status. */
  statusIndex: LogIndex
  statusTurn: number
  /** The last index this primary proposed, 0 for none in this view. */
  proposedUpTo: LogIndex
  now: Now
  #safetyChanged = false
  #reported: { role: Role; leader: NodeId | null; view: number; epoch: number }
  #reportedCommit: LogIndex

  constructor(options: PbftOptions, modules: PbftModules, start: SafetyRecord, rules: SafetyRules) {
    const { restored, sha256, now } = modules
    this.options = options
    this.modules = modules
    this.self = options.self
    this.rules = rules
    this.context = start.context
    this.previous = start.previous
    this.steps = [...start.steps]
    this.view = start.view
    this.active = start.active
    this.newView = start.newView
    this.ownViewChange = start.ownViewChange
    this.log = new DecidedLog(restored, start.context.origin.index)
    this.outbox = new Outbox(restored.lastIndex)
    const first = restored.base.membership ?? { index: 0 as LogIndex, membership: options.membership }
    this.memberships = new MembershipHistory(first, restored.memberships)
    this.nullValue = nullValue(sha256)
    this.checkpoints = new CheckpointBook(start.context.replicas, start.stable)
    this.orderedUpTo = start.context.origin.index
    this.viewBeganMs = now.monotonicMs
    this.commitIndex = Math.max(restored.base.index, restored.lastIndex) as LogIndex
    this.executedIndex = restored.commitIndex
    this.statements = new StatementBook(options.limits.statementsPerSignerMax)
    this.unverified = new StatementBook(options.limits.statementsPerSignerMax)
    this.verified = new VerifiedCertificates(sha256, options.limits.verifiedCertificatesMax)
    this.slow = new SlowPrimaryWatch(now.monotonicMs)
    this.snapshots = snapshotsOf(restored, start)
    this.diverged = restored.stateLost === true
    this.repairing = !restored.mayVote
    this.nextStatusMs = now.monotonicMs + options.limits.statusIntervalMs * modules.random()
    this.lastStatusMs = now.monotonicMs
    this.statusIndex = restored.lastIndex
    this.reconsideredAt = restored.lastIndex + restored.commitIndex
    this.statusTurn = Math.floor(modules.random() * 64)
    this.proposedUpTo = 0 as LogIndex
    this.now = now
    this.#reported = { role: 'follower', leader: null, view: -1, epoch: -1 }
    this.#reportedCommit = restored.base.index
  }

  get ports(): EpochPorts {
    const { clusterId, clusterConfigHash } = this.options
    return { sha256: this.modules.sha256, clusterId, clusterConfigHash }
  }

  get primary(): NodeId {
    return this.context.primary(this.view)
  }

  /** True on the primary of the present view once that view has begun. */
  get isPrimary(): boolean {
    return this.active && this.primary === this.self && this.rules.maySign && !this.diverged
  }

  /** h: the newest stable checkpoint; the epoch's origin before the first. */
  get stableIndex(): LogIndex {
    return Math.max(this.checkpoints.stableIndex, this.context.origin.index) as LogIndex
  }

  /** Slots above this index are not open for agreement. */
  get windowEnd(): LogIndex {
    const end = this.stableIndex + this.options.settings.windowSlots
    return (this.ending === null ? end : Math.min(end, this.ending.index)) as LogIndex
  }

  get initDone(): boolean {
    return this.log.lastIndex >= this.context.initIndex
  }

  sequenceOf(index: number): SequenceNumber {
    return this.context.sequenceOf(index)
  }

  /** Open for votes: above what is decided, within the window. */
  isOpen(index: number): boolean {
    return index > this.log.lastIndex && index > this.stableIndex && index <= this.windowEnd
  }

  /** Everybody in the configuration but this node. */
  get others(): NodeId[] {
    return this.context.record.membership.members.map(({ id }) => id).filter((id) => id !== this.self)
  }

  emit(effect: Exclude<Effect, { type: 'send' | 'store' }>): void {
    this.outbox.emit(effect)
  }

  send(to: NodeId, message: PbftMessage): void {
    this.outbox.send(to, message)
  }

  broadcast(message: PbftMessage): void {
    for (const id of this.others) this.outbox.send(id, message)
  }

  store(record: Exclude<StoreRecord, { kind: 'entries' | 'base' | 'safety' }>): void {
    this.outbox.record(record)
  }

  /** A message that must be there again after a restart until the slot is decided. */
  storeSlot(index: LogIndex, message: PbftMessage): void {
    this.outbox.record({ kind: 'slot', index, payload: encodePbft(message) })
  }

  /** The safety record is written with this step. */
  storeSafety(): void {
    this.#safetyChanged = true
  }

  safetyRecord(): SafetyRecord {
    const { context, previous, view, active, newView, ownViewChange, steps, rules } = this
    const snapshotCertificate = this.snapshots.newest?.certificate ?? null
    const evidence = [...this.evidence.values()].filter(({ ordered }) => !ordered).map((known) => known.evidence)
    const ownCheckpoints = this.rules.ownCheckpoints()
    const stable = this.checkpoints.stable
    return {
      context,
      previous,
      view,
      active,
      silent: rules.silent,
      newView,
      ownViewChange,
      stable,
      snapshotCertificate,
      ownCheckpoints,
      steps,
      evidence,
    }
  }

  finish(): Effect[] {
    this.#report()
    if (this.#safetyChanged) this.outbox.record({ kind: 'safety', safety: encodeSafety(this.safetyRecord()) })
    this.#safetyChanged = false
    return this.outbox.finish(this.context.epoch, this.log.lastIndex)
  }

  #report(): void {
    const role: Role = this.isPrimary ? 'leader' : this.context.replicas.has(this.self) ? 'follower' : 'learner'
    const leader = this.active ? this.primary : null
    const { view, context } = this
    const before = this.#reported
    if (before.role !== role || before.leader !== leader || before.view !== view || before.epoch !== context.epoch) {
      this.#reported = { role, leader, view, epoch: context.epoch }
      this.emit({ type: 'roleChanged', role, epoch: context.epoch, term: 0 as Term, leader })
    }
    const upTo = Math.min(this.outbox.durableIndex, this.log.lastIndex) as LogIndex
    if (upTo <= this.#reportedCommit) return
    this.#reportedCommit = upTo
    this.commitIndex = Math.max(this.commitIndex, upTo) as LogIndex
    const certificate = this.log.entry(upTo)?.certificate
    this.emit({
      type: 'commit',
      upTo,
      assurance: 'certified',
      ...(certificate === undefined || certificate === null ? {} : { certificate }),
    })
  }

  /** The state was replaced by a snapshot at `index`: commits are told from there on. */
  restoredTo(index: LogIndex): void {
    this.#reportedCommit = Math.max(this.#reportedCommit, index) as LogIndex
    this.commitIndex = Math.max(this.commitIndex, index) as LogIndex
  }
}

/** The snapshot on disk counts for others where one of the stored certificates is of it. */
function snapshotsOf({ snapshot }: RestoredLog, { snapshotCertificate, stable }: SafetyRecord): SignedSnapshots {
  const snapshots = new SignedSnapshots(null)
  for (const certificate of [snapshotCertificate, stable]) if (certificate !== null) snapshots.certified(certificate)
  if (snapshot !== null) snapshots.taken(snapshot)
  return snapshots
}
