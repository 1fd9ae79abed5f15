/**
 * The state of one HotStuff replica, and the few primitives that all its decisions use: emit, send,
 * broadcast, store. What belongs to one epoch is made anew by `enterEpoch`.
 */
import { assert } from '../../../base/assert.js'
import type { Effect, Input, Now } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { Membership, MembershipRecord } from '../../membership.js'
import { MembershipHistory } from '../../raft/membership-history.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { Epoch, LogIndex, Millis, NodeId, Term } from '../../types.js'
import { CheckpointBook } from '../checkpoints.js'
import { EPOCH_STEPS_MAX, EpochContext, type EpochStep } from '../epoch.js'
import type { InitBasis } from '../init.js'
import type { Wedge } from '../mode-change.js'
import { epochConfigHash, Replicas } from '../replicas.js'
import type { SignContext, SignedStatement } from '../statement.js'
import { StatementBook } from '../statement-book.js'
import { genesisOf, type HashedHeader, hashHeader } from './block.js'
import { BlockTree } from './block-tree.js'
import { genesisQc, type Qc, qcRound, type Tc } from './certificates.js'
import { encodeHotStuff } from './codec.js'
import { CommitRule } from './commit-rule.js'
import type { HotStuffModules, HotStuffOptions } from './config.js'
import { DecidedLog } from './decided-log.js'
import { EvidencePool, type OrderedEvidence } from './evidence-pool.js'
import { Journal, type LiveBlock } from './journal.js'
import { Leaders } from './leaders.js'
import type { HotStuffMessage, HsTimeout } from './messages.js'
import { Pacemaker } from './pacemaker.js'
import { newRejoin, type Rejoin } from './rejoin-state.js'
import { freshSafety, SafetyRules } from './safety-rules.js'
import {
  type Anchor,
  decodeState,
  encodeState,
  type Origin,
  type StoredState,
  stepRecord,
  stepsIn,
} from './stored-state.js'
import { SyncState } from './sync-state.js'

/** A change of members that waits for its turn to be proposed. */
export interface PendingChange {
  readonly orderId: number
  readonly body: Uint8Array
}

/** The epoch's last entry is decided; its checkpoint is not certified yet. */
export interface Ending {
  readonly index: LogIndex
  readonly chain: Uint8Array
  readonly timestampMs: Millis
  /** The MODE operation where another protocol follows; null where this core goes on with other members. */
  readonly wedge: Entry | null
}

/** Anchors in memory besides that of the newest snapshot: a slow snapshot ends many checkpoints later. */
const ANCHORS_MAX = 64

export class HotStuffState {
  readonly options: HotStuffOptions
  readonly modules: HotStuffModules
  readonly journal: Journal
  readonly log: DecidedLog
  readonly memberships: MembershipHistory
  readonly rule: CommitRule
  readonly sync: SyncState
  readonly pacemaker: Pacemaker
  now: Now
  /** Decided and durable, and told to the driver. */
  commitIndex: LogIndex
  executedIndex: LogIndex
  demandSinceMs: Millis | null = null
  pendingChange: PendingChange | null = null
  /** An empty block is wanted although nothing is to be flushed: the leadership is to move on. */
  rotating = false
  /** A snapshot that was taken, and that no certified checkpoint is known for yet. */
  taken: Extract<Input, { type: 'snapshotTaken' }> | null = null
  /** The newest own snapshot that a quorum signed, for peers whose entries are gone. */
  snapshot: SnapshotOffer | null
  /** Peers for whom entries are being read from disk. */
  readonly loads = new Set<NodeId>()
  /** Up to where peers that fetch entries say that they have come; who is no member too. */
  readonly standings = new Map<NodeId, number>()
  anchors: Anchor[] = []
  /** What execution told last, in this life, of the own state at a compared index. */
  digest: { readonly epoch: Epoch; readonly index: LogIndex; readonly digest: Uint8Array } | null = null
  /** While this node may have forgotten what it signed. */
  rejoin: Rejoin | null
  /** When a peer that asks its way back was last helped by a round. */
  readonly rotatedFor = new Map<NodeId, Millis>()
  /** How the cluster came to this epoch, as far as this node saw it; for nodes that come from far behind. */
  steps: EpochStep[]
  hasStarted = false

  // What follows belongs to the epoch.
  epoch!: Epoch
  origin!: Origin
  basis!: InitBasis
  members!: MembershipRecord
  /** Who decided the epoch before; null in the first. */
  previous!: Membership | null
  replicas!: Replicas
  context!: SignContext
  genesis!: HashedHeader
  genesisQc!: Qc
  tree!: BlockTree
  leaders!: Leaders
  safety!: SafetyRules
  book!: StatementBook
  evidence!: EvidencePool
  checkpoints!: CheckpointBook
  /** The newest vote of every signer. */
  votes = new Map<NodeId, SignedStatement>()
  /** Time-outs of the current round. */
  timeouts = new Map<NodeId, HsTimeout>()
  ending: Ending | null = null
  /** What ended this core's last epoch in favour of another protocol; null while it goes on. */
  wedge: Wedge | null = null
  /** The round of which this node alone may hold the QC: the others are told when nothing follows. */
  announceQc: Qc | null = null
  /** A block of this round may leave at once: that no other follows it after a crash is on the disk. */
  durableFence = 0
  readonly #effects: Effect[] = []

