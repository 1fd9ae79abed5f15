/**
 * The logs that stories begin with: entries made from nothing but their terms, so that equal beginnings
 * are equal entries on every node, chains included.
 */
import { computeBatchDigest } from '../../consensus/batch-digest.js'
import { type Entry, type EntryKind, GENESIS_CHAIN, makeEntry } from '../../consensus/entry.js'
import { encodeMembership, type Membership } from '../../consensus/membership.js'
import { encodeBody } from '../../consensus/request-body.js'
import type { LogBase } from '../../consensus/snapshot.js'
import { epoch, type LogIndex, logIndex, term } from '../../consensus/types.js'
import { sha256 } from '../../crypto/sha256.js'

export const CLUSTER_ID: Uint8Array = new Uint8Array(16).fill(0x5c)
export const CONFIG_HASH: Uint8Array = new Uint8Array(32).fill(0x5d)
export const START_OF_TIME_MS = 1_750_000_000_000

/** An entry of a log that is written down: its term, and the members where it changes them. */
export interface WrittenEntry {
  readonly term: number
  readonly membership: Membership | null
}

export const GENESIS_BASE: LogBase = {
  index: logIndex(0),
  epoch: epoch(0),
  term: term(0),
  chain: GENESIS_CHAIN,
  timestampMs: 0,
  membership: null,
}

/** A client's batch of about so many bytes, and its digest. */
export function batchOf(bytes: number): { readonly body: Uint8Array; readonly batchDigest: Uint8Array } {
  const body = encodeBody([new Uint8Array(bytes)])
  return { body, batchDigest: computeBatchDigest(sha256, 'data', body) }
}

export function makeLog(written: readonly WrittenEntry[]): Entry[] {
  const entries: Entry[] = []
  for (const item of written) entries.push(makeWritten(item, entries))
  return entries
}

function makeWritten({ term: entryTerm, membership }: WrittenEntry, before: readonly Entry[]): Entry {
  const kind: EntryKind = membership === null ? 'data' : 'membership'
  const { body, batchDigest } = membership === null ? batchOf(16) : membershipBatch(membership)
  return makeEntry(
    sha256,
    {
      epoch: epoch(0),
      term: term(entryTerm),
      index: logIndex(before.length + 1),
      timestampMs: START_OF_TIME_MS + entryTerm,
      kind,
      clusterId: CLUSTER_ID,
      configHash: CONFIG_HASH,
      batchDigest,
      previousChain: before.at(-1)?.chain ?? GENESIS_CHAIN,
    },
    body,
  )
}

function membershipBatch(membership: Membership): { readonly body: Uint8Array; readonly batchDigest: Uint8Array } {
  const body = encodeMembership(membership)
  return { body, batchDigest: computeBatchDigest(sha256, 'membership', body) }
}

/** What follows after `entry`, as the base of a log that begins there. */
export function baseAt(entry: Entry, membership: LogBase['membership']): LogBase {
  const { index, epoch: entryEpoch, term: entryTerm, chain, timestampMs } = entry
  return { index, epoch: entryEpoch, term: entryTerm, chain, timestampMs, membership }
}

/** Runs of equal terms, as a core wants them at its start. */
export function termRunsOf(
  entries: readonly Entry[],
): { first: LogIndex; epoch: Entry['epoch']; term: Entry['term'] }[] {
  const runs: { first: LogIndex; epoch: Entry['epoch']; term: Entry['term'] }[] = []
  for (const { index, epoch: entryEpoch, term: entryTerm } of entries) {
    const last = runs.at(-1)
    if (last?.term !== entryTerm || last.epoch !== entryEpoch)
      runs.push({ first: index, epoch: entryEpoch, term: entryTerm })
  }
  return runs
}
