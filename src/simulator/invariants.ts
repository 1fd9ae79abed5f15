/**
 * What must hold at every moment of a simulation, looked at after every event for the nodes that moved:
 * the five properties of Raft (Ongaro and Ousterhout, figure 3), what only ever grows, and that nobody
 * is answered before the cluster has decided. The hash chain of the entries does most of the work:
 * equal chains at one index mean equal logs up to it.
 *
 * A violation is thrown: nothing after it means anything.
 */
import { toHex } from '../base/bytes.js'
import type { Entry } from '../consensus/entry.js'
import { type MembershipRecord, quorumOf } from '../consensus/membership.js'
import type { LogIndex } from '../consensus/types.js'
import { isHeldApart } from './held-apart.js'
import { isMajority, MemberRules } from './member-rules.js'
import type { SimulatedNode } from './node.js'
import { ToldRules } from './told-rules.js'
import { InvariantViolation } from './violation.js'

/** What a run asks of the promises that are checked in it. */
export interface RunInvariants {
  /** Highest index known to be committed. */
  readonly commits: number
  /** Leaders after the first. */
  readonly leaderChanges: number
  /** Changes of view, rounds that failed; null where the protocol has none. */
  readonly viewChanges: number | null
  /** Epochs that a hybrid entered after its first; null where one protocol runs. */
  readonly switches: number | null
  /** Highest index that a client was told its write is at: what it reads from now on is not older. */
  readonly acknowledgedMax: number
  /** Looks at every node that moved since last time. Throws `InvariantViolation`. */
  check(): void
  /** A linearizable read was answered from the state at `index`; `floor` was acknowledged when it was asked. */
  read(index: number, floor: number): void
  /** A client was told that its write is at this index. */
  acknowledged(index: number): void
  /** Of a committed entry; undefined where it is not known. */
  committedChain(index: number): string | undefined
  /** The digest that is known at an index; undefined for none. */
  digestAt(index: number): string | undefined
  /** State machine safety: whoever has applied the same entries has the same state. */
  digest(node: string, index: number, digest: string): void
}

interface Committed {
  readonly chain: string
  readonly term: number
  /** Term of the node that was first seen to have it committed: not below the term that committed it. */
  readonly seenInTerm: number
}

/** What a node was seen at; starts anew with each of its lives, because memory ends with them. */
interface Seen {
  /** The configuration it went by, by identity, and whether that was committed. */
  membership: unknown
  membershipCommitted: boolean
  run: number
  activity: number
  term: number
  commit: number
  applied: number
  last: number
  lastTerm: number
  leaderOfTerm: number
  role: string
  /** What its state held when it began on a damaged log; 0 where the log was sound. */
  recovered: number
}

export class Invariants implements RunInvariants {
  readonly viewChanges = null
  readonly switches = null
  readonly #nodes: readonly SimulatedNode[]
  readonly #commitsApart: boolean
  readonly #seen: Seen[]
  readonly #leaders = new Map<number, string>()
  /** By index − 1; undefined where the entry had left memory before it was first looked at. */
  readonly #committed: (Committed | undefined)[] = []
  readonly members = new MemberRules()
  readonly #chains = new Map<string, string>()
  readonly #told = new ToldRules()
  /** Comparisons made, so that a run can tell whether it checked anything. */
  readonly checks = { commits: 0, logs: 0, leaders: 0, digests: 0, quorums: 0 }

  /** `commitsApart`: what is committed is held in two zones. */
  constructor(nodes: readonly SimulatedNode[], { commitsApart = false }: { readonly commitsApart?: boolean } = {}) {
    this.#nodes = nodes
    this.#commitsApart = commitsApart
    this.#seen = nodes.map(() => fresh(-1))
  }

  get commits(): number {
    return this.#committed.length
  }

