/**
 * Drives one core by hand, in the style "state + input → effects": a log given by its terms, messages
 * given by their interesting fields, effects sorted by type.
 */
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import type { ClusterSettings } from '../../src/consensus/configuration.js'
import type { Effect, Input, Now, OperatorOrder, ProtocolMessage } from '../../src/consensus/core.js'
import { type Entry, GENESIS_CHAIN, makeEntry } from '../../src/consensus/entry.js'
import type { Membership, MembershipRecord, TargetMember } from '../../src/consensus/membership.js'
import { DEFAULT_RAFT_LIMITS, RaftCore, type RaftLimits } from '../../src/consensus/raft/index.js'
import type { SnapshotOffer } from '../../src/consensus/snapshot.js'
import { epoch, logIndex, type NodeId, nodeId, term } from '../../src/consensus/types.js'
import { seededRandom } from '../random.js'
import { CLUSTER_ID, CONFIG_HASH, Disk, members, SETTINGS, sha256 } from './disk.js'

export type Message<T extends ProtocolMessage['type']> = Extract<ProtocolMessage, { type: T }>
export type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>

export const N1 = nodeId('n1')
export const N2 = nodeId('n2')
export const N3 = nodeId('n3')

const EMPTY_DIGEST = computeBatchDigest(sha256, 'empty', new Uint8Array(0))

/** Entries of the given terms, chained from genesis; the same terms give the same entries. */
export function entriesOf(terms: readonly number[], salt = 0): Entry[] {
  const entries: Entry[] = []
  for (const entryTerm of terms) {
    entries.push(
      makeEntry(
        sha256,
        {
          epoch: epoch(0),
          term: term(entryTerm),
          index: logIndex(entries.length + 1),
          timestampMs: 1000 * entryTerm + salt,
          kind: 'empty',
          clusterId: CLUSTER_ID,
          configHash: CONFIG_HASH,
          batchDigest: EMPTY_DIGEST,
          previousChain: entries.at(-1)?.chain ?? GENESIS_CHAIN,
        },
        new Uint8Array(0),
      ),
    )
  }
  return entries
}

export interface EngineOptions {
  readonly members?: Membership
  readonly self?: NodeId
  readonly log?: readonly Entry[]
  readonly term?: number
  readonly votedFor?: NodeId | null
  readonly commit?: number
  readonly mayVote?: boolean
  readonly tailMax?: number
  readonly limits?: Partial<RaftLimits>
  readonly wallMs?: number
  /** Of this start's randomness. */
  readonly seed?: number
  /** Turns leases on. */
  readonly leaseDriftMs?: number
  readonly settings?: Partial<ClusterSettings>
  readonly priorities?: ReadonlyMap<NodeId, number>
  /** The newest snapshot on disk. */
  readonly snapshot?: SnapshotOffer
  /** So many entries of the log are compacted away. */
  readonly dropped?: number
}

export class Engine {
  readonly core: RaftCore
  readonly disk = new Disk()
  nowMs = 0
  wallMs: number
  /** Writes that were emitted and not completed. */
  readonly writes: EffectOf<'store'>[] = []
  /** Everything that was emitted, in order. */
  readonly all: Effect[] = []

  constructor(options: EngineOptions = {}) {
    this.wallMs = options.wallMs ?? 1_000_000
    const log = options.log ?? []
    const last = log[(options.dropped ?? 0) - 1]
    if (last !== undefined) this.disk.base = snapshotAt(last).base
    this.disk.entries = log.slice(options.dropped ?? 0)
    this.disk.executed = options.commit ?? 0
    this.disk.snapshot = options.snapshot ?? null
    const lastTerm = this.disk.entries.at(-1)?.term ?? term(0)
    this.disk.hardState = {
      epoch: epoch(0),
      term: term(options.term ?? lastTerm),
      votedFor: options.votedFor ?? null,
    }
    this.core = new RaftCore(
      {
        self: options.self ?? N1,
        genesis: options.members ?? members(3),
        clusterId: CLUSTER_ID,
        configHash: CONFIG_HASH,
        settings: { ...SETTINGS, leaseDriftMs: options.leaseDriftMs ?? null, ...options.settings },
        limits: { ...DEFAULT_RAFT_LIMITS, ...options.limits },
        ...(options.priorities === undefined ? {} : { priorities: options.priorities }),
      },
      {
        sha256,
        random: seededRandom(options.seed ?? 1),
        restored: this.disk.restored(options.tailMax ?? Number.POSITIVE_INFINITY, options.mayVote ?? true),
        now: this.now(),
      },
    )
  }

  now(): Now {
    return { monotonicMs: this.nowMs, wallMs: this.wallMs + this.nowMs }
  }

  step(input: Input): Effect[] {
    const effects = this.core.step(input, this.now())
    for (const effect of effects) if (effect.type === 'store') this.writes.push(effect)
    this.all.push(...effects)
    return effects
  }

  receive(from: NodeId, message: ProtocolMessage): Effect[] {
    return this.step({ type: 'message', from, configHash: CONFIG_HASH, message })
  }

  /** Completes the oldest write, or all of them at once with one completion. */
  stored(count = 1): Effect[] {
    const done = this.writes.splice(0, count)
    const last = done.at(-1)
    if (last === undefined) throw new Error('nothing is being written')
    for (const write of done) this.disk.write(write.records)
    return this.step({ type: 'stored', writeId: last.writeId, epoch: last.epoch, term: last.term, index: last.index })
  }

  /** Lets time pass to the deadline and ticks. */
  tick(): Effect[] {
    const due = this.core.deadline()
    if (due === undefined) throw new Error('nothing is due')
    this.nowMs = Math.max(this.nowMs, due)
    return this.step({ type: 'tick' })
  }

