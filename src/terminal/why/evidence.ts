/**
 * What `why` goes by: what every reachable node says of itself and of the members, where each log ends,
 * whether the leader's commit index moves, and for nodes of this machine the last error in their logs.
 */
import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '../../client/api.js'
import { nodePaths } from '../../cluster/layout.js'
import type { MembersView } from '../../cluster/members.js'
import { runningPid } from '../../cluster/processes.js'
import { type SelfReport, selfReport } from '../../cluster/self-reports.js'
import { bestView, type ClusterLook, isByzantine, lookAtCluster } from '../members/look.js'

/** Long enough for several heartbeats. */
const SECOND_LOOK_MS = 300
const LOG_TAIL_BYTES = 64 * 1024

export interface LocalNodeState {
  readonly running: boolean
  /** The last line of level error in its log: `CODE: message`; null for none. */
  readonly lastError: string | null
}

export interface Evidence extends ClusterLook {
  readonly view: MembersView | null
  /** Term of the last entry of each log, where it could be read. */
  readonly lastTerms: ReadonlyMap<string, number>
  /** The leader again, a moment later; null where it was not needed or does not lead any more. */
  readonly leaderLater: SelfReport | null
  /** Byzantine protocols: all of them again, where requests of clients wait; empty otherwise. */
  readonly later: ReadonlyMap<string, SelfReport>
  /** Nodes whose files are on this machine. */
  readonly local: ReadonlyMap<string, LocalNodeState>
}

export async function gatherEvidence(
  client: Client,
  dir: string | null,
  call: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Evidence> {
  const look = await lookAtCluster(client, call)
  const { leader, reports, status } = look
  const lastTerms = new Map<string, number>()
  const local = new Map<string, LocalNodeState>()
  await Promise.all([
    ...[...reports.values()].map(async ({ id, lastIndex }) => {
      const term = await termAt(client, id, lastIndex, call.timeoutMs).catch(() => null)
      if (term !== null) lastTerms.set(id, term)
    }),
    ...status.nodes.map(async ({ id }) => {
      const state = dir === null ? null : await localState(dir, id)
      if (state !== null) local.set(id, state)
    }),
  ])
  const byzantine = isByzantine(status.mode)
  return {
    ...look,
    view: bestView(look),
    lastTerms,
    local,
    leaderLater: byzantine ? null : await leaderAgain(client, leader, call),
    later: byzantine ? await allAgain(client, look, call) : new Map(),
  }
}

async function termAt(client: Client, node: string, index: number, timeoutMs: number): Promise<number | null> {
  const args = { from: index, to: index, limit: 1 }
  const { value } = await client.query('log.inspect', args, { read: 'local', node, timeoutMs })
  const { entries } = value as { readonly entries: readonly { readonly index: number; readonly term: number }[] }
  return entries[0]?.index === index ? entries[0].term : null
}

async function leaderAgain(
  client: Client,
  leader: SelfReport | null,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<SelfReport | null> {
  if (leader === null || leader.commitIndex === leader.lastIndex) return null
  await delay(SECOND_LOOK_MS)
  const later = await selfReport(client, leader.id, timeoutMs).catch(() => null)
  return later?.role === 'leader' && later.term === leader.term ? later : null
}

/** Only where somebody waits is it worth a second look whether anything is decided. */
async function allAgain(
  client: Client,
  { reports }: ClusterLook,
  call: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, SelfReport>> {
  if ([...reports.values()].every(({ requestsWaiting }) => requestsWaiting === 0)) return new Map()
  await delay(SECOND_LOOK_MS)
  return (await lookAtCluster(client, call)).reports
}

/** Null for a node that has no log on this machine. */
async function localState(dir: string, id: string): Promise<LocalNodeState | null> {
  const tail = await tailOf(nodePaths(dir, id).log)
  if (tail === null) return null
  return { running: (await runningPid(dir, id)) !== null, lastError: lastErrorIn(tail) }
}

async function tailOf(path: string): Promise<string | null> {
  const file = await open(path, 'r').catch(() => null)
  if (file === null) return null
  try {
    const { size } = await file.stat()
    const length = Math.min(size, LOG_TAIL_BYTES)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8')
  } finally {
    await file.close()
  }
}

/** The last error since the node last started: an older one has been mended. */
function lastErrorIn(tail: string): string | null {
  for (const line of tail.split('\n').reverse()) {
    const fields = jsonOf(line)
    if (fields === null) continue
    if (fields.event === 'node started') return null
    if (fields.level === 'error') return [fields.code, fields.message ?? fields.event].filter(Boolean).join(': ')
  }
  return null
}

function jsonOf(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null
  } catch {
    return null
  }
}