  get leaderChanges(): number {
    return Math.max(0, this.#leaders.size - 1)
  }

  check(): void {
    for (let at = 0; at < this.#nodes.length; at++) {
      const node = this.#nodes[at] as SimulatedNode
      const seen = this.#seen[at] as Seen
      if (node.activity === seen.activity && node.run === seen.run) continue
      seen.activity = node.activity
      if (node.running === null) continue
      if (node.run !== seen.run) {
        const recovered = node.isDamaged ? node.running.loop.machine.appliedIndex : 0
        Object.assign(seen, fresh(node.run), { activity: node.activity, recovered })
      }
      this.#checkNode(node, seen)
    }
  }

  get acknowledgedMax(): number {
    return this.#told.acknowledgedMax
  }

  read(index: number, floor: number): void {
    this.#told.read(index, floor)
  }

  acknowledged(index: number): void {
    this.#told.acknowledged(index, this.commits)
  }

  readonly committedChain = (index: number): string | undefined => this.#committed[index - 1]?.chain

  digestAt(index: number): string | undefined {
    return this.#told.digestAt(index)
  }

  digest(node: string, index: number, digest: string): void {
    this.checks.digests += this.#told.digest(node, index, digest)
  }

  #checkNode(node: SimulatedNode, seen: Seen): void {
    const running = node.running as NonNullable<SimulatedNode['running']>
    const status = running.core.status()
    const { term, role, commitIndex, lastIndex, firstIndex } = status
    const applied = running.loop.machine.appliedIndex
    grows(node, 'monotoneTerm', seen.term, term)
    grows(node, 'monotoneCommit', seen.commit, commitIndex)
    // A damaged node may begin anew from an older snapshot than its state.
    if (!node.isDamaged) grows(node, 'monotoneApplied', seen.applied, applied)
    // A damaged node may have applied more than it can still show. When its log is whole again its state still holds what
    // was committed before the damage, and only the leader's next word moves its commit index there; nothing rests on
    // an index below what is applied.
    if (!node.isDamaged && (applied > Math.max(commitIndex, seen.recovered) || commitIndex > lastIndex)) {
      const detail = `${node.id} has applied ${applied}, committed ${commitIndex}, last ${lastIndex}`
      throw new InvariantViolation('appliedWithinCommitted', detail)
    }
    if (firstIndex - 1 > commitIndex && !node.isDamaged)
      throw new InvariantViolation(
        'purgedWithinSnapshot',
        `${node.id} dropped up to ${firstIndex - 1}, committed ${commitIndex}`,
      )
    // One that went astray throws its snapshots away before it stops.
    if (node.astraySince === null && firstIndex - 1 > node.newestSnapshotIndex)
      throw new InvariantViolation(
        'purgedWithinSnapshot',
        `${node.id} dropped entries up to ${firstIndex - 1}, its newest snapshot is at ${node.newestSnapshotIndex}`,
      )
    const entry = (index: number) => running.core.entry(index as LogIndex)
    if (lastIndex !== seen.last || term !== seen.lastTerm) this.#checkLast(node, entry(lastIndex))
    // Entries of earlier terms are committed with one of the leader's own term, never by themselves (figure 8).
    const committedAs = entry(commitIndex)?.term
    if (seen.leaderOfTerm === term && commitIndex > seen.commit && committedAs !== undefined && committedAs !== term)
      throw new InvariantViolation(
        'leaderCommitsOwnTerm',
        `${node.id}, leader of term ${term}, committed entry ${commitIndex} of term ${committedAs} by itself`,
      )
    for (let index = seen.commit + 1; index <= commitIndex; index++)
      this.#checkCommitted(node, seen, term, index, entry(index))
    const { membership, membershipCommitted } = status
    // A log that was cut no longer says what it said.
    const isMoved = membership !== seen.membership || membershipCommitted !== seen.membershipCommitted
    if (isMoved || lastIndex < seen.last || role !== seen.role)
      this.members.look(node, status, entry(membership.index), this.commits)
    seen.membership = membership
    seen.membershipCommitted = membershipCommitted
    seen.role = role
    if (role === 'leader' && seen.leaderOfTerm !== term) this.#checkLeader(node, term, lastIndex, entry)
    seen.term = term
    seen.commit = commitIndex
    seen.applied = applied
    seen.last = lastIndex
    seen.lastTerm = term
    seen.leaderOfTerm = role === 'leader' ? term : -1
  }

