/**
 * Carries out a change of members: newcomers join without a vote, their nodes start, they get their
 * votes once they have caught up, and only then does anybody leave, so that no step leaves the cluster
 * weaker than it has to be (Ongaro's thesis, 4.2.1). Each part does nothing where it is done already:
 * after a crash the same change goes on where it ended.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../base/error.js'
import type { Client } from '../client/api.js'
import type { MemberConfiguration } from '../consensus/configuration.js'
import { type LogIndex, nodeId, type ProtocolName } from '../consensus/types.js'
import {
  awaitingVote,
  checkIdentity,
  type MemberChange,
  memberOf,
  type Newcomer,
  votersAfter,
  votersOf,
  withNewcomers,
  withoutLeavers,
  withVotes,
} from './change-goals.js'
import { LOCAL_ZONE } from './init.js'
import type { LocalMembers, WatchedNode } from './local-members.js'
import { callOptions, type MembersView, type Patience, reach, readMembers, waitUntil } from './members.js'
import { quorumArithmetic } from './quorum-arithmetic.js'
import { leaderReport, type SelfReport } from './self-reports.js'
import type { StoppedNode } from './stop-local.js'

/** A new leader has to hear from everybody once before it can say who lives. */
const LOOKS_AT_LIFE = 20
const LOOK_INTERVAL_MS = 100

export interface CarryOutOptions {
  /** Makes and starts the nodes; null where they are elsewhere. */
  readonly local: LocalMembers | null
  /** The configuration that the change was planned against; null for whatever is in force. */
  readonly planned: LogIndex | null
  /**
   * Return only when newcomers have their vote, or have caught up where they get none. Without it newcomers of a
   * Byzantine cluster stay learners: nobody but an admin gives votes there.
   */
  readonly wait: boolean
  readonly protocol: ProtocolName
  readonly patience: Patience
}

export interface CarriedOut {
  readonly view: MembersView
  readonly changed: boolean
  readonly newcomers: readonly MemberConfiguration[]
  /** What came of the processes of those that left; empty where they are elsewhere. */
  readonly stopped: readonly StoppedNode[]
}

/**
 * `view` is the configuration against which `change` was checked. Throws what `reach` throws, `Refused`
 * for a newcomer that is somebody else or a removal that would leave no quorum alive, `StartFailed`.
 */
export async function carryOut(
  client: Client,
  view: MembersView,
  change: MemberChange,
  options: CarryOutOptions,
): Promise<CarriedOut> {
  const { local, patience, planned, protocol } = options
  const newcomers: MemberConfiguration[] = []
  for (const newcomer of change.add) {
    const member = await resolveNewcomer(view, newcomer, local)
    checkIdentity(view, member, newcomer.learner)
    newcomers.push(member)
  }
  await assertSurvives(client, view, change, options)
  const text = change.add.length === 0 ? 'members are promoted' : `${newcomers.map(({ id }) => id).join(', ')} joins`
  const joined = await reach(
    client,
    { text, planned, next: (current) => withNewcomers(current, change, newcomers, protocol) },
    patience,
  )
  const started = local === null ? [] : await startAll(local, newcomers)
  let hasVoted = false
  try {
    if (protocol !== 'raft')
      hasVoted = await giveVotes(client, change, { ...options, started, isFresh: !joined.changed })
    else if (options.wait) await waitForNewcomers(client, change, started, patience)
  } finally {
    for (const node of started) node.release()
  }
  const hasChanged = joined.changed || hasVoted
  const left = await letLeave(client, change, { ...options, planned: hasChanged ? null : planned })
  const stopped = local === null ? [] : await retireAll(local, change.remove)
  return { view: left.view, changed: hasChanged || left.changed || started.length > 0, newcomers, stopped }
}

async function resolveNewcomer(
  view: MembersView,
  newcomer: Newcomer,
  local: LocalMembers | null,
): Promise<MemberConfiguration> {
  const { id, address, publicKey, zone } = newcomer
  if (publicKey === null && local !== null) return local.prepare(newcomer)
  if (publicKey === null || address === null) {
    throw new KnhkError('Usage', `where is ${id}, and what is its key?`, {
      hint: 'Give --address HOST:PORT and --public-key KEY; with the --dir of a local cluster both are made.',
    })
  }
  return { id: nodeId(id), address, publicKey, zone: zone ?? memberOf(view, id)?.zone ?? LOCAL_ZONE }
}

async function startAll(local: LocalMembers, newcomers: readonly MemberConfiguration[]): Promise<WatchedNode[]> {
  const started: WatchedNode[] = []
  for (const { id } of newcomers) {
    const node = (await local.has(id)) ? await local.start(id) : null
    if (node !== null) started.push(node)
  }
  return started
}

/**
 * Byzantine clusters: votes are ordered once those who get them have caught up; the replicas look themselves
 * before they take the order. True where a vote was given.
 */
async function giveVotes(
  client: Client,
  change: MemberChange,
  options: CarryOutOptions & { readonly started: readonly WatchedNode[]; readonly isFresh: boolean },
): Promise<boolean> {
  const { patience, planned, wait, started, isFresh } = options
  if (wait) await waitForLogs(client, change, started, patience)
  if (!wait && change.promote.length === 0) return false
  const voting = wait ? change : { ...change, add: [] }
  const text = 'the new members get their votes'
  const goal = { text, planned: isFresh ? planned : null, next: (view: MembersView) => withVotes(view, voting) }
  return (await reach(client, goal, patience)).changed
}

