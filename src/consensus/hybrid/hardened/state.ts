/** The state of Raft in an epoch of the hybrid: the core inside, what this node signed and stands for, what it counts. */
import { assert } from '../../../base/assert.js'
import type { Evidence } from '../../bft/evidence.js'
import type { SignedSnapshots } from '../../bft/signed-snapshots.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { ClusterSettings } from '../../configuration.js'
import type { Effect, Now, RestoredLog } from '../../core.js'
import type { Membership, MembershipRecord } from '../../membership.js'
import type { RaftHardening, RaftLimits } from '../../raft/config.js'
import { RaftCore } from '../../raft/core.js'
import type { AppendEntries } from '../../raft/messages.js'
import type { Assurance, LogIndex, Millis, NodeId, Term } from '../../types.js'
import type { LogShadow } from '../log-shadow.js'
import type { HybridAppend, HybridVoteRequest } from '../messages.js'
import type { Position, RaftEpoch, TermCertificate } from '../positions.js'
import type { AppendVerdict } from './append-rules.js'
import { RaftRules } from './rules.js'
import { SignedStates } from './signed-states.js'
import { Standing, type StoredRaft } from './standing.js'
import { Tally } from './tally.js'

export interface HardenedOptions {
  readonly self: NodeId
  readonly epoch: RaftEpoch
  /** Before the first entry of the log. */
  readonly membership: Membership
  /** In force in this epoch. */
  readonly record: MembershipRecord
  readonly settings: ClusterSettings
  readonly limits: RaftLimits
}

export interface HardenedModules {
  /** Only the rules call it. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  readonly random: () => number
  readonly restored: RestoredLog
  readonly stored: StoredRaft | null
  readonly isAborted: boolean
  readonly now: Now
  readonly shadow: LogShadow
  readonly snapshots: SignedSnapshots
  /** Whether the client with this key may change the members, by what is executed here. */
  readonly mayChangeMembers: (publicKey: Uint8Array) => boolean
  /** `certified` releases up to commit proofs, `fast` up to commit certificates. */
  readonly assurance: () => Exclude<Assurance, 'quorum'>
  /** A statement whose signature holds. */
  readonly onStatement: (statement: SignedStatement) => void
  /** A leader said two things about its log of one term. */
  readonly onEvidence: (evidence: Evidence) => void
  /** The sender broke a rule that no signature failure shows. */
  readonly onUnsound: (from: NodeId) => void
}

export interface Campaign {
  readonly term: Term
  readonly tip: Position
  readonly votes: Map<NodeId, SignedStatement>
}

export type Taken = Extract<AppendVerdict, { kind: 'take' }> & {
  readonly message: HybridAppend
  readonly term: TermCertificate
}

export type Out = Effect[]

export class HardenedState {
  readonly options: HardenedOptions
  readonly modules: HardenedModules
  readonly core: RaftCore
  readonly rules: RaftRules
  readonly standing: Standing
  readonly states: SignedStates
  now: Now
  campaign: Campaign | null = null
  acks: Tally
  held: Tally
  tallyTerm = 0
  /** Peers that acknowledged something in this term: they know its certificate. */
  readonly informed = new Set<NodeId>()
  /** Until when proofs are collected for a member that waits for them. */
  collectUntilMs: Millis = Number.NEGATIVE_INFINITY
  /** The highest certificate that is on this node's disk; null before the first of this run. */
  written: Position | null = null
  /** When followers are told of a new certificate unless an append does it before; undefined for never. */
  announceMs: Millis | undefined
  /** The append that went out last: followers that need the same one get the same object, encoded once. */
  lastAppend: { readonly of: AppendEntries; readonly message: HybridAppend } | null = null
  /** Higher terms that peers claim to be in; a leader heeds what f + 1 say. */
  readonly claims = new Map<NodeId, number>()
  /** Who says so alone: since when it has to wait to be heeded, and for how long. */
  readonly stranded = new Map<NodeId, { readonly sinceMs: Millis; readonly waitMs: Millis }>()
  /** Peers that Raft would give a snapshot of what came before the epoch. */
  readonly atOrigin = new Set<NodeId>()
  /** The append and the vote request that Raft is looking at. */
  distrusted: { readonly leader: NodeId; readonly term: Term; readonly untilMs: Millis } | null = null
  /** The leader's newest word about the log that this node holds. */
  heard: SignedStatement | null = null
  taken: Taken | null = null
  asked: HybridVoteRequest | null = null
  /** An order to change the members, until everything before it is executed. */
  change: { readonly orderId: number; readonly body: Uint8Array } | null = null
  /** The leader's log goes on behind a change of members that was left behind: who was given that panics too. */
  isBehindChange = false
  executed: LogIndex
  /** Raft's own commit, and up to where certificates cover it. */
  committed: LogIndex
  covered: LogIndex
  released: LogIndex
  durable: LogIndex
  readonly open: { readonly writeId: number; end: number }[] = []
  /** What a term of this node begins with: set by who makes the state. */
  firstEntry!: RaftHardening['firstEntry']

  constructor(options: HardenedOptions, modules: HardenedModules) {
    const { self, epoch, membership, settings, limits } = options
    assert(settings.leaseDriftMs === null, 'there are no leases where leaders may lie')
    this.options = options
    this.modules = modules
    this.now = modules.now
    const { stored, restored, shadow, isAborted } = modules
    const checkpointAt = stored?.states.own.at(-1)?.sequence ?? 0
    const said = { grant: stored?.grant ?? null, lastAck: stored?.lastAck ?? null, checkpointAt, isAborted }
    this.rules = new RaftRules(self, epoch, modules.sign, said)
    this.standing = new Standing(epoch, shadow, stored?.standing ?? null)
    this.states = new SignedStates(epoch, stored?.states ?? null)
    this.acks = new Tally(epoch, 'ack')
    this.held = new Tally(epoch, 'held')
    const known = Math.max(restored.commitIndex, restored.base.index) as LogIndex
    this.committed = known
    this.covered = known
    this.released = known
    this.executed = known
    this.durable = restored.lastIndex
    const hardening = { firstEntry: () => this.firstEntry() }
    const { clusterId, configHash } = epoch.sign
    // What is committed is told with its certificate: a bare index would say nothing to anybody.
    const silent = { ...limits, commitPushDelayMs: Number.POSITIVE_INFINITY }
    this.core = new RaftCore(
      { self, genesis: membership, clusterId, configHash, settings, limits: silent, hardening },
      {
        sha256: epoch.sha256,
        random: modules.random,
        restored,
        now: modules.now,
      },
    )
  }
}
