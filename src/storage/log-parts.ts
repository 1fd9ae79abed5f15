/** What opening a log gives to the log that it opens. */
import type { RestoredLog } from '../consensus/core.js'
import type { FileSystem } from './files.js'
import type { StoredBase } from './log-start.js'
import type { PendingRecords } from './pending-records.js'
import type { PositionMap } from './position-map.js'
import type { LogProblem } from './scan-types.js'
import type { Place } from './segment-header.js'
import type { SegmentReader } from './segment-reader.js'
import type { SegmentWriter } from './segment-writer.js'
import type { StandingRecords } from './standing-records.js'

/** What opening found besides the log itself. */
export interface LogReport {
  /** Empty for a healthy log. */
  readonly problems: readonly LogProblem[]
  /** The last, half-written frame, which was cut off. */
  readonly cutTail: (Place & { readonly bytes: number }) | null
  /** Places of earlier damage that counts no more. */
  readonly repaired: readonly Place[]
}

export interface SegmentedLogParts {
  readonly files: FileSystem
  readonly directory: string
  readonly restored: RestoredLog
  readonly report: LogReport
  /** What the file `repaired` excuses: the places of the report, and an earlier loss without a place, compacted away or not. */
  readonly excused: readonly Place[]
  readonly positions: PositionMap
  /** For each segment, oldest first, the index that came next when it began. */
  readonly segmentStarts: Map<number, number>
  readonly standing: StandingRecords
  /** Above the last entry. */
  readonly pending: PendingRecords
  /** Where the journal begins, as its base says. */
  readonly first: Pick<StoredBase, 'firstSegment' | 'firstNext'>
  /** Damage that is not repaired. */
  readonly damage: readonly Place[]
  readonly reader: SegmentReader
  readonly writer: SegmentWriter
  /** Chain value of the last entry. */
  readonly lastChain: Uint8Array
}