/** Until all that join or shall vote hold what was committed when they were first looked at. */
async function waitForLogs(
  client: Client,
  change: MemberChange,
  started: readonly WatchedNode[],
  patience: Patience,
): Promise<void> {
  const ids = [...change.add.map(({ id }) => id), ...change.promote]
  if (ids.length === 0) return
  let reference: number | null = null
  const missing = async (): Promise<string | null> => {
    for (const node of started) await node.check()
    const { commitIndex, nodes } = await client.clusterStatus(callOptions(patience))
    reference ??= commitIndex
    if (reference === null) return 'the commit index is not known'
    const behind = ids.flatMap((id) => {
      const lastIndex = nodes.find((node) => node.id === id)?.lastIndex ?? null
      if (lastIndex === null) return [`${id} does not answer yet`]
      return lastIndex < (reference ?? 0) ? [`${id} is ${(reference ?? 0) - lastIndex} entries behind`] : []
    })
    return behind.length === 0 ? null : behind.join(', ')
  }
  await waitUntil('the new members catch up', missing, patience)
}

async function waitForNewcomers(
  client: Client,
  change: MemberChange,
  started: readonly WatchedNode[],
  patience: Patience,
): Promise<void> {
  const learners = change.add.filter(({ learner }) => learner).map(({ id }) => id)
  if (change.add.length === 0 && change.promote.length === 0) return
  /** What the leader had committed when it was first asked: who holds that has caught up. */
  let reference: number | null = null
  const missing = async (): Promise<string | null> => {
    for (const node of started) await node.check()
    const { timeoutMs } = callOptions(patience)
    const view = await readMembers(client, patience)
    const leader = await leaderReport(client, timeoutMs)
    if (leader === null) return 'there is no leader'
    reference ??= leader.commitIndex
    const behind = learners.find((id) => (matchIndexOf(leader, id) ?? -1) < (reference ?? 0))
    const waiting = [...awaitingVote(view, change), ...(behind === undefined ? [] : [behind])]
    if (waiting.length > 0) return waiting.map((id) => lagText(leader, id)).join(', ')
    return view.joint || !view.committed ? 'the change of the voters is not committed yet' : null
  }
  await waitUntil('the new members catch up', missing, patience)
}

async function letLeave(client: Client, change: MemberChange, options: CarryOutOptions) {
  const { patience, planned } = options
  if (change.remove.length > 0) await assertSurvives(client, await readMembers(client, patience), change, options)
  const text = change.remove.length === 0 ? 'the change is settled' : `${change.remove.join(', ')} leaves`
  return reach(client, { text, planned, next: (current) => withoutLeavers(current, change) }, patience)
}

/**
 * A removal that leaves no quorum of living voters would never be committed, and nothing after it.
 * Newcomers count as alive: they get their vote only when they have caught up.
 */
async function assertSurvives(
  client: Client,
  view: MembersView,
  change: MemberChange,
  { patience, protocol }: CarryOutOptions,
): Promise<void> {
  if (change.remove.every((id) => memberOf(view, id) === undefined)) return
  const before = new Set(votersOf(view).map(({ id }) => id))
  const after = votersAfter(view, change)
  const { quorum } = quorumArithmetic(after, protocol)
  let dead: string[] | null = null
  for (let look = 0; look < LOOKS_AT_LIFE; look++) {
    const alive = protocol === 'raft' ? await heardByLeader(client, patience) : await answering(client, patience)
    if (alive !== null) {
      dead = after.filter(({ id }) => before.has(id) && !alive.has(id)).map(({ id }) => id)
      if (after.length - dead.length >= quorum) return
    }
    await delay(LOOK_INTERVAL_MS)
  }
  if (dead === null) throw new KnhkError('NoLeader', 'there is no leader that could tell who lives')
  const whom = protocol === 'raft' ? 'the leader' : 'from here'
  throw new KnhkError(
    'Refused',
    `${dead.join(', ')} does not answer ${whom}: of the ${after.length} voters that would remain ${quorum} are needed, ${after.length - dead.length} live`,
    { hint: 'Start it again, or remove it instead.', details: { quorum, living: after.length - dead.length } },
  )
}

/** Whom the leader hears; null while nobody leads. */
async function heardByLeader(client: Client, patience: Patience): Promise<ReadonlySet<string> | null> {
  const leader = await leaderReport(client, callOptions(patience).timeoutMs)
  if (leader === null) return null
  return new Set([leader.id, ...leader.peers.filter(({ active }) => active).map(({ id }) => id)])
}

/** Where a primary may lie about whom it hears, everybody is asked. */
async function answering(client: Client, patience: Patience): Promise<ReadonlySet<string>> {
  const { nodes } = await client.clusterStatus(callOptions(patience))
  return new Set(nodes.filter(({ reachable }) => reachable).map(({ id }) => id))
}

function matchIndexOf(leader: SelfReport, id: string): number | null {
  const peer = leader.peers.find((one) => one.id === id)
  return peer?.active === true ? peer.matchIndex : null
}

function lagText(leader: SelfReport, id: string): string {
  const peer = leader.peers.find((one) => one.id === id)
  if (peer === undefined || !peer.active) return `${id} does not answer the leader yet`
  if (peer.snapshotIndex !== null) return `${id} receives the snapshot of ${peer.snapshotIndex}`
  return `${id} is ${leader.lastIndex - peer.matchIndex} entries behind`
}

async function retireAll(local: LocalMembers, ids: readonly string[]): Promise<StoppedNode[]> {
  const stopped: StoppedNode[] = []
  for (const id of ids) stopped.push(await local.retire(id))
  return stopped
}