  constructor(options: HotStuffOptions, modules: HotStuffModules) {
    this.options = options
    this.modules = modules
    this.now = modules.now
    const { restored } = modules
    this.journal = new Journal((effect) => this.emit(effect))
    this.log = new DecidedLog(restored, options.limits)
    const genesis: MembershipRecord = { index: 0 as LogIndex, membership: options.membership }
    this.memberships = new MembershipHistory(restored.base.membership ?? genesis, restored.memberships)
    this.rule = modules.rule ?? new CommitRule(options.commitRule ?? 3)
    this.sync = new SyncState()
    this.sync.needsState = restored.stateLost === true
    this.pacemaker = new Pacemaker(options.limits, modules.now.monotonicMs)
    this.commitIndex = restored.commitIndex
    this.executedIndex = restored.commitIndex
    this.snapshot = restored.snapshot
    this.steps = stepsIn(restored.pending)
    const stored = restored.safety === null ? null : decodeState(restored.safety)
    // A log without safety data has forgotten what was signed.
    const knows =
      restored.mayVote && (stored !== null ? !stored.safety.forgot : this.log.last.index <= options.origin.index)
    this.rejoin = knows ? null : newRejoin(modules.random, modules.now.monotonicMs)
    if (stored !== null && stored.safety.epoch >= options.epoch) this.#restore(stored)
    else {
      const members = this.memberships.current
      this.enterEpoch(options.epoch, options.origin, members, options.basis ?? { kind: 'genesis' }, null)
    }
  }

  get self(): NodeId {
    return this.options.self
  }

  get round(): number {
    return this.pacemaker.round
  }

  get highQc(): Qc {
    return this.safety.highQc
  }

  /** The block of the highest QC; undefined while it is being fetched. */
  get tip(): HashedHeader | undefined {
    return this.tree.get(this.highQc.statement.digest)
  }

  /** Leader of the current round; null while the block that decides about it is not here. */
  get leader(): NodeId | null {
    const { tip } = this
    return tip === undefined ? null : this.leaders.leader(this.round, tip)
  }

  get isLeader(): boolean {
    return this.safety.maySign && this.leader === this.self
  }

  /** What the signatures of this epoch are bound to, and who makes them. */
  get epochContext(): EpochContext {
    const { clusterId, clusterConfigHash } = this.options
    const ports = { sha256: this.modules.sha256, clusterId, clusterConfigHash }
    return new EpochContext(ports, this.epoch, this.origin, this.members)
  }

  /** Begins an epoch after `origin`: round 1, nothing signed. */
  enterEpoch(
    epoch: Epoch,
    origin: Origin,
    members: MembershipRecord,
    basis: InitBasis,
    previous: Membership | null,
  ): void {
    this.#setEpoch(epoch, origin, members, basis, [])
    this.previous = previous
    this.tree = new BlockTree({ ...this.genesis, parts: null }, this.options.limits)
    this.#setRules({ ...freshSafety(epoch, this.genesis.hash, this.genesisQc), forgot: this.rejoin !== null })
    this.pacemaker.begin(this.now.monotonicMs)
    if (this.rejoin !== null)
      this.rejoin = { ...this.rejoin, standings: new Map(), floor: null, askAtMs: this.now.monotonicMs }
    this.ending = null
    this.announceQc = null
    this.rotating = false
    this.durableFence = 0
    this.sync.clear()
  }

