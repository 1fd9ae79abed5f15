/**
 * What a node says of itself to those who ask: role and positions for `status`, the configuration in
 * force for clients that follow it. Plain data, named as docs/wire-protocol.md lists it.
 */
import { toHex } from '../base/bytes.js'
import type { CoreStatus, Stays } from '../consensus/core.js'
import type { Assurance, Millis, NodeId } from '../consensus/types.js'
import type { NotReady } from '../telemetry/readiness.js'
import type { Execution } from './execution.js'
import type { NodeOptions } from './node-options.js'
import type { DiskFacts, PeerLinks } from './ports.js'

/** What telemetry knows of a node. */
export interface SelfKnowledge {
  /** `http://host:port`; null where no HTTP port is open. */
  readonly http: string | null
  /** Empty for a node that is ready. */
  readonly notReady: readonly NotReady[]
}

/** The answer to `node.status`. */
export function nodeStatus(
  node: Pick<NodeOptions, 'self' | 'zone' | 'version' | 'commitZones'>,
  links: PeerLinks,
  status: CoreStatus,
  execution: Execution,
  known: SelfKnowledge & {
    readonly wallMs: Millis
    readonly requestsWaiting: number
    /** When the epoch began, as far as this run knows. */
    readonly epochSinceMs: Millis
    /** What the newest commit rests on. */
    readonly assurance: Assurance
    /** Null where the mode never changes. */
    readonly residencyMs: Millis | null
    /** Hybrid: why a Byzantine mode stays; null where nothing keeps it, or in Raft. */
    readonly stays: Stays | null
    /** Null before the first look, and where nobody looks. */
    readonly disk: DiskFacts | null
  },
): Record<string, unknown> {
  const digest = execution.digests.latest
  const { role, mode, epoch, term, view, round, leader, firstIndex, lastIndex, commitIndex, mayVote } = status
  return {
    id: node.self,
    role,
    mode,
    epoch,
    term,
    view,
    round,
    leader,
    firstIndex,
    lastIndex,
    commitIndex,
    appliedIndex: execution.appliedIndex,
    digestIndex: digest?.index ?? null,
    stateDigest: digest?.stateDigest ?? null,
    dataDigest: digest?.dataDigest ?? null,
    zone: node.zone,
    commitZones: node.commitZones,
    version: node.version,
    http: known.http,
    notReady: known.notReady,
    wallMs: known.wallMs,
    epochSinceMs: Math.floor(known.epochSinceMs),
    residencyMs: known.residencyMs,
    stays: known.stays,
    assurance: known.assurance,
    threat: status.threat,
    mayVote,
    restoring: execution.isRestoring,
    requestsWaiting: known.requestsWaiting,
    disk: known.disk,
    peers: peersOf(node.self, links, status),
  }
}

/** What a leader knows of the others; under protocols whose members keep no such books, the state of the links. */
function peersOf(self: NodeId, links: PeerLinks, { mode, peers, membership }: CoreStatus): Record<string, unknown>[] {
  const link = (id: NodeId) => ({ connected: links.isConnected(id), rttMs: links.rttMs(id) })
  if (mode === 'raft') {
    return peers.map(({ offered, ...peer }) => ({
      ...peer,
      snapshotIndex: offered?.base.index ?? null,
      ...link(peer.id),
    }))
  }
  const others = membership.membership.members.filter(({ id }) => id !== self)
  return others.map(({ id }) => ({
    id,
    matchIndex: null,
    flow: null,
    active: null,
    snapshotIndex: null,
    ...link(id),
  }))
}

/** The answer to `cluster.members`. */
export function memberList({ membership: record, membershipCommitted }: CoreStatus): Record<string, unknown> {
  const { joint, members } = record.membership
  return {
    index: record.index,
    committed: membershipCommitted,
    joint,
    members: members.map(({ publicKey, ...member }) => ({ ...member, publicKey: toHex(publicKey) })),
  }
}
