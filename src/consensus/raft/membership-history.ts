/**
 * The configurations of a log: the one in force at its base and those that later entries brought. The
 * newest is in force from its append on, and goes again when its entry is truncated (thesis, 4.1).
 */
import { assert } from '../../base/assert.js'
import { type MembershipRecord, quorumOf, zoneOf } from '../membership.js'
import type { QuorumConfiguration, QuorumRule } from '../quorum.js'
import type { LogIndex, NodeId } from '../types.js'

export class MembershipHistory {
  /** The first is in force at the base. */
  #records: MembershipRecord[]
  #quorum: QuorumConfiguration
  readonly #rule: QuorumRule

  /** Where a member stands under the configuration in force; null where nobody said. */
  readonly zoneOf = (id: NodeId): string | null => {
    const member = this.current.membership.members.find((one) => one.id === id)
    return member === undefined ? null : zoneOf(member)
  }

  constructor(first: MembershipRecord, later: readonly MembershipRecord[], rule: QuorumRule = 'majority') {
    this.#records = [first]
    this.#rule = rule
    this.#quorum = quorumOf(first.membership, rule)
    for (const record of later) this.append(record)
  }

  /** In force now, committed or not. */
  get current(): MembershipRecord {
    return this.#records.at(-1) as MembershipRecord
  }

  get quorum(): QuorumConfiguration {
    return this.#quorum
  }

  /** In force at an index at or above the base. */
  at(index: LogIndex): MembershipRecord {
    const found = this.#records.findLast((record) => record.index <= index)
    assert(found !== undefined, 'the configuration at the base is known')
    return found
  }

  /** Has a say, in either half of a joint configuration. */
  isVoter(id: NodeId): boolean {
    return this.#quorum.voters.includes(id) || this.#quorum.outgoing.includes(id)
  }

  /** Voter or learner under the configuration in force. */
  isMember(id: NodeId): boolean {
    return this.current.membership.members.some((member) => member.id === id)
  }

  /**
   * Has a say in some configuration that may turn out to be in force: the last committed one or a later
   * one. Until its removal is committed a node may be the only one that can be elected (thesis, 4.2.2).
   */
  mayBeVoter(id: NodeId, commitIndex: LogIndex): boolean {
    for (let at = this.#records.length - 1; at >= 0; at--) {
      const { index, membership } = this.#records[at] as MembershipRecord
      const { voters, outgoing } = quorumOf(membership)
      if (voters.includes(id) || outgoing.includes(id)) return true
      if (index <= commitIndex) return false
    }
    return false
  }

  append(record: MembershipRecord): void {
    assert(record.index > this.current.index, 'configurations follow one another')
    this.#records.push(record)
    this.#quorum = quorumOf(record.membership, this.#rule)
  }

  /** Rolls back to before `from`. */
  truncate(from: LogIndex): void {
    while (this.#records.length > 1 && this.current.index >= from) this.#records.pop()
    this.#quorum = quorumOf(this.current.membership, this.#rule)
  }

  /** Forgets configurations that were superseded at or before the new base. */
  compact(baseIndex: LogIndex): void {
    while (this.#records[1] !== undefined && this.#records[1].index <= baseIndex) this.#records.shift()
  }

  /** Begins anew with the configuration of a snapshot. */
  reset(first: MembershipRecord): void {
    this.#records = [first]
    this.#quorum = quorumOf(first.membership, this.#rule)
  }
}
