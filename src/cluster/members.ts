/**
 * The replicated configuration as an operator's tools see it, and the one way in which they change it:
 * towards a goal, from whatever is in force, until a settled configuration has what the goal asks for.
 * Giving the same order twice is harmless, because each names the configuration that it was planned
 * against; so a lost answer or a command that was killed costs nothing but another look.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { fromHex } from '../base/bytes.js'
import { hasCode, KnhkError } from '../base/error.js'
import type { Client } from '../client/api.js'
import { MEMBERS_MAX, type Member, type MemberRole, type TargetMember } from '../consensus/membership.js'
import { type LogIndex, logIndex, nodeId } from '../consensus/types.js'

const POLL_MS = 50
/**
 * One call of several on the way to a goal: a lost answer must not use up the whole deadline. Longer than
 * a node waits for a leader, so that its own word of that arrives.
 */
const CALL_TIMEOUT_MS = 8_000
/** An election takes a fraction of this. */
const LEADER_WAIT_MS = 3_000
const ROLES: readonly string[] = ['voter', 'learner', 'leaving'] satisfies MemberRole[]

/** The configuration in force on the node that answered. */
export interface MembersView {
  /** Of the entry that brought it; 0 for the one of the beginning. */
  readonly index: LogIndex
  readonly committed: boolean
  readonly joint: boolean
  readonly members: readonly Member[]
}

/** What bounds a piece of work that takes several calls. */
export interface Patience {
  /** On the clock of `performance.now`. */
  readonly expiresAtMs: number
  readonly signal: AbortSignal
  readonly onProgress: (text: string) => void
}

/** The answer to `cluster.members`. Throws `ProtocolViolation` for anything else. */
export function parseMembersView(value: unknown): MembersView {
  const { index, committed, joint, members } = (value ?? {}) as Readonly<Record<string, unknown>>
  const isSound =
    Number.isSafeInteger(index) &&
    typeof committed === 'boolean' &&
    typeof joint === 'boolean' &&
    Array.isArray(members) &&
    members.length <= MEMBERS_MAX
  if (!isSound) throw new KnhkError('ProtocolViolation', 'a node told a configuration that cannot be read')
  return { index: logIndex(index as number), committed, joint, members: members.map(parseMember) }
}

function parseMember(value: unknown): Member {
  const { id, publicKey, address, zone, role, wasVoter, promote } = (value ?? {}) as Readonly<Record<string, unknown>>
  const areTexts = [id, publicKey, address, zone].every((text) => typeof text === 'string')
  if (!areTexts || !ROLES.includes(role as string)) {
    throw new KnhkError('ProtocolViolation', 'a node told a member that cannot be read')
  }
  return {
    id: nodeId(id as string),
    publicKey: fromHex(publicKey as string),
    address: address as string,
    zone: zone as string,
    role: role as MemberRole,
    wasVoter: wasVoter === true,
    promote: promote === true,
  }
}

/** The newest committed configuration, or one that follows it. Needs a leader. */
export async function readMembers(client: Client, patience: Patience): Promise<MembersView> {
  const answer = await client.query('cluster.members', {}, callOptions(patience))
  return parseMembersView(answer.value)
}

/** Throws `NoLeader` where nobody leads for longer than an election takes; nothing could be changed then. */
export async function requireLeader(client: Client, patience: Patience): Promise<void> {
  const expiresAtMs = Math.min(patience.expiresAtMs, performance.now() + LEADER_WAIT_MS)
  while ((await client.clusterStatus(callOptions(patience))).leader === null) {
    patience.signal.throwIfAborted()
    if (performance.now() > expiresAtMs) {
      throw new KnhkError('NoLeader', 'nobody leads, so the members cannot be changed; nothing was done', {
        hint: '`knhk why` says what is missing.',
      })
    }
    await delay(POLL_MS)
  }
}

/** What one node says, which may be old. */
export async function membersOf(client: Client, node: string, timeoutMs: number): Promise<MembersView> {
  return parseMembersView((await client.query('cluster.members', {}, { read: 'local', node, timeoutMs })).value)
}

/** The members as an order names them; those that leave are left out. */
export function targetsOf({ members }: MembersView): TargetMember[] {
  return members.flatMap(({ role, wasVoter: _, ...member }) => (role === 'leaving' ? [] : [{ ...member, role }]))
}

export function isSettled({ committed, joint }: MembersView): boolean {
  return committed && !joint
}

export interface Goal {
  /** For people, while it is waited for: `n4 is a voter`. */
  readonly text: string
  /** The members to order, null where `view`, a settled one, has all that is asked for. May throw. */
  readonly next: (view: MembersView) => readonly TargetMember[] | null
  /** The configuration that the change was planned against; null to go from whatever is in force. */
  readonly planned: LogIndex | null
}

export interface Reached {
  readonly view: MembersView
  /** Whether a change was ordered on the way. */
  readonly changed: boolean
}

/**
 * Orders what the goal asks for and waits until a settled configuration has it. Throws `StalePlan` where
 * the goal was planned against another configuration, `DeadlineExceeded`, or what the order came to.
 */
export async function reach(client: Client, goal: Goal, patience: Patience): Promise<Reached> {
  let changed = false
  for (;;) {
    const view = await readMembers(client, patience)
    if (isSettled(view)) {
      const target = goal.next(view)
      if (target === null) return { view, changed }
      const planned = changed ? view.index : (goal.planned ?? view.index)
      try {
        await client.order({ kind: 'changeMembership', planned, target }, callOptions(patience))
        changed = true
      } catch (error) {
        const isStale = hasCode(error, 'StalePlan') && goal.planned !== null && !changed
        const passes = ['StalePlan', 'OutcomeUnknown', 'ChangeInProgress', 'NotCaughtUp'] as const
        if (isStale || !passes.some((code) => hasCode(error, code))) throw error
        // An order without an answer may have been carried out: what is in force from here on may be its work.
        changed ||= hasCode(error, 'OutcomeUnknown')
      }
    }
    await pause(goal.text, patience)
  }
}

/** Waits until `holds` gives null; what it gives is what is missing. Throws `DeadlineExceeded`. */
export async function waitUntil(what: string, holds: () => Promise<string | null>, patience: Patience): Promise<void> {
  for (;;) {
    const missing = await holds()
    if (missing === null) return
    await pause(`${what}: ${missing}`, patience)
  }
}

/** How long one call may take. */
export function callOptions({ expiresAtMs, signal }: Patience): { timeoutMs: number; signal: AbortSignal } {
  return { timeoutMs: Math.max(1, Math.min(CALL_TIMEOUT_MS, expiresAtMs - performance.now())), signal }
}

async function pause(text: string, { expiresAtMs, signal, onProgress }: Patience): Promise<void> {
  signal.throwIfAborted()
  if (performance.now() > expiresAtMs) {
    throw new KnhkError('DeadlineExceeded', `it is not done yet: ${text}`, {
      hint: 'Run the same command again to go on; `knhk why` says what it waits for.',
    })
  }
  onProgress(text)
  await delay(POLL_MS)
}
