/**
 * What must hold of the members while they change (Ongaro's thesis, chapter 4): one change at a time,
 * voters change only by way of a joint configuration, what is in force is what the log says, every node
 * that has committed a configuration has the same one, and whoever is removed for certain keeps quiet.
 * Remembers every configuration that may still come into force, for who has to know what a majority is.
 */
import { bytesEqual, toHex } from '../base/bytes.js'
import type { CoreStatus, Role } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import {
  decodeMembership,
  encodeMembership,
  type Membership,
  type MembershipRecord,
  quorumOf,
} from '../consensus/membership.js'
import type { LogIndex, NodeId } from '../consensus/types.js'
import type { SimulatedNode } from './node.js'
import { InvariantViolation } from './violation.js'

export class MemberRules {
  /** Committed configurations by index. */
  readonly #committed = new Map<number, string>()
  /** The newest configuration of anybody, committed or not, in which a node has a say. */
  readonly #lastSay = new Map<NodeId, LogIndex>()
  /** Every configuration seen that no committed one has followed yet. */
  #open: MembershipRecord[] = []
  #newest: MembershipRecord | null = null
  /** Grows whenever another configuration may come into force, or can no longer. */
  version = 0
  /** Records compared, so that a run can tell whether it checked anything. */
  checks = 0

  /** The newest committed configuration; null before a node was looked at. */
  get newest(): MembershipRecord | null {
    return this.#newest
  }

  /** Looks at one node. `commits`: what is committed anywhere. Throws `InvariantViolation`. */
  look(node: SimulatedNode, status: CoreStatus, entry: Entry | undefined, commits: number): void {
    const { membership: record, membershipCommitted, role } = status
    this.#note(record, membershipCommitted)
    this.#expectOfLog(node, status, entry)
    if (membershipCommitted) this.#expectSame(node, record)
    if (record.index >= status.firstIndex) this.#expectStep(node, role, record, commits)
    const isElector = role === 'leader' || role === 'candidate' || role === 'preCandidate'
    if (isElector && membershipCommitted && !hasSay(record.membership, node.id) && !this.#standsIn(record, node.id))
      throw new InvariantViolation('removedIsQuiet', `${node.id} is ${role}, and its removal is committed`)
  }

  /**
   * A learner may be the only one that can be elected where others go by a later configuration in which it votes: also
   * where another has been committed in place of that one, which those who still hold it do not know.
   */
  #standsIn({ index, membership }: MembershipRecord, id: NodeId): boolean {
    const isLearner = membership.members.some((member) => member.id === id)
    return isLearner && (this.#lastSay.get(id) ?? 0) > index
  }

  /** True where these nodes are a quorum, in each half, of every configuration that may be in force. */
  isQuorum(nodes: readonly NodeId[]): boolean {
    return this.groups().every((group) => isMajority(group, nodes))
  }

  /** The voters that have to agree, group by group: a majority of each. */
  groups(): (readonly NodeId[])[] {
    const records = this.#newest === null ? this.#open : [this.#newest, ...this.#open]
    return records.flatMap(({ membership }) => {
      const { voters, outgoing } = quorumOf(membership)
      return outgoing.length === 0 ? [voters] : [voters, outgoing]
    })
  }

  #note(record: MembershipRecord, isCommitted: boolean): void {
    this.#noteSay(record)
    const newest = this.#newest?.index ?? -1
    if (isCommitted && record.index > newest) {
      this.#newest = record
      this.version++
      this.#open = this.#open.filter(({ index }) => index > record.index)
    } else if (!isCommitted && record.index > newest && !this.#open.some((known) => isSame(known, record))) {
      this.#open.push(record)
      this.version++
    }
  }

  #noteSay({ index, membership }: MembershipRecord): void {
    const { voters, outgoing } = quorumOf(membership)
    for (const id of [...voters, ...outgoing]) if ((this.#lastSay.get(id) ?? -1) < index) this.#lastSay.set(id, index)
  }

  #expectOfLog(node: SimulatedNode, { lastIndex }: CoreStatus, entry: Entry | undefined): void {
    const { index, membership } = (node.running as NonNullable<SimulatedNode['running']>).core.status().membership
    const isThere = index <= lastIndex
    const isEntry =
      entry === undefined ||
      (entry.kind === 'membership' &&
        bytesEqual(encodeMembership(decodeMembership(entry.body)), encodeMembership(membership)))
    this.checks++
    if (!isThere || !isEntry)
      throw new InvariantViolation(
        'membersAreOfLog',
        `${node.id} goes by the configuration of entry ${index}, which its log does not hold`,
      )
  }

  #expectSame(node: SimulatedNode, { index, membership }: MembershipRecord): void {
    const encoded = toHex(encodeMembership(membership))
    const known = this.#committed.get(index)
    if (known === undefined) this.#committed.set(index, encoded)
    else if (known !== encoded)
      throw new InvariantViolation('membersAreEqual', `${node.id} has other members at entry ${index}`)
  }

  #expectStep(node: SimulatedNode, role: Role, record: MembershipRecord, commits: number): void {
    const core = (node.running as NonNullable<SimulatedNode['running']>).core
    const before = core.membershipAt((record.index - 1) as LogIndex)
    // Asked of who leads in the term of the change: one that fell in the step in which it committed the last change
    // and went on was never seen to commit, and may lead again later.
    const isOwn = core.entry(record.index)?.term === core.status().term
    if (role === 'leader' && isOwn && before.index > commits)
      throw new InvariantViolation(
        'oneChangeAtATime',
        `${node.id} has the change of entry ${record.index} while that of entry ${before.index} is not committed`,
      )
    const [from, to] = [before.membership, record.membership]
    const isRight = to.joint
      ? !from.joint && isSameGroup(quorumOf(to).outgoing, quorumOf(from).voters)
      : isSameGroup(quorumOf(to).voters, quorumOf(from).voters)
    if (!isRight)
      throw new InvariantViolation(
        'votersChangeJointly',
        `${node.id} has voters at entry ${record.index} that do not follow from entry ${before.index}`,
      )
  }
}

export function isMajority(group: readonly NodeId[], nodes: readonly NodeId[]): boolean {
  return 2 * group.filter((id) => nodes.includes(id)).length > group.length
}

function hasSay(membership: Membership, id: NodeId): boolean {
  const { voters, outgoing } = quorumOf(membership)
  return voters.includes(id) || outgoing.includes(id)
}

function isSame(a: MembershipRecord, b: MembershipRecord): boolean {
  return a.index === b.index && bytesEqual(encodeMembership(a.membership), encodeMembership(b.membership))
}

function isSameGroup(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id))
}
