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
import { majority } from '../consensus/quorum.js'
import { type LogIndex, nodeId } from '../consensus/types.js'
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
} from './change-goals.js'
import { LOCAL_ZONE } from './init.js'
import type { LocalMembers, WatchedNode } from './local-members.js'
import { callOptions, type MembersView, type Patience, reach, readMembers, waitUntil } from './members.js'
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
  /** Return only when newcomers have their vote, or have caught up where they get none. */
  readonly wait: boolean
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
  const { local, patience, planned } = options
  const newcomers: MemberConfiguration[] = []
  for (const newcomer of change.add) {
    const member = await resolveNewcomer(view, newcomer, local)
    checkIdentity(view, member, newcomer.learner)
    newcomers.push(member)
  }
  await assertSurvives(client, view, change, patience)
  const text = change.add.length === 0 ? 'members are promoted' : `${newcomers.map(({ id }) => id).join(', ')} joins`
  const joined = await reach(
    client,
    { text, planned, next: (current) => withNewcomers(current, change, newcomers) },
    patience,
  )
  const started = local === null ? [] : await startAll(local, newcomers)
  try {
    if (options.wait) await waitForNewcomers(client, change, started, patience)
  } finally {
    for (const node of started) node.release()
  }
  const left = await letLeave(client, change, { ...options, planned: joined.changed ? null : planned })
  const stopped = local === null ? [] : await retireAll(local, change.remove)
  return { view: left.view, changed: joined.changed || left.changed || started.length > 0, newcomers, stopped }
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
  if (change.remove.length > 0) await assertSurvives(client, await readMembers(client, patience), change, patience)
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
  patience: Patience,
): Promise<void> {
  if (change.remove.every((id) => memberOf(view, id) === undefined)) return
  const before = new Set(votersOf(view).map(({ id }) => id))
  const after = votersAfter(view, change)
  const quorum = majority(after.length)
  let dead: string[] | null = null
  for (let look = 0; look < LOOKS_AT_LIFE; look++) {
    const leader = await leaderReport(client, callOptions(patience).timeoutMs)
    if (leader !== null) {
      dead = after.filter(({ id }) => before.has(id) && !isAlive(leader, id)).map(({ id }) => id)
      if (after.length - dead.length >= quorum) return
    }
    await delay(LOOK_INTERVAL_MS)
  }
  if (dead === null) throw new KnhkError('NoLeader', 'there is no leader that could tell who lives')
  throw new KnhkError(
    'Refused',
    `${dead.join(', ')} does not answer the leader: of the ${after.length} voters that would remain ${quorum} are needed, ${after.length - dead.length} live`,
    { hint: 'Start it again, or remove it instead.', details: { quorum, living: after.length - dead.length } },
  )
}

function isAlive(leader: SelfReport, id: string): boolean {
  return leader.id === id || leader.peers.some((peer) => peer.id === id && peer.active)
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
