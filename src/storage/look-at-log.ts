/**
 * How the offline tools see a log: scanned as a whole, behind every problem, read-only. The node may
 * run meanwhile and drop old segments under the reader; the base tells, and the look is taken again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../base/error.js'
import type { LogBase } from '../consensus/snapshot.js'
import { sameBase } from './base-codec.js'
import type { FileSystem } from './files.js'
import { JournalReplay, type ReplayOptions } from './journal-replay.js'
import { scanJournal } from './journal-scan.js'
import { BASE_NAME, readLogStart } from './log-start.js'
import type { LogProblem, ScanResult } from './scan-types.js'
import { SEAL_MARKER_NAME } from './seal-marker.js'
import { segmentName } from './segment-header.js'
import { SegmentReader } from './segment-reader.js'

const PAUSE_MS = 20
/** Looks at a log whose base moves under the reader. */
const LOOKS_MAX = 5

export interface LookOptions {
  /** Gives a running node the time to finish a frame; 20 ms. */
  readonly pause?: () => Promise<void>
}

/** A half-written last frame; opening the log cuts it off. */
export interface TornTail {
  readonly segment: string
  readonly offset: number
  readonly bytes: number
}

export interface LogView {
  /** What the log follows. */
  readonly base: LogBase
  readonly reader: SegmentReader
  readonly replay: JournalReplay
  readonly scan: ScanResult
  readonly problems: readonly LogProblem[]
  /** Null for a log without entries, and so `lastIndex`. */
  readonly firstIndex: number | null
  readonly lastIndex: number | null
  readonly tornTail: TornTail | null
}

/**
 * Scans the log in `directory` and gives it to `use`. Throws `NotFound` where there is none,
 * `UnsupportedFormat` for a newer format.
 */
export async function lookAtLog<T>(
  files: FileSystem,
  directory: string,
  options: LookOptions & Pick<ReplayOptions, 'onEntry'>,
  use: (view: LogView) => T | Promise<T>,
): Promise<T> {
  await requireLog(files, directory)
  for (let look = 1; ; look++) {
    const start = await readLogStart(files, directory)
    const moved = async (): Promise<boolean> => {
      const now = await readLogStart(files, directory)
      return look < LOOKS_MAX && (now.baseState !== start.baseState || !sameBase(now.base, start.base))
    }
    const reader = new SegmentReader(files, directory)
    try {
      const replay = new JournalReplay({
        start,
        readHeader: (position) => reader.readHeader(position),
        keepDamaged: true,
        ...(options.onEntry === undefined ? {} : { onEntry: options.onEntry }),
      })
      const pause = options.pause ?? pauseBriefly
      const scan = await scanJournal({ files, directory, start, visitor: replay, identity: null, resync: true, pause })
      const result = await use({ base: start.base, ...(await viewOf(reader, replay, scan)) })
      if (!(await moved())) return result
    } catch (error) {
      if (!(await moved())) throw error
    } finally {
      await reader.close()
    }
  }
}

async function viewOf(reader: SegmentReader, replay: JournalReplay, scan: ScanResult): Promise<Omit<LogView, 'base'>> {
  const { positions } = replay
  const { tornTail, end } = scan
  const kind = await replay.closingProblem()
  const index = positions.firstIndex
  const known = kind === null || scan.problems.some((problem) => problem.kind === kind && problem.index === index)
  const closing = known ? [] : [{ index, segment: end.segment, offset: end.offset, kind }]
  const empty = positions.nextIndex === positions.firstIndex
  return {
    reader,
    replay,
    scan,
    problems: [...scan.problems, ...closing],
    firstIndex: empty ? null : positions.firstIndex,
    lastIndex: empty ? null : positions.nextIndex - 1,
    tornTail: tornTail === null ? null : { ...tornTail, segment: segmentName(tornTail.segment) },
  }
}

async function pauseBriefly(): Promise<void> {
  await delay(PAUSE_MS)
}

/** Throws `NotFound` where `directory` holds neither a segment nor what says that there was one. */
async function requireLog(files: FileSystem, directory: string): Promise<void> {
  const names = (await files.stat(directory))?.kind === 'directory' ? await files.readdir(directory) : []
  if (!names.some((name) => name.endsWith('.seg') || name === SEAL_MARKER_NAME || name === BASE_NAME))
    throw new KnhkError('NotFound', `there is no log in ${directory}`)
}
