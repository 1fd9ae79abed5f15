/**
 * A change of members as operators ask for it: who joins, who gets a vote, who leaves. This file checks
 * it against the configuration in force, takes it apart into steps with their quorum arithmetic, and
 * says which configuration to order next; `member-change.ts` carries it out.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { REPLICAS_MIN } from '../consensus/bft/replicas.js'
import type { MemberConfiguration } from '../consensus/configuration.js'
import type { Member, TargetMember } from '../consensus/membership.js'
import { majority } from '../consensus/quorum.js'
import type { ProtocolName } from '../consensus/types.js'
import { type MembersView, targetsOf } from './members.js'
import { arithmeticText, type QuorumArithmetic, quorumArithmetic, type Voter } from './quorum-arithmetic.js'

const NODE_ID = /^[a-z0-9-]{1,64}$/

/** Somebody who joins. What is null is made or chosen where the node is one of this machine. */
export interface Newcomer {
  readonly id: string
  /** host:port. */
  readonly address: string | null
  readonly publicKey: Uint8Array | null
  readonly zone: string | null
  /** Stays without a vote. */
  readonly learner: boolean
}

export interface MemberChange {
  readonly add: readonly Newcomer[]
  /** Learners that shall vote. */
  readonly promote: readonly string[]
  readonly remove: readonly string[]
}

/** One configuration after the other, as `--dry-run` shows them. */
export interface ChangeStep extends QuorumArithmetic {
  readonly action: 'join' | 'promote' | 'leave'
  readonly nodes: readonly string[]
  readonly text: string
}

/**
 * Throws where the change cannot be: `InvalidArgument`, `NotFound` for a member that nobody knows,
 * `Refused` for one that would leave no voter, or under a Byzantine protocol too few to bear a liar.
 * `isKnown` tells members that left from typing errors.
 */
export function checkChange(
  view: MembersView,
  change: MemberChange,
  isKnown: (id: string) => boolean,
  protocol: ProtocolName = 'raft',
): void {
  const ids = [...change.add.map(({ id }) => id), ...change.remove, ...change.promote]
  for (const id of ids)
    if (!NODE_ID.test(id)) throw new KnhkError('InvalidArgument', `${JSON.stringify(id)} is no node id: a-z, 0-9 and -`)
  const twice = ids.find((id, at) => ids.indexOf(id) !== at)
  if (twice !== undefined) throw new KnhkError('InvalidArgument', `${twice} is named twice`)
  for (const id of change.promote) if (memberOf(view, id) === undefined) throw noMember(view, id)
  for (const id of change.remove) {
    if (memberOf(view, id) === undefined && !isKnown(id)) throw noMember(view, id)
  }
  const after = votersAfter(view, change)
  if (protocol !== 'raft' && after.length < REPLICAS_MIN) {
    const arithmetic = arithmeticText(
      quorumArithmetic(votersOf(view), protocol),
      quorumArithmetic(after, protocol),
      protocol,
    )
    throw new KnhkError('Refused', `${protocol} needs at least ${REPLICAS_MIN} replicas; ${arithmetic}`, {
      hint: 'Add another member first, or use `members replace`; `knhk down` stops a cluster.',
      details: { replicas: after.length, needed: REPLICAS_MIN },
    })
  }
  if (after.length === 0) {
    throw new KnhkError('Refused', 'the last voter cannot be removed: nobody would be left to decide', {
      hint: 'Add another voter first; `knhk down` stops a cluster.',
    })
  }
}

/** The steps that remain; none where everything is as it shall be. */
export function changeSteps(view: MembersView, change: MemberChange, protocol: ProtocolName = 'raft'): ChangeStep[] {
  const steps: ChangeStep[] = []
  let voters: readonly Voter[] = votersOf(view)
  const step = (action: ChangeStep['action'], nodes: readonly string[], what: string, after: readonly Voter[]) => {
    const arithmetic = quorumArithmetic(after, protocol)
    steps.push({
      action,
      nodes,
      text: `${what}; ${arithmeticText(quorumArithmetic(voters, protocol), arithmetic, protocol)}`,
      ...arithmetic,
    })
    voters = after
  }
  const joining = change.add.filter(({ id }) => memberOf(view, id) === undefined).map(({ id }) => id)
  if (joining.length > 0) step('join', joining, `${joining.join(', ')} ${verb(joining, 'join')} without a vote`, voters)
  const voting = promoted(view, change)
  if (protocol !== 'raft' && voting.length > 0) {
    const ids = voting.map(({ id }) => id)
    const [gets, have] = ids.length === 1 ? ['gets a vote', 'it has'] : ['get their votes', 'they have']
    const what = `${ids.join(', ')} ${gets} once ${have} caught up, and a new epoch begins`
    step('promote', ids, what, [...voters, ...voting])
  } else
    for (const voter of voting) {
      const after = [...voters, voter]
      const both = `meanwhile ${majority(voters.length)} of the ${voters.length} old and ${majority(after.length)} of the ${after.length} new voters decide together`
      step('promote', [voter.id], `${voter.id} gets a vote once it has caught up (${both})`, after)
    }
  const leaving = change.remove.filter((id) => memberOf(view, id) !== undefined)
  if (leaving.length > 0) {
    const after = voters.filter(({ id }) => !leaving.includes(id))
    const epoch = protocol === 'raft' ? '' : ', and a new epoch begins'
    step('leave', leaving, `${leaving.join(', ')} ${verb(leaving, 'leave')}${epoch}`, after)
  }
  return steps
}