  /** Log matching: one index and one term name one entry and one past. */
  #checkLast(node: SimulatedNode, entry: Entry | undefined): void {
    if (entry === undefined) return
    const position = `${entry.index}:${entry.term}`
    const chain = toHex(entry.chain)
    const known = this.#chains.get(position)
    if (known === undefined) this.#chains.set(position, chain)
    else {
      this.checks.logs++
      if (known !== chain)
        throw new InvariantViolation(
          'logMatching',
          `${node.id} holds another entry ${entry.index} of term ${entry.term}`,
        )
    }
  }

  /** What is committed is the same everywhere and stays. */
  #checkCommitted(node: SimulatedNode, seen: Seen, seenInTerm: number, index: number, entry: Entry | undefined): void {
    const known = this.#committed[index - 1]
    if (entry === undefined) {
      if (index > this.#committed.length) this.#committed[index - 1] = undefined
      return
    }
    const chain = toHex(entry.chain)
    if (known === undefined) {
      this.#committed[index - 1] = { chain, term: entry.term, seenInTerm }
      this.#checkQuorum(node, seen, index, entry)
      return
    }
    this.checks.commits++
    if (known.chain !== chain || known.term !== entry.term)
      throw new InvariantViolation('committedImmutable', `${node.id} committed another entry ${index}`)
  }

  /** What is committed is on the disks of a quorum, of both halves where the configuration is joint. */
  #checkQuorum(node: SimulatedNode, seen: Seen, index: number, entry: Entry): void {
    const core = node.running?.core
    if (core === undefined) return
    const current = core.status().membership
    this.checks.quorums++
    const holders = this.#nodes.filter(({ durable }) => durable.hasHeld(index, entry.chain)).map(({ id }) => id)
    const isHeld = ({ membership }: MembershipRecord) => {
      const { voters, outgoing } = quorumOf(membership)
      return isMajority(voters, holders) && (outgoing.length === 0 || isMajority(outgoing, holders))
    }
    const isApart = ({ membership }: MembershipRecord) =>
      !this.#commitsApart || isHeldApart(membership, (id) => holders.includes(id))
    // Where it changed in this very turn, the one before may have decided.
    const changed = current !== seen.membership && current.index >= core.status().firstIndex
    const before = changed ? core.membershipAt((current.index - 1) as LogIndex) : current
    if ([current, before].some((record) => isHeld(record) && isApart(record))) return
    if (isHeld(current))
      throw new InvariantViolation(
        'committedInTwoZones',
        `${node.id} committed entry ${index}, which is on the disks of ${holders.join(', ')} in one zone`,
      )
    throw new InvariantViolation(
      'committedOnQuorum',
      `${node.id} committed entry ${index}, which only ${holders.join(', ') || 'nobody'} has on disk`,
    )
  }

  /** Election safety, and leader completeness: a leader holds all that earlier terms committed. */
  #checkLeader(
    node: SimulatedNode,
    term: number,
    lastIndex: number,
    entryAt: (index: number) => Entry | undefined,
  ): void {
    const other = this.#leaders.get(term)
    if (other !== undefined && other !== node.id)
      throw new InvariantViolation('electionSafety', `${other} and ${node.id} both lead term ${term}`)
    this.#leaders.set(term, node.id)
    for (let index = this.#committed.length; index > 0; index--) {
      const committed = this.#committed[index - 1]
      // A leader elected late, of an old term, owes nothing of what newer terms committed.
      if (committed === undefined || committed.seenInTerm >= term) continue
      this.checks.leaders++
      const held = index <= lastIndex ? entryAt(index) : undefined
      const isMissing = index > lastIndex || (held !== undefined && toHex(held.chain) !== committed.chain)
      if (isMissing)
        throw new InvariantViolation(
          'leaderCompleteness',
          `${node.id} leads term ${term} without committed entry ${index}`,
        )
      if (held !== undefined) return
    }
  }
}

function fresh(run: number): Seen {
  return {
    run,
    activity: -1,
    term: 0,
    commit: 0,
    applied: 0,
    last: 0,
    lastTerm: 0,
    leaderOfTerm: -1,
    membership: null,
    membershipCommitted: false,
    role: '',
    recovered: 0,
  }
}

export function grows(node: SimulatedNode, invariant: string, before: number, now: number): void {
  if (now < before) throw new InvariantViolation(invariant, `${node.id} went back from ${before} to ${now}`)
}
