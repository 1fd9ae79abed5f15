/**
 * Everything the node loop touches outside itself. The production node gets real implementations, the
 * simulator and the tests get their own; nothing under src/node reaches around these interfaces.
 */

import type { SignatureCheck } from '../consensus/bft/checks.js'
import type { ProtocolMessage, RestoredLog, StoreRecord } from '../consensus/core.js'
import type { Entry, EntryHeader } from '../consensus/entry.js'
import type { Member } from '../consensus/membership.js'
import type { LogBase, SnapshotOffer } from '../consensus/snapshot.js'
import type { Epoch, LogIndex, Millis, NodeId, Term } from '../consensus/types.js'

export interface Clock {
  monotonicMs(): Millis
  wallMs(): Millis
}

export interface Scheduler {
  /** Runs `callback` in a later turn of the loop, after input that is already waiting. */
  nextTurn(callback: () => void): void
  /** Runs `callback` once, not before `delayMs` passed. Returns the cancel function. */
  after(delayMs: Millis, callback: () => void): () => void
}

/** Checks signatures beside the loop. */
export interface SignatureVerifier {
  /** `done` is told once whether the signature holds, at once or in a later turn. Malformed input does not hold. */
  verify(check: SignatureCheck, done: (valid: boolean) => void): void
}

/** Evidence against members that lied, kept for good. */
export interface EvidenceStore {
  /** Ids, in the order of their bytes. */
  list(): Uint8Array[]
  has(id: Uint8Array): boolean
  /** Null where it is not kept. Throws `Corrupt`, `StorageFailed`. */
  read(id: Uint8Array): Promise<Uint8Array | null>
  /** Resolves when it is durable. Throws `StorageFailed`. */
  put(id: Uint8Array, evidence: Uint8Array): Promise<unknown>
}

/** How epochs led to the next ones, kept for receipts: one piece per step, named by 32 bytes like evidence. */
export type StepStore = EvidenceStore

/** Uniform in [0, 1). Seeded afresh at every start. */
export type Random = () => number

/** The log and hard state of one node: one ordered journal. */
export interface LogStore {
  readonly restored: RestoredLog
  /**
   * Writes the records as one frame and resolves when they are durable. The caller never has two
   * appends open. A rejection is final: the node must stop, the store refuses further appends.
   */
  append(records: readonly StoreRecord[]): Promise<void>
  /** Entries from `from` on, at least one if it exists, at most about `maxBytes`. Empty where there is none. */
  read(from: LogIndex, maxBytes: number): Promise<Entry[]>
  /** Headers of a range, for inspection; at most `limit`. */
  headers(
    from: LogIndex,
    to: LogIndex,
    limit: number,
  ): Promise<{ header: EntryHeader; bytes: number; operations: number; certificate: Uint8Array | null }[]>
  readonly firstIndex: LogIndex
  readonly lastIndex: LogIndex
  /** How many of the entries up to `index`, counted back from it, take at most `maxBytes`; at most `maxEntries`. */
  countBack(index: LogIndex, maxEntries: number, maxBytes: number): number
  /** Bytes of all segment files. */
  readonly bytesOnDisk: number
  /** Entries that this log acknowledged are gone without a trace: a later start takes it for damaged. */
  markDamaged(): Promise<void>
  /** The damage found at open, or marked since, is repaired: a later start takes the log for sound. */
  markRepaired(): Promise<void>
  /** Writes the seal of a clean stop and closes the files. */
  close(): Promise<void>
}