  /** Campaigns and wins with the votes of `voters`; everything is durable afterwards. Returns the effects of winning. */
  elect(voters: readonly NodeId[] = [N2]): Effect[] {
    const asked = sends(this.tick(), 'preVote')[0]?.message
    if (asked !== undefined) {
      for (const voter of voters) {
        this.receive(voter, preVoteReply({ term: asked.term, round: asked.round, granted: true }))
      }
    }
    let won = this.stored(this.writes.length)
    for (const voter of voters) {
      won = this.receive(voter, requestVoteReply({ term: this.core.status().term, granted: true }))
    }
    if (this.core.status().role !== 'leader') throw new Error('the election was not won')
    this.stored(this.writes.length)
    return won
  }

  propose(bodyBytes = 64, proposalId = 1): Effect[] {
    const body = new Uint8Array(bodyBytes)
    return this.step({ type: 'propose', proposalId, kind: 'data', body, batchDigest: EMPTY_DIGEST })
  }

  order(order: OperatorOrder, orderId = 1): Effect[] {
    return this.step({ type: 'order', orderId, order })
  }

  /** A peer acknowledges everything up to `matchIndex`. */
  ack(from: NodeId, matchIndex: number, fields: Partial<Message<'appendEntriesReply'>> = {}): Effect[] {
    return this.receive(
      from,
      appendReply({ term: this.core.status().term, success: true, matchIndex: logIndex(matchIndex), ...fields }),
    )
  }
}

/** The effects of one type. */
export function of<T extends Effect['type']>(effects: readonly Effect[], type: T): EffectOf<T>[] {
  return effects.filter((effect): effect is EffectOf<T> => effect.type === type)
}

/** The sends of one message type. */
export function sends<T extends ProtocolMessage['type']>(
  effects: readonly Effect[],
  type: T,
): (Omit<EffectOf<'send'>, 'message'> & { readonly message: Message<T> })[] {
  return of(effects, 'send').filter(
    (effect): effect is EffectOf<'send'> & { readonly message: Message<T> } => effect.message.type === type,
  )
}

type Fields<T extends ProtocolMessage['type']> = Omit<Message<T>, 'type' | 'epoch' | 'term'>
type Given<T extends ProtocolMessage['type']> = { readonly term: number } & Partial<Fields<T>>

function maker<T extends ProtocolMessage['type']>(type: T, defaults: Fields<T>): (given: Given<T>) => Message<T> {
  return (given) => ({ ...defaults, ...given, type, epoch: epoch(0) }) as unknown as Message<T>
}

const ZERO = logIndex(0)
const NO_TERM = term(0)
const EPOCH = epoch(0)

export const preVote = maker('preVote', { round: 1, lastIndex: ZERO, lastEpoch: EPOCH, lastTerm: NO_TERM })
export const preVoteReply = maker('preVoteReply', { round: 1, granted: false, wallMs: 1_000_000 })
export const requestVote = maker('requestVote', {
  lastIndex: ZERO,
  lastEpoch: EPOCH,
  lastTerm: NO_TERM,
  transfer: false,
})
export const requestVoteReply = maker('requestVoteReply', { granted: false, wallMs: 1_000_000 })
export const append = maker('appendEntries', {
  prevIndex: ZERO,
  prevEpoch: EPOCH,
  prevTerm: NO_TERM,
  entries: [],
  commitIndex: ZERO,
  readPosition: 0,
})
export const appendReply = maker('appendEntriesReply', {
  success: false,
  prevIndex: ZERO,
  matchIndex: ZERO,
  hintIndex: ZERO,
  hintEpoch: EPOCH,
  hintTerm: NO_TERM,
  readPosition: 0,
  wallMs: 1_000_000,
})
export const heartbeat = maker('heartbeat', {
  commitIndex: ZERO,
  acknowledgedIndex: ZERO,
  lastIndex: ZERO,
  readPosition: 0,
  commitChain: null,
})
export const heartbeatReply = maker('heartbeatReply', {
  readPosition: 0,
  wallMs: 1_000_000,
  digestIndex: ZERO,
  stateDigest: null,
})
export const timeoutNow = maker('timeoutNow', {})
export const diverged = maker('diverged', { index: ZERO, stateDigest: new Uint8Array(32), agreedIndex: ZERO })
export const installSnapshotReply = maker('installSnapshotReply', { matchIndex: ZERO, wallMs: 1_000_000 })

export function installSnapshot(snapshot: SnapshotOffer, given: number): Message<'installSnapshot'> {
  return { type: 'installSnapshot', epoch: EPOCH, term: term(given), snapshot }
}

/** A snapshot of the state after `entry`. */
export function snapshotAt(
  { index, epoch: entryEpoch, term: entryTerm, chain, timestampMs }: Entry,
  membership: MembershipRecord | null = null,
): SnapshotOffer {
  const base = { index, epoch: entryEpoch, term: entryTerm, chain, timestampMs, membership }
  return { base, id: new Uint8Array(32).fill(index), bytes: 100 }
}

/** The same members, as an operator asks for them. */
export function targetOf(membership: Membership): TargetMember[] {
  return membership.members.map(({ wasVoter: _, ...member }) => ({
    ...member,
    role: member.role === 'voter' ? 'voter' : 'learner',
  }))
}

/** An append of `entries` after the one at `prevIndex` of `log`. */
export function appendOf(
  log: readonly Entry[],
  from: number,
  to: number,
  fields: Given<'appendEntries'>,
): Message<'appendEntries'> {
  return append({
    prevIndex: logIndex(from - 1),
    prevTerm: log[from - 2]?.term ?? NO_TERM,
    entries: log.slice(from - 1, to),
    ...fields,
  })
}
