/**
 * What the node loop tells of itself: facts, as they happen, in arguments and not in objects, at most a
 * few calls for a batch of requests and none for a single one. The simulator and the tests run without:
 * `NO_OBSERVER` does nothing. Times are the observer's own business, so that a loop that nobody watches
 * reads no clock for it.
 */
import type { Role } from '../consensus/core.js'
import type { EntryKind } from '../consensus/entry.js'
import type { LogIndex, Millis, Mode, NodeId, Term, ViewNumber } from '../consensus/types.js'
import type { Attributes } from './names.js'

export type ThreatLevelName = Attributes['consensus.threat_level']
export type ViewChangeCause = Attributes['consensus.view_change_cause']

/** Trace contexts that clients sent beside their requests, each at most 64 bytes; empty for none. */
export type Traces = readonly Uint8Array[]

export interface Observer {
  /** The first request of the next batch arrived. */
  collecting(): void
  /** This leader put a batch of requests into the log. */
  proposed(index: LogIndex, term: Term, requests: number, bytes: number, traces: Traces): void
  /** Requests were refused: certainly not applied. */
  rejected(requests: number): void
  /** Leadership is gone: requests under way may be applied or not. */
  abandoned(requests: number): void
  /** A write of the log begins; at most one is under way. */
  writing(): void
  /** It is durable. */
  written(): void
  /** Every entry up to here is on this node's disk. */
  stored(upTo: LogIndex): void
  committed(upTo: LogIndex): void
  /** The first operation of an entry is about to be applied. */
  applying(index: LogIndex): void
  applied(index: LogIndex, kind: EntryKind, requests: number): void
  /** The answers to everything applied before have left. */
  answered(): void
  /** A turn of the loop ended. */
  turned(durationMs: Millis): void
  /** The process stood still. */
  paused(pausedMs: Millis): void
  roleChanged(role: Role, term: Term, leader: NodeId | null): void
  /** A leader was replaced in a new view or term. */
  viewChanged(view: ViewNumber | null, cause: ViewChangeCause): void
  /** A snapshot of the own state is being written … */
  snapshotBegun(index: LogIndex): void
  /** … and is durable. */
  snapshotTaken(index: LogIndex, bytes: number): void
  /** A snapshot of another node is being fetched … */
  snapshotFetching(index: LogIndex, bytes: number): void
  /** … is here … */
  snapshotReceived(index: LogIndex, bytes: number): void
  /** … and is the state now. */
  snapshotRestored(index: LogIndex, bytes: number): void
  /** An instance of a Byzantine fault-tolerant protocol was decided, in this view or round; `startedMs` is on the node's monotonic clock. */
  decided(mode: Mode, view: number, sequence: number, requests: number, startedMs: Millis): void
  /**
   * Misbehaviour of another node is proven. `kind` is one of few fixed words; `detectedInMs` since the message that
   * proved it arrived, null where no message did.
   */
  evidence(kind: string, detectedInMs: Millis | null): void
  /** It is on the disk. */
  evidenceStored(tookMs: Millis): void
  threat(level: ThreatLevelName, mode: Mode): void
  modeChanged(mode: Mode): void
  /** The first decision of a new epoch, so long after this node panicked or left the one before. */
  switched(tookMs: Millis): void
  /** Between two epochs nothing is proposed. */
  epochChanging(isUnderWay: boolean): void
  /** A message waited so long for the verification of its signatures. */
  verified(waitedMs: Millis): void
  /** The state of this node differs from that of the majority. */
  diverged(): void
}

const nothing = (): void => undefined

export const NO_OBSERVER: Observer = {
  collecting: nothing,
  proposed: nothing,
  rejected: nothing,
  abandoned: nothing,
  writing: nothing,
  written: nothing,
  stored: nothing,
  committed: nothing,
  applying: nothing,
  applied: nothing,
  answered: nothing,
  turned: nothing,
  paused: nothing,
  roleChanged: nothing,
  viewChanged: nothing,
  snapshotBegun: nothing,
  snapshotTaken: nothing,
  snapshotFetching: nothing,
  snapshotReceived: nothing,
  snapshotRestored: nothing,
  decided: nothing,
  evidence: nothing,
  evidenceStored: nothing,
  threat: nothing,
  modeChanged: nothing,
  switched: nothing,
  epochChanging: nothing,
  verified: nothing,
  diverged: nothing,
}