/**
 * The members with all that joins; null where they are so already. In plain Raft they are marked so that the
 * leader gives them their votes; under other protocols only the word of an admin does.
 */
export function withNewcomers(
  view: MembersView,
  change: MemberChange,
  newcomers: readonly MemberConfiguration[],
  protocol: ProtocolName = 'raft',
): readonly TargetMember[] | null {
  const voting = new Set(
    protocol !== 'raft' ? [] : [...change.add.filter(({ learner }) => !learner).map(({ id }) => id), ...change.promote],
  )
  const present = targetsOf(view).map((member) =>
    voting.has(member.id) && member.role === 'learner' ? { ...member, promote: true } : member,
  )
  const missing = newcomers.filter(({ id }) => memberOf(view, id) === undefined)
  const isMarked = present.every((member) => member.promote === memberOf(view, member.id)?.promote)
  if (missing.length === 0 && isMarked) return null
  return [
    ...present,
    ...missing.map((member): TargetMember => ({ ...member, role: 'learner' as const, promote: voting.has(member.id) })),
  ]
}

/** The members with the votes that are asked for; null where they have them. */
export function withVotes(view: MembersView, change: MemberChange): readonly TargetMember[] | null {
  const voting = awaitingVote(view, change)
  if (voting.length === 0) return null
  return targetsOf(view).map((member) =>
    voting.includes(member.id) ? { ...member, role: 'voter', promote: false } : member,
  )
}

/** The members without those that leave; null where they are gone. */
export function withoutLeavers(view: MembersView, { remove }: MemberChange): readonly TargetMember[] | null {
  const targets = targetsOf(view)
  const staying = targets.filter(({ id }) => !remove.includes(id))
  return staying.length === targets.length ? null : staying
}

/** Those that joined or were promoted and have no vote yet. */
export function awaitingVote(view: MembersView, change: MemberChange): string[] {
  return promoted(view, change).map(({ id }) => id)
}

/** Throws `Refused` where a member of this id is somebody else, or somewhere else, than who joins. */
export function checkIdentity(view: MembersView, newcomer: MemberConfiguration, learner: boolean): void {
  const member = memberOf(view, newcomer.id)
  if (member === undefined) return
  const { id, address } = member
  const refuse = (what: string, hint: string) => new KnhkError('Refused', what, { hint, details: { node: id } })
  if (!bytesEqual(member.publicKey, newcomer.publicKey)) {
    throw refuse(`there is a member ${id} already, with another key`, 'Choose another id.')
  }
  if (address !== newcomer.address) {
    throw refuse(`${id} is a member already, at ${address}`, 'Leave the address out, or choose another id.')
  }
  if (learner && member.role === 'voter') throw refuse(`${id} has a vote already`, 'Remove it to take its vote away.')
}

export function memberOf(view: MembersView, id: string): Member | undefined {
  return view.members.find((member) => member.id === id && member.role !== 'leaving')
}

export function votersOf(view: MembersView): Voter[] {
  return view.members.filter(({ role }) => role === 'voter').map(({ id, zone }) => ({ id, zone }))
}

export function votersAfter(view: MembersView, change: MemberChange): Voter[] {
  return [...votersOf(view), ...promoted(view, change)].filter(({ id }) => !change.remove.includes(id))
}

function promoted(view: MembersView, change: MemberChange): Voter[] {
  const ids = [...change.add.filter(({ learner }) => !learner), ...change.promote.map((id) => ({ id, zone: null }))]
  return ids
    .filter(({ id }) => memberOf(view, id)?.role !== 'voter')
    .map(({ id, zone }) => ({ id, zone: memberOf(view, id)?.zone ?? zone ?? 'local' }))
}

function noMember(view: MembersView, id: string): KnhkError {
  return new KnhkError('NotFound', `the cluster has no member ${JSON.stringify(id)}`, {
    hint: `Members: ${view.members.map((member) => member.id).join(', ')}.`,
    details: { node: id },
  })
}

function verb(nodes: readonly string[], word: 'join' | 'leave'): string {
  return nodes.length === 1 ? `${word}s` : word
}