  #restore(stored: StoredState): void {
    const { safety, origin, members, root, tc, anchors } = stored
    this.#setEpoch(safety.epoch, origin, members, stored.basis, stored.ordered)
    this.previous = stored.previous
    const rootBlock = root === null ? this.genesis : hashHeader(this.modules.sha256, root)
    this.tree = new BlockTree({ ...rootBlock, parts: null }, this.options.limits)
    this.#setRules({ ...safety, forgot: this.rejoin !== null })
    this.anchors = [...anchors]
    this.pacemaker.begin(this.now.monotonicMs)
    this.pacemaker.enter(qcRound(safety.highQc) + 1, null, this.now.monotonicMs)
    if (tc !== null) this.pacemaker.enter(tc.round + 1, tc, this.now.monotonicMs)
    const newest = anchors.at(-1)
    if (newest !== undefined && newest.checkpoint.statement.epoch === this.epoch)
      this.checkpoints.adopt(newest.checkpoint)
  }

  #setEpoch(
    epoch: Epoch,
    origin: Origin,
    members: MembershipRecord,
    basis: InitBasis,
    ordered: readonly OrderedEvidence[],
  ): void {
    const { sha256 } = this.modules
    const { clusterId, clusterConfigHash, limits } = this.options
    this.epoch = epoch
    this.origin = origin
    this.basis = basis
    this.members = members
    this.replicas = new Replicas(members.membership)
    this.context = { clusterId, configHash: epochConfigHash(sha256, clusterConfigHash, members.membership) }
    this.genesis = genesisOf(sha256, this.context, epoch, origin)
    this.genesisQc = genesisQc(this.genesis)
    this.book = new StatementBook(limits.statementsPerSigner)
    this.evidence = new EvidencePool(limits.evidencePerCulpritMax, ordered)
    this.checkpoints = new CheckpointBook(this.replicas)
    this.votes = new Map()
    this.timeouts = new Map()
  }

  #setRules(data: StoredState['safety']): void {
    const { self, context, modules, rule, replicas, options } = this
    this.safety = new SafetyRules(self, context, modules.sign, replicas.has(self), data)
    this.leaders = new Leaders(replicas, rule, (block) => this.tree.parentOf(block), options.limits.exclusionRounds)
  }

  /** The blocks that follow the log and the steps of the epochs, as they are stored. */
  liveBlocks(): LiveBlock[] {
    return [...this.steps.map(stepRecord), ...this.#blocksBehindLog()]
  }

  /** One more epoch is over. */
  keepStep(step: EpochStep): void {
    this.steps = [...this.steps, step].slice(-EPOCH_STEPS_MAX)
    const { index, payload } = stepRecord(step)
    this.journal.block(index, payload)
  }

  /** The blocks above the root, and the committed empty ones behind the last entry: see `restoreBlocks`. */
  #blocksBehindLog(): LiveBlock[] {
    const { tree, log } = this
    const committed = tree.committed().filter(({ header }) => header.index > log.last.index)
    return [...committed, ...tree.above()].flatMap(({ header, parts }) =>
      parts === null ? [] : [{ index: header.index, payload: encodeHotStuff({ type: 'hsProposal', ...parts }) }],
    )
  }

  /** The safety record as it has to be stored now. */
  stored(): Uint8Array {
    const { origin, members, previous, tree, pacemaker, safety, basis } = this
    const root = tree.root.key === this.genesis.key ? null : tree.root.header
    return encodeState({
      origin,
      basis,
      members,
      previous,
      root,
      tc: pacemaker.tc,
      safety: safety.data,
      anchors: this.#anchorsToStore(),
      ordered: this.evidence.ordered(),
    })
  }

  keepAnchor(anchor: Anchor): void {
    const newest = [...this.anchors, anchor].slice(-ANCHORS_MAX)
    const { snapshotted } = this
    this.anchors = snapshotted === undefined || newest.includes(snapshotted) ? newest : [snapshotted, ...newest]
    this.journal.safety()
  }

  /** What the newest snapshot rests on; undefined where that is not known. */
  get snapshotted(): Anchor | undefined {
    return this.anchors.find(({ checkpoint }) => checkpoint.statement.sequence === this.snapshot?.base.index)
  }

  /** Every vote writes them again: only those of the newest snapshot and of the newest checkpoint, of which one may be under way. */
  #anchorsToStore(): Anchor[] {
    const { snapshotted } = this
    const newest = this.anchors.at(-1)
    return [...new Set([snapshotted, newest])].filter((anchor) => anchor !== undefined)
  }

  emit(effect: Effect): void {
    this.#effects.push(effect)
  }

  send(to: NodeId, message: HotStuffMessage): void {
    assert(to !== this.self, 'nobody sends to itself')
    this.emit({ type: 'send', to, message })
  }

  /** Sends what carries an own signature: after the write that remembers it. */
  sendSigned(to: NodeId, message: HotStuffMessage): void {
    assert(to !== this.self, 'nobody sends to itself')
    const after = this.journal.afterSafety
    this.emit(after === undefined ? { type: 'send', to, message } : { type: 'send', to, message, after })
  }

  get peers(): readonly NodeId[] {
    return this.replicas.ids.filter((id) => id !== this.self)
  }

  broadcast(message: HotStuffMessage): void {
    for (const peer of this.peers) this.send(peer, message)
  }

  broadcastSigned(message: HotStuffMessage): void {
    for (const peer of this.peers) this.sendSigned(peer, message)
  }

  /**
   * Tells the driver who leads: at the start, in a new epoch, and after a round that failed, when requests
   * that were proposed may be lost. Not at every rotation: who may propose is `mayPropose`.
   */
  tellRole(): void {
    const { leader, epoch, isLeader } = this
    this.emit({ type: 'roleChanged', role: isLeader ? 'leader' : 'follower', epoch, term: 0 as Term, leader })
  }

  /** The TC that leads into the current round, where its QC does not. */
  get tc(): Tc | null {
    return this.pacemaker.tc
  }

  finish(): Effect[] {
    this.journal.finish(this.epoch, () => this.stored())
    return this.#effects.splice(0)
  }
}
