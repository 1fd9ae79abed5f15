/**
 * All quorum arithmetic of all protocols, in one place: majorities (Raft), Byzantine quorums (PBFT,
 * HotStuff), joint configurations (Ongaro's thesis, 4.3) and commits that span data centres.
 *
 * Commit, reads, votes and leader contact all ask the functions here, so a configuration change cannot
 * reach one and miss another. They sort and count naively: clusters are small, and a clever tracker in
 * this place has committed without a quorum before (openraft #1802).
 */
import { assert } from '../base/assert.js'
import type { NodeId } from './types.js'

/**
 * Who decides. Normally one set of voters; while a joint change is under way `outgoing` holds the old
 * voters and every decision needs both halves, never the union of them.
 */
export interface QuorumConfiguration {
  readonly voters: readonly NodeId[]
  /** The old half of a joint configuration; empty otherwise. */
  readonly outgoing: readonly NodeId[]
  /** Byzantine in epochs of the hybrid: any two quorums share an honest member. A majority where absent. */
  readonly rule?: QuorumRule
}

export type QuorumRule = 'majority' | 'byzantine'

/** Smallest number of `count` members of which any two groups intersect. */
export function majority(count: number): number {
  assert(count > 0, 'a quorum needs members')
  return Math.floor(count / 2) + 1
}

/** f: how many of `count` members may lie, the largest f with count ≥ 3f + 1. */
export function byzantineFaults(count: number): number {
  assert(count > 0, 'a quorum needs members')
  return Math.floor((count - 1) / 3)
}

/** q = ⌈(n + f + 1) / 2⌉: any two quorums share an honest member, and the honest members alone are one. */
export function byzantineQuorum(count: number): number {
  return Math.ceil((count + byzantineFaults(count) + 1) / 2)
}

/** How many of `count` members a decision needs under this configuration. */
function needed({ rule }: QuorumConfiguration, count: number): number {
  return rule === 'byzantine' ? byzantineQuorum(count) : majority(count)
}

/**
 * The highest position that a quorum of each half has acknowledged. `ackOf` gives what one voter has
 * acknowledged, 0 for nothing.
 */
export function committedIndex(configuration: QuorumConfiguration, ackOf: (id: NodeId) => number): number {
  const { voters, outgoing } = configuration
  const incoming = quorumIndex(configuration, voters, ackOf)
  return outgoing.length === 0 ? incoming : Math.min(incoming, quorumIndex(configuration, outgoing, ackOf))
}

function quorumIndex(
  configuration: QuorumConfiguration,
  voters: readonly NodeId[],
  ackOf: (id: NodeId) => number,
): number {
  const acks: number[] = []
  for (const voter of voters) acks.push(ackOf(voter))
  acks.sort((a, b) => b - a)
  return acks[needed(configuration, voters.length) - 1] as number
}

/**
 * Commit that survives the loss of any one data centre: the quorum index, but no higher than what a
 * member of a second zone holds. `zoneOf` is null for a voter without a zone: it counts for the quorum
 * only. All voters in one zone: the plain quorum. One zone and voters without: the lowest index, as
 * nobody can tell where those are. Reads and elections stay with the plain quorum.
 */
export function zoneCommittedIndex(
  configuration: QuorumConfiguration,
  ackOf: (id: NodeId) => number,
  zoneOf: (id: NodeId) => string | null,
): number {
  const { voters, outgoing } = configuration
  const incoming = zoneQuorumIndex(configuration, voters, ackOf, zoneOf)
  return outgoing.length === 0 ? incoming : Math.min(incoming, zoneQuorumIndex(configuration, outgoing, ackOf, zoneOf))
}

function zoneQuorumIndex(
  configuration: QuorumConfiguration,
  voters: readonly NodeId[],
  ackOf: (id: NodeId) => number,
  zoneOf: (id: NodeId) => string | null,
): number {
  const reached = quorumIndex(configuration, voters, ackOf)
  const highestByZone = new Map<string, number>()
  let lowest = Number.POSITIVE_INFINITY
  let unzoned = false
  for (const voter of voters) {
    const ack = ackOf(voter)
    lowest = Math.min(lowest, ack)
    const zone = zoneOf(voter)
    if (zone === null) unzoned = true
    else highestByZone.set(zone, Math.max(highestByZone.get(zone) ?? 0, ack))
  }
  if (highestByZone.size < 2) return unzoned ? lowest : reached
  const highest = [...highestByZone.values()].sort((a, b) => b - a)
  return Math.min(reached, highest[1] as number)
}

export type VoteResult = 'won' | 'lost' | 'pending'

/** Where an election stands. Votes of members that are not voters are not counted. */
export function voteResult(configuration: QuorumConfiguration, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const { voters, outgoing } = configuration
  const incoming = quorumVote(voters, votes, needed(configuration, voters.length))
  if (outgoing.length === 0) return incoming
  const other = quorumVote(outgoing, votes, needed(configuration, outgoing.length))
  if (incoming === 'lost' || other === 'lost') return 'lost'
  return incoming === 'won' && other === 'won' ? 'won' : 'pending'
}

function quorumVote(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>, quorum: number): VoteResult {
  let granted = 0
  let open = 0
  for (const voter of voters) {
    const vote = votes.get(voter)
    if (vote === true) granted++
    else if (vote === undefined) open++
  }
  if (granted >= quorum) return 'won'
  return granted + open >= quorum ? 'pending' : 'lost'
}

/** True when the voters for which `holds` is true form a quorum in each half. */
export function hasQuorum(configuration: QuorumConfiguration, holds: (id: NodeId) => boolean): boolean {
  return committedIndex(configuration, (id) => (holds(id) ? 1 : 0)) === 1
}