/** The applied state: synchronous for apply, written behind. Keys are binary strings (one char per byte). */
export interface StateStore {
  /** Where a restart continues: everything up to this index is in the store. 0 for an empty store. */
  readonly appliedIndex: LogIndex
  get(key: string): Uint8Array | undefined
  put(key: string, value: Uint8Array): void
  delete(key: string): void
  /** Ends the open generation of changes at an entry boundary. Returns its last value per key. */
  rotate(appliedIndex: LogIndex): ReadonlyMap<string, Uint8Array | null>
  /** Starts to write what was rotated, behind the scenes, in one atomic batch. */
  flush(): void
  /** Entries with `from` ≤ key < `to` in key order, unflushed changes included, as of the call. */
  range(
    from: string,
    to: string,
    options?: { readonly limit?: number; readonly reverse?: boolean },
  ): Promise<{ key: string; value: Uint8Array }[]>
  /** All pairs as of the call (unflushed changes included), for rebuilding the digest after a restart. */
  scan(): AsyncIterable<{ key: string; value: Uint8Array }>
  /**
   * Everything as of the rotated generation that ended at `index`, which is flushed first; from disk, in
   * key order, some pairs at a time, never holding the loop. At most one walk at a time. Rejects where a
   * newer generation was flushed already.
   */
  walk(index: LogIndex): Promise<AsyncIterable<readonly StatePair[]>>
  /**
   * Replaces all content by `pairs`, as of `appliedIndex`. A crash in between leaves a store that knows
   * that it is incomplete. No other call is made meanwhile.
   */
  replace(appliedIndex: LogIndex, pairs: AsyncIterable<StatePair>): Promise<void>
  /** What is stored is wrong: it is put aside, and the next start rebuilds the state from snapshot and log. */
  condemn(): Promise<void>
  /** Bytes put into rotated generations that are not yet on disk, overwritten ones too: back-pressure for apply. */
  readonly unflushedBytes: number
  /** The same of the open generation. */
  readonly openBytes: number
  close(): Promise<void>
}

/** What a snapshot says of itself besides the log position. */
export interface SnapshotHeader {
  readonly base: LogBase
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Digests of the state it holds. */
  readonly stateDigest: Uint8Array
  readonly dataDigest: Uint8Array
}

export interface SnapshotInfo extends SnapshotOffer {
  readonly stateDigest: Uint8Array
  readonly dataDigest: Uint8Array
  readonly createdMs: Millis
  /** A quorum's signatures under this state, as far as they are known here; null in plain Raft. */
  readonly certificate: Uint8Array | null
}

export interface StatePair {
  readonly key: string
  readonly value: Uint8Array
}

/** A snapshot on its way here. Survives a restart of either side: `offset` bytes are on disk already. */
export interface SnapshotReception {
  readonly offset: number
  /** The next bytes, in order. Throws `StorageFailed`. */
  write(bytes: Uint8Array): Promise<void>
  /** Verifies the whole, makes it durable, lists it. Throws `Corrupt`; nothing of it is kept then. */
  finish(): Promise<SnapshotInfo>
}

/** The snapshot files of one node. */
export interface SnapshotStore {
  /** Sound and durable, oldest first. */
  list(): readonly SnapshotInfo[]
  /**
   * Writes a snapshot; resolves when it is durable and listed. `digests` is asked for at the end: it may
   * still be computed while the pairs are written. Never holds the loop.
   */
  create(
    header: Pick<SnapshotHeader, 'base' | 'clusterId'>,
    pairs: AsyncIterable<readonly StatePair[]>,
    digests: () => Promise<Pick<SnapshotHeader, 'stateDigest' | 'dataDigest'>>,
  ): Promise<SnapshotInfo>
  /** Keeps the certificate of its checkpoint beside a listed snapshot; does nothing for one that is gone. */
  attach(id: Uint8Array, certificate: Uint8Array): Promise<void>
  /** Bytes of a listed snapshot's file; null where it is not listed (any more). */
  read(id: Uint8Array, offset: number, maxBytes: number): Promise<Uint8Array | null>
  /** Begins or continues to receive. One reception at a time: an unfinished one of another id is dropped. */
  receive(offer: SnapshotOffer): Promise<SnapshotReception>
  /** The state in a listed snapshot, in key order, verified chunk by chunk. */
  pairs(id: Uint8Array): AsyncIterable<StatePair>
  /** Removes all listed snapshots for which `keep` is false. */
  retain(keep: (snapshot: SnapshotInfo) => boolean): Promise<void>
  close(): Promise<void>
}

