/**
 * What nodes say of themselves beyond the status of the cluster: whether they may vote, and on a leader
 * what it knows of each other member. The tools that explain and change a cluster go by these.
 */
import { KnhkError } from '../base/error.js'
import type { Client } from '../client/api.js'

/** What a Raft leader knows of another member. */
export interface PeerReport {
  readonly id: string
  readonly matchIndex: number
  /** `probe`, `replicate` or `snapshot`. */
  readonly flow: string
  /** Heard from within the last election time-out. */
  readonly active: boolean
  /** Of the snapshot that it is fetching; null for none. */
  readonly snapshotIndex: number | null
}

/** A reason why a node is not ready, as `/readyz` tells it. */
export interface NotReadyReport {
  readonly reason: string
  readonly message: string
  readonly numbers: Readonly<Record<string, number>>
}

export interface SelfReport {
  readonly id: string
  readonly role: string
  readonly epoch: number
  readonly term: number
  readonly view: number | null
  readonly round: number | null
  readonly leader: string | null
  readonly lastIndex: number
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly mayVote: boolean
  readonly restoring: boolean
  /** Empty for a node that is ready. */
  readonly notReady: readonly NotReadyReport[]
  /** Requests of clients that are not executed yet. */
  readonly requestsWaiting: number
  /** In how many zones an entry is held before it is committed; null for any. */
  readonly commitZones: number | null
  /** In plain Raft on a leader; empty elsewhere: each member says for itself where its log ends. */
  readonly peers: readonly PeerReport[]
  /** Members that it is linked to, as far as it tells. */
  readonly linkedTo: readonly string[]
  /** Hybrid: why its Byzantine mode stays; null where nothing keeps it, or in Raft. */
  readonly stays: { readonly reason: string; readonly retryAfterMs: number | null } | null
}

/** Asks one member. Throws why it does not answer, `ProtocolViolation` for an answer that is none. */
export async function selfReport(client: Client, node: string, timeoutMs: number): Promise<SelfReport> {
  const { value } = await client.query('node.status', {}, { read: 'local', node, timeoutMs })
  const fields = value as Readonly<Record<string, unknown>>
  return {
    id: text(fields, 'id'),
    role: text(fields, 'role'),
    epoch: integer(fields, 'epoch'),
    term: integer(fields, 'term'),
    view: fields.view === null ? null : integer(fields, 'view'),
    round: fields.round === null ? null : integer(fields, 'round'),
    leader: typeof fields.leader === 'string' ? fields.leader : null,
    lastIndex: integer(fields, 'lastIndex'),
    commitIndex: integer(fields, 'commitIndex'),
    appliedIndex: integer(fields, 'appliedIndex'),
    mayVote: fields.mayVote !== false,
    restoring: fields.restoring === true,
    notReady: notReadyOf(fields),
    requestsWaiting: integer(fields, 'requestsWaiting'),
    commitZones: typeof fields.commitZones === 'number' ? fields.commitZones : null,
    ...peersOf(fields.peers),
    stays: (fields.stays ?? null) as SelfReport['stays'],
  }
}

/** The reasons in the answer to `node.status`. */
export function notReadyOf({ notReady }: Readonly<Record<string, unknown>>): readonly NotReadyReport[] {
  return Array.isArray(notReady) ? (notReady as NotReadyReport[]) : []
}

/** What the leader says; null while nobody that is reachable leads. */
export async function leaderReport(client: Client, timeoutMs: number): Promise<SelfReport | null> {
  const { leader } = await client.clusterStatus({ timeoutMs })
  if (leader === null) return null
  const report = await selfReport(client, leader, timeoutMs)
  return report.role === 'leader' ? report : null
}

function peersOf(value: unknown): Pick<SelfReport, 'peers' | 'linkedTo'> {
  const all = (Array.isArray(value) ? value : []) as readonly Readonly<Record<string, unknown>>[]
  return {
    peers: all.filter(({ matchIndex }) => matchIndex !== null).map(peerReport),
    linkedTo: all.filter(({ connected }) => connected === true).map((fields) => text(fields, 'id')),
  }
}

function peerReport(fields: Readonly<Record<string, unknown>>): PeerReport {
  return {
    id: text(fields, 'id'),
    matchIndex: integer(fields, 'matchIndex'),
    flow: text(fields, 'flow'),
    active: fields.active === true,
    snapshotIndex: fields.snapshotIndex === null ? null : integer(fields, 'snapshotIndex'),
  }
}

function text(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw unreadable(name)
  return value
}

function integer(fields: Readonly<Record<string, unknown>>, name: string): number {
  const value = fields[name]
  if (!Number.isSafeInteger(value)) throw unreadable(name)
  return value as number
}

function unreadable(name: string): KnhkError {
  return new KnhkError('ProtocolViolation', `a node told no ${name} that can be read`)
}
