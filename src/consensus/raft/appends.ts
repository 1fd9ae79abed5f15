/**
 * A follower's side of AppendEntries (Raft paper, figure 2). It checks that the entries continue its
 * log, chain included, removes only what truly conflicts and never what is committed, and
 * acknowledges exactly what the request covered, once that is durable.
 */
import { assert } from '../../base/assert.js'
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { type Entry, verifyChain } from '../entry.js'
import { decodeMembership } from '../membership.js'
import type { LogIndex, NodeId } from '../types.js'
import { compareTerms, type TermPosition } from './log.js'
import type { AppendEntries } from './messages.js'
import { followLeader } from './roles.js'
import type { RaftState } from './state.js'

/** The message is of this node's term: a higher one has been entered before. */
export function handleAppendEntries(raft: RaftState, from: NodeId, message: AppendEntries): void {
  followLeader(raft, from)
  const { log } = raft
  const previous: TermPosition = { epoch: message.prevEpoch, term: message.prevTerm }
  // At or below the commit index the logs agree: the leader of a current term holds all that is committed.
  const agreed = message.prevIndex <= raft.commitIndex
  if (agreed) {
    assert(
      log.termAt(message.prevIndex) === undefined || log.matches(message.prevIndex, previous),
      'the leader has what is committed here',
    )
  } else if (!log.matches(message.prevIndex, previous)) {
    refuse(raft, from, message, previous)
    return
  }
  const fresh = firstFresh(raft, message.entries)
  if (!continuesLog(raft, message, fresh)) return
  takeEntries(raft, message.entries, fresh)
  const matchIndex = (message.prevIndex + message.entries.length) as LogIndex
  if (matchIndex > raft.agreedIndex) raft.agreedIndex = matchIndex
  raft.commitTo(Math.min(message.commitIndex, matchIndex) as LogIndex)
  raft.acknowledge(
    from,
    {
      type: 'appendEntriesReply',
      epoch: raft.epoch,
      term: raft.term,
      success: true,
      prevIndex: message.prevIndex,
      matchIndex,
      hintIndex: 0 as LogIndex,
      hintEpoch: raft.epoch,
      hintTerm: 0 as AppendEntries['term'],
      readPosition: message.readPosition,
      wallMs: Math.floor(raft.now.wallMs),
    },
    matchIndex,
  )
}

/** Refuses an append, or answers one of an older term: the reply's term then tells the sender. */
export function refuse(raft: RaftState, to: NodeId, message: AppendEntries, previous: TermPosition | null): void {
  const { log } = raft
  const hintIndex = previous === null ? (0 as LogIndex) : log.skipConflict(message.prevIndex, previous)
  const hint = log.termAt(hintIndex)
  raft.send(to, {
    type: 'appendEntriesReply',
    epoch: raft.epoch,
    term: raft.term,
    success: false,
    prevIndex: message.prevIndex,
    matchIndex: 0 as LogIndex,
    hintIndex,
    hintEpoch: hint?.epoch ?? raft.epoch,
    hintTerm: hint?.term ?? (0 as AppendEntries['term']),
    readPosition: previous === null ? 0 : message.readPosition,
    wallMs: Math.floor(raft.now.wallMs),
  })
}

/** Tells the leader that the log does not reach `prevIndex` as it believes, so that it looks for where they meet. */
export function refuseAt(raft: RaftState, to: NodeId, prevIndex: LogIndex, readPosition: number): void {
  const hintIndex = Math.min(prevIndex - 1, raft.log.lastIndex) as LogIndex
  const hint = raft.log.termAt(hintIndex)
  raft.send(to, {
    type: 'appendEntriesReply',
    epoch: raft.epoch,
    term: raft.term,
    success: false,
    prevIndex,
    matchIndex: 0 as LogIndex,
    hintIndex,
    hintEpoch: hint?.epoch ?? raft.epoch,
    hintTerm: hint?.term ?? (0 as AppendEntries['term']),
    readPosition,
    wallMs: Math.floor(raft.now.wallMs),
  })
}

/** How many of the entries the log holds already. */
function firstFresh(raft: RaftState, entries: readonly Entry[]): number {
  const { log } = raft
  let at = 0
  for (; at < entries.length; at++) {
    const entry = entries[at] as Entry
    if (entry.index <= log.base.index) continue
    if (!log.matches(entry.index, entry) || isForked(raft, entry)) break
  }
  return at
}

/** Of a leader that said two things in one term the newer leader's word stands; plain Raft knows no such leaders. */
function isForked({ options, log }: RaftState, entry: Entry): boolean {
  if (options.hardening === undefined) return false
  const own = log.chainAt(entry.index)
  return own !== undefined && !bytesEqual(own, entry.chain)
}

/**
 * Whether the message is what a correct leader of this cluster sends: contiguous, of terms that only
 * grow up to its own, each fresh entry chained to the one before. Otherwise it is ignored.
 */
function continuesLog(raft: RaftState, message: AppendEntries, fresh: number): boolean {
  const { entries, prevIndex } = message
  let previous: TermPosition = { epoch: message.prevEpoch, term: message.prevTerm }
  let chain = raft.log.chainAt(prevIndex)
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry
    if (entry.index !== prevIndex + 1 + at || compareTerms(entry, previous) < 0) return false
    if (compareTerms(entry, message) > 0) return false
    if (chain !== undefined && !bytesEqual(chain, entry.previousChain)) return false
    if (at >= fresh) {
      if (!bytesEqual(entry.clusterId, raft.options.clusterId)) return false
      if (!verifyChain(raft.modules.sha256, entry)) return false
      if (entry.kind === 'membership' && !holdsMembership(entry)) return false
    } else {
      const own = raft.log.chainAt(entry.index)
      if (own !== undefined && !bytesEqual(own, entry.chain)) return false
    }
    previous = entry
    chain = entry.chain
  }
  return true
}

function holdsMembership(entry: Entry): boolean {
  try {
    decodeMembership(entry.body)
    return true
  } catch (error) {
    if (error instanceof KnhkError) return false
    throw error
  }
}

function takeEntries(raft: RaftState, entries: readonly Entry[], fresh: number): void {
  const { log, memberships, writes } = raft
  const first = entries[fresh]
  if (first === undefined) return
  if (first.index <= log.lastIndex) {
    assert(first.index > raft.commitIndex, 'nothing committed is ever truncated')
    log.truncate(first.index)
    memberships.truncate(first.index)
    writes.truncate(first.index)
  }
  for (let at = fresh; at < entries.length; at++) {
    const entry = entries[at] as Entry
    log.append(entry)
    writes.append(entry)
    if (entry.kind === 'membership' && raft.options.hardening === undefined) {
      memberships.append({ index: entry.index, membership: decodeMembership(entry.body) })
    }
  }
}
