/**
 * What a node says of itself to those who ask: role and positions for `status`, the configuration in
 * force for clients that follow it. Plain data, named as docs/wire-protocol.md lists it.
 */
import { toHex } from '../base/bytes.js'
import type { CoreStatus } from '../consensus/core.js'
import type { NodeId } from '../consensus/types.js'
import type { Execution } from './execution.js'
import type { PeerLinks } from './ports.js'

/** The answer to `node.status`. */
export function nodeStatus(
  node: { readonly self: NodeId; readonly zone: string; readonly version: string },
  links: PeerLinks,
  status: CoreStatus,
  execution: Execution,
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
    version: node.version,
    http: null,
    mayVote,
    restoring: execution.isRestoring,
    peers: status.peers.map(({ offered, ...peer }) => ({
      ...peer,
      snapshotIndex: offered?.base.index ?? null,
      connected: links.isConnected(peer.id),
      rttMs: links.rttMs(peer.id),
    })),
  }
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
