/**
 * Proposals: a leader appends one entry per batch, writes it and sends it in parallel (thesis,
 * 10.2.1). Safe because its own write counts for the commit only when it is durable.
 */
import type { Input } from '../core.js'
import { ENTRY_HEADER_BYTES, type EntryKind, makeEntry } from '../entry.js'
import { decodeMembership } from '../membership.js'
import type { LogIndex } from '../types.js'
import type { Leadership } from './leadership.js'
import { entryBytes } from './log.js'
import { replicateToAll } from './replication.js'
import type { RaftState } from './state.js'

type Propose = Extract<Input, { type: 'propose' }>

export function handlePropose(raft: RaftState, input: Propose): void {
  const { leading, leader } = raft
  const { proposalId } = input
  if (leading === null) {
    raft.emit({ type: 'refused', proposalId, code: leader === null ? 'NoLeader' : 'NotLeader', leader })
    return
  }
  if (leading.transfer !== null) {
    // Without a hint: the client asks around until the new leader is known.
    raft.emit({ type: 'refused', proposalId, code: 'NoLeader', leader: null })
    return
  }
  // A single entry is always taken, however large, or it could never be written.
  const bytes = leading.uncommittedBytes + ENTRY_HEADER_BYTES + input.body.length
  if (leading.uncommittedBytes > 0 && bytes > raft.options.limits.uncommittedBytesMax) {
    raft.emit({ type: 'refused', proposalId, code: 'ResourceExhausted', leader })
    return
  }
  const index = appendOwn(raft, leading, input.kind, input.body, input.batchDigest)
  raft.emit({ type: 'proposed', proposalId, index, term: raft.term })
}

/** Appends an entry of the leader's term, writes it, and sends it on. */
export function appendOwn(
  raft: RaftState,
  leading: Leadership,
  kind: EntryKind,
  body: Uint8Array,
  batchDigest: Uint8Array,
): LogIndex {
  const { log, options } = raft
  const index = (log.lastIndex + 1) as LogIndex
  const entry = makeEntry(
    raft.modules.sha256,
    {
      epoch: raft.epoch,
      term: raft.term,
      index,
      timestampMs: raft.clocks.stamp(log.lastTimestampMs, raft.now),
      kind,
      clusterId: options.clusterId,
      configHash: options.configHash,
      batchDigest,
      previousChain: log.lastChain,
    },
    body,
  )
  log.append(entry)
  raft.writes.append(entry)
  if (kind === 'membership' && options.hardening === undefined) {
    // In force from its append on, for the counting of its own commit too (thesis, 4.1).
    raft.memberships.append({ index, membership: decodeMembership(body) })
    leading.reconcile(raft)
  }
  leading.uncommittedBytes += entryBytes(entry)
  replicateToAll(raft, leading)
  return index
}
