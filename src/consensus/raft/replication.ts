/**
 * Sending the log (Raft paper, 5.3; flow control after etcd-io/raft): every peer gets what it is
 * missing as fast as its window allows, optimistically, and falls back to probing when it refuses.
 * Entries that have left memory are loaded from disk, one load per peer at a time.
 */

import type { Input } from '../core.js'
import type { Entry } from '../entry.js'
import type { LogIndex } from '../types.js'
import type { Leadership } from './leadership.js'
import { entryBytes, type TermPosition } from './log.js'
import type { AppendEntries } from './messages.js'
import type { Progress } from './progress.js'
import { offerSnapshot } from './snapshots.js'
import type { RaftState } from './state.js'

type Loaded = Extract<Input, { type: 'loaded' }>
const NO_ENTRIES: readonly Entry[] = []

export function replicateToAll(raft: RaftState, leading: Leadership): void {
  for (const peer of leading.peers) replicate(raft, leading, peer)
}

/** Sends everything that the flow to this peer allows now. */
export function replicate(raft: RaftState, leading: Leadership, peer: Progress): void {
  const { log, options } = raft
  while (peer.maySend && peer.nextIndex <= log.lastIndex) {
    if (peer.nextIndex <= log.base.index) {
      offerSnapshot(raft, peer)
      return
    }
    if (peer.nextIndex < log.tailFirst) {
      // Whether the logs meet here can be asked without the entries; they are worth a load only then.
      if (peer.flow === 'probe') sendEmpty(raft, leading, peer)
      else load(raft, peer)
      return
    }
    sendEntries(raft, leading, peer, sliceFor(raft, leading, peer.nextIndex, options.limits.messageBytesMax))
  }
}

/**
 * An append without entries: asks whether the peer's log reaches as far as was sent, carries the commit
 * index, and is refused where earlier appends were lost. So it heals a full window too.
 */
export function sendEmpty(raft: RaftState, leading: Leadership, peer: Progress): void {
  if (peer.flow === 'snapshot') return
  if (peer.nextIndex <= raft.log.base.index) {
    offerSnapshot(raft, peer)
    return
  }
  if (peer.flow === 'probe') peer.probeSent = true
  send(raft, leading, peer, (peer.nextIndex - 1) as LogIndex, NO_ENTRIES)
}

/** Takes what a `load` brought. Entries that are not wanted any more are dropped. */
export function handleLoaded(raft: RaftState, leading: Leadership | null, input: Loaded): void {
  if (raft.loads.get(input.peer) !== input.from) return
  raft.loads.delete(input.peer)
  const peer = leading?.peer(input.peer)
  if (leading === null || peer === undefined) return
  const wanted = peer.flow === 'replicate' && peer.nextIndex === input.from && peer.maySend
  if (wanted && isOurs(raft, input)) sendEntries(raft, leading, peer, input.entries)
  replicate(raft, leading, peer)
}

/** Tells peers about a commit index that no append has carried to them, if they wait for nothing else. */
export function pushCommit(raft: RaftState, leading: Leadership): void {
  leading.commitPushMs = Number.POSITIVE_INFINITY
  for (const peer of leading.peers) {
    if (lacksCommit(raft, peer) && peer.inFlightMessages === 0) sendEmpty(raft, leading, peer)
  }
}

/** Sets the moment of the next `pushCommit`, as soon as some peer would get a message from it. */
export function scheduleCommitPush(raft: RaftState, leading: Leadership): void {
  if (leading.commitPushMs !== Number.POSITIVE_INFINITY) return
  const due = leading.peers.some((peer) => lacksCommit(raft, peer) && peer.inFlightMessages === 0)
  if (due) leading.commitPushMs = raft.now.monotonicMs + raft.options.limits.commitPushDelayMs
}

function lacksCommit(raft: RaftState, peer: Progress): boolean {
  const reachable = Math.min(raft.commitIndex, peer.matchIndex)
  return peer.flow === 'replicate' && peer.sentCommit < reachable && peer.nextIndex > raft.log.lastIndex
}

function load(raft: RaftState, peer: Progress): void {
  if (raft.loads.has(peer.id)) return
  raft.loads.set(peer.id, peer.nextIndex)
  raft.emit({ type: 'load', peer: peer.id, from: peer.nextIndex, maxBytes: raft.options.limits.messageBytesMax })
}

/** Loaded entries continue the log at the place that was asked for, and are the log's own, which still holds them. */
function isOurs(raft: RaftState, { entries, from }: Loaded): boolean {
  if (entries.length === 0 || from <= raft.log.base.index) return false
  return entries.every((entry, at) => entry.index === from + at && raft.log.matches(entry.index, entry))
}

/** Peers that need the same entries share one array. */
function sliceFor(raft: RaftState, leading: Leadership, from: LogIndex, bytesMax: number): readonly Entry[] {
  const last = leading.lastAppend?.entries
  if (last !== undefined && last[0]?.index === from && last.at(-1)?.index === raft.log.lastIndex) return last
  return raft.log.slice(from, bytesMax, raft.options.limits.messageEntriesMax)
}

function sendEntries(raft: RaftState, leading: Leadership, peer: Progress, entries: readonly Entry[]): void {
  const prevIndex = (peer.nextIndex - 1) as LogIndex
  let bytes = 0
  for (const entry of entries) bytes += entryBytes(entry)
  peer.sent((prevIndex + entries.length) as LogIndex, bytes)
  send(raft, leading, peer, prevIndex, entries)
}

function send(
  raft: RaftState,
  leading: Leadership,
  peer: Progress,
  prevIndex: LogIndex,
  entries: readonly Entry[],
): void {
  const message = appendEntries(raft, leading, prevIndex, entries)
  const carried = Math.min(raft.commitIndex, prevIndex + entries.length) as LogIndex
  if (carried > peer.sentCommit) peer.sentCommit = carried
  raft.send(peer.id, message)
}

/** The same object for all peers that need the same message, so that it is encoded once. */
function appendEntries(
  raft: RaftState,
  leading: Leadership,
  prevIndex: LogIndex,
  entries: readonly Entry[],
): AppendEntries {
  const last = leading.lastAppend
  if (
    last !== null &&
    last.entries === entries &&
    last.prevIndex === prevIndex &&
    last.commitIndex === raft.commitIndex &&
    last.readPosition === leading.readPosition
  ) {
    return last
  }
  const previous = raft.log.termAt(prevIndex) as TermPosition
  leading.lastAppend = {
    type: 'appendEntries',
    epoch: raft.epoch,
    term: raft.term,
    prevIndex,
    prevEpoch: previous.epoch,
    prevTerm: previous.term,
    entries,
    commitIndex: raft.commitIndex,
    readPosition: leading.readPosition,
  }
  return leading.lastAppend
}