/** What nodes say to each other about the bytes of snapshots: the one who needs them asks, piece by piece. */
export type SnapshotFrame =
  | { readonly type: 'snapshotRequest'; readonly id: Uint8Array; readonly offset: number; readonly maxBytes: number }
  | { readonly type: 'snapshotChunk'; readonly id: Uint8Array; readonly offset: number; readonly bytes: Uint8Array }
  /** The asked node does not have that snapshot (any more). */
  | { readonly type: 'snapshotGone'; readonly id: Uint8Array }

/** Connections of their own for snapshots, so that they never stand in the way of the protocol. */
export interface SnapshotLinks {
  /** False when the frame cannot be taken now (not connected, queue full): try again later. */
  send(to: NodeId, frame: SnapshotFrame): boolean
  onFrame: (from: NodeId, frame: SnapshotFrame) => void
}

/** Links to the other members. Messages are queued by `send` and leave at `flush`, one write per peer. */
export interface PeerLinks {
  /** Queues a message; false when the peer is not connected or its queue is full (the message is dropped). */
  send(to: NodeId, message: ProtocolMessage): boolean
  flush(): void
  isConnected(peer: NodeId): boolean
  /** Smoothed round-trip time, null before the first measurement. */
  rttMs(peer: NodeId): number | null
  /** Who is talked to from now on, this node left out by the caller: links to others are made or ended. */
  setMembers(members: readonly Pick<Member, 'id' | 'publicKey' | 'address'>[]): void
  onMessage: (from: NodeId, message: ProtocolMessage) => void
  onConnectionChange: (peer: NodeId, connected: boolean) => void
  close(): Promise<void>
}

/** One authenticated client connection. */
export interface ClientConnection {
  readonly clientKey: Uint8Array
  /** Queues one frame (type byte and payload follow the frame header); leaves at `flush`. */
  send(type: number, payload: Uint8Array): void
  /** Bytes queued and not yet taken by the operating system. */
  readonly bufferedBytes: number
  readonly open: boolean
  close(reason: string): void
}

/** Accepts clients. Frames arrive through `onFrame`; `payload` is the receiver's to keep: its memory is never reused. */
export interface ClientListener {
  onFrame: (connection: ClientConnection, type: number, payload: Uint8Array) => void
  onOpen: (connection: ClientConnection) => void
  onClose: (connection: ClientConnection) => void
  /** Writes what `send` queued on every connection, one write each. */
  flush(): void
  close(): Promise<void>
}

/** How much of the disk a node may take. */
export interface DiskSettings {
  /** Of the data directory; null for as much as there is. */
  readonly quotaBytes: number | null
  /** Of the file system, that stay free; null for the default, which follows its size. */
  readonly reserveBytes: number | null
  /** A file that gives way when the disk is full, so that the node can start again; 0 for none. */
  readonly ballastBytes: number
}

export interface DiskUsage {
  /** By the data directory, without the ballast. */
  readonly usedBytes: number
  /** To this process, of the file system. */
  readonly freeBytes: number
  readonly totalBytes: number
}

/** What a node tells of its disk. */
export interface DiskFacts {
  readonly usedBytes: number
  readonly quotaBytes: number | null
  readonly freeBytes: number
  readonly reserveBytes: number
  readonly ballastBytes: number
  /** No proposals are accepted. */
  readonly isFull: boolean
}

/** The disk below a data directory. */
export interface DiskGauge {
  readonly settings: DiskSettings
  /** Of the ballast that is there. */
  readonly ballastBytes: number
  /** Never holds the loop. Rejects with the error of the operating system. */
  measure(): Promise<DiskUsage>
  /** Makes the ballast where it is missing and there is plenty of room for it. Rejects likewise. */
  keepBallast(): Promise<void>
}

/** What a member proves about itself in the handshake between peers. */
export interface PeerHello {
  readonly nodeId: NodeId
  readonly incarnation: Uint8Array
  readonly epoch: Epoch
  readonly term: Term
  readonly lastIndex: LogIndex
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Structured, asynchronous, bounded: never blocks the loop, drops instead. */
export interface Logger {
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, string | number | boolean | null>>): void
}
