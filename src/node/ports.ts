/**
 * Everything the node loop touches outside itself. The production node gets real implementations, the
 * simulator and the tests get their own; nothing under src/node reaches around these interfaces.
 */

import type { ProtocolMessage, RestoredLog, StoreRecord } from '../consensus/core.js'
import type { Entry, EntryHeader } from '../consensus/entry.js'
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
  ): Promise<{ header: EntryHeader; bytes: number; operations: number }[]>
  readonly firstIndex: LogIndex
  readonly lastIndex: LogIndex
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
  /** Bytes put into rotated generations that are not yet on disk, overwritten ones too: back-pressure for apply. */
  readonly unflushedBytes: number
  /** The same of the open generation. */
  readonly openBytes: number
  close(): Promise<void>
}

/** Links to the other members. Messages are queued by `send` and leave at `flush`, one write per peer. */
export interface PeerLinks {
  /** Queues a message; false when the peer is not connected or its queue is full (the message is dropped). */
  send(to: NodeId, message: ProtocolMessage): boolean
  flush(): void
  isConnected(peer: NodeId): boolean
  /** Smoothed round-trip time, null before the first measurement. */
  rttMs(peer: NodeId): number | null
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

/** Accepts clients. Frames arrive through `onFrame`; `payload` is valid until the callback returns unless copied. */
export interface ClientListener {
  onFrame: (connection: ClientConnection, type: number, payload: Uint8Array) => void
  onOpen: (connection: ClientConnection) => void
  onClose: (connection: ClientConnection) => void
  /** Writes what `send` queued on every connection, one write each. */
  flush(): void
  close(): Promise<void>
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
