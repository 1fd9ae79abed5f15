/**
 * What a walk through the journal takes and gives: frames for a visitor, problems by kind and place,
 * and where the journal goes on.
 */
import type { FileSystem } from './files.js'
import type { FrameHeader } from './frame.js'
import type { SegmentFile } from './journal-segments.js'
import type { LogStart } from './log-start.js'
import type { MarkerReading } from './seal-marker.js'
import type { JournalIdentity, Place } from './segment-header.js'

/** What can be wrong; docs/data-directory.md explains each. */
export type ProblemKind =
  | 'segmentMissing'
  | 'segmentHeader'
  | 'segmentForeign'
  | 'segmentShort'
  | 'frame'
  | 'frameOrder'
  | 'record'
  | 'recordUnknown'
  | 'sealedShort'
  | 'sealMarker'
  | 'damageResumed'
  | 'entryHeader'
  | 'entryOrder'
  | 'entryForeign'
  | 'chainBroken'
  | 'chainWrong'
  | 'batchDigestWrong'
  | 'membershipWrong'
  | 'certificate'
  | 'baseFile'
  | 'provenLost'

export interface LogProblem {
  /** The first log index that it concerns. */
  readonly index: number
  /** Number of the segment as in its file name, without leading zeros. */
  readonly segment: number
  readonly offset: number
  readonly kind: ProblemKind
}

/** A frame with a right checksum; the views are valid until `visit` is done. */
export interface FrameView {
  readonly bytes: Buffer
  readonly header: FrameHeader
  readonly segment: number
  /** Offset of the frame in its segment. */
  readonly offset: number
  /** Where the payload lies in `bytes`. */
  readonly payloadStart: number
  readonly payloadEnd: number
}

export type ReportProblem = (kind: ProblemKind, index: number) => void

export interface FrameVisitor {
  /** The log index that comes next, for problems of frames. */
  readonly nextIndex: number
  /** Whose journal it turns out to be; before the first frame. */
  onIdentity(identity: JournalIdentity): void
  /** Takes one frame in; a promise where it has to read something first. */
  visit(frame: FrameView, report: ReportProblem): void | Promise<void>
  /** Frames between the last one and the next are lost. */
  onGap(): void
  /** What follows goes on behind damage, from where the sound part before it ended. */
  onResumption(): void
}

export interface ScanOptions {
  readonly files: FileSystem
  readonly directory: string
  /** Where the log begins, as `readLogStart` gives it. */
  readonly start: LogStart
  readonly visitor: FrameVisitor
  /** Whose journal it must be; null takes the first header's word. */
  readonly identity: JournalIdentity | null
  /** Go on behind problems. */
  readonly resync: boolean
  /** Another process may be writing: waits a moment, so that it can finish a frame. Null: the log is ours. */
  readonly pause: (() => Promise<void>) | null
}

/** Where the journal goes on: behind its last sound frame. */
export interface JournalEnd extends Place {
  /** Sequence number of the next frame. */
  readonly sequence: number
  /** Checksum of the last frame. */
  readonly previousCrc: number
}

export interface ScanResult {
  /** The segments of the log, evidence of damage included. */
  readonly segments: readonly SegmentFile[]
  /** Segments below the first of the log: a crash left them behind. */
  readonly leftovers: readonly SegmentFile[]
  readonly problems: readonly LogProblem[]
  /** All places behind which the journal goes on in a later segment, and those of them that are repaired. */
  readonly resumptions: readonly Place[]
  readonly repaired: readonly Place[]
  readonly tornTail: (Place & { readonly bytes: number }) | null
  readonly end: JournalEnd
  /** The last sound frame; null where there is none. */
  readonly lastFrame: (Place & { readonly bytes: number }) | null
  readonly marker: MarkerReading
  /** A last segment file that holds a header at most and was never used. */
  readonly unusedSegment: SegmentFile | null
}
