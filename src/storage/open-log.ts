/**
 * Opens a node's log: scans all segments, cuts a torn tail, and gives what a core needs to continue.
 * Damage is never cut or overwritten: the sound part before it is opened, the node may not vote, and
 * what is appended from then on goes to a new segment, so that the evidence stays.
 */
import { KnhkError } from '../base/error.js'
import type { HardState, RestoredLog } from '../consensus/core.js'
import { type Entry, GENESIS_CHAIN } from '../consensus/entry.js'
import type { Epoch, LogIndex, Term } from '../consensus/types.js'
import { type FileHandle, type FileSystem, storageFailed } from './files.js'
import { HardStateCollector } from './hard-state-collector.js'
import { JournalReplay } from './journal-replay.js'
import { scanJournal } from './journal-scan.js'
import type { LogProblem, ScanResult } from './scan-types.js'
import { removeSealMarker } from './seal-marker.js'
import { FIRST_SEGMENT, type JournalIdentity, type Place, SEGMENT_BYTES_MAX, segmentName } from './segment-header.js'
import { READ_BYTES_MAX, SegmentReader } from './segment-reader.js'
import { createSegment, SegmentWriter } from './segment-writer.js'
import { SegmentedLog } from './segmented-log.js'

const TAIL_ENTRIES_MAX = 4096

export interface OpenLogOptions {
  readonly files: FileSystem
  /** The `log` directory of the data directory. */
  readonly directory: string
  readonly identity: JournalIdentity
  /** Applied before, hence certainly durable and committed; 0 if unknown. */
  readonly provenIndex?: number
  /** 64 MiB. */
  readonly segmentBytesMax?: number
  /** Entries handed to the core at start; 16 MiB. */
  readonly tailBytesMax?: number
}

/** Creates an empty log: its first segment. The directory must exist and hold no log. */
export async function createLog(files: FileSystem, directory: string, identity: JournalIdentity): Promise<void> {
  const header = { ...identity, segment: FIRST_SEGMENT, firstSequence: 0, previousCrc: 0, resumesFrom: null }
  await (await createSegment(files, directory, header)).close()
}

/**
 * Opens the log in `directory`. Throws `DataDirectoryLost` where there is none, `UnsupportedFormat`
 * for a newer format or a record of a later version, `IdentityMismatch` for another node's log,
 * `StorageFailed` where a file cannot be read or written. Damage throws nothing: see `restored.mayVote`
 * and `report`.
 */
export async function openLog(options: OpenLogOptions): Promise<SegmentedLog> {
  const opening = new LogOpening(options)
  try {
    return await opening.run()
  } catch (error) {
    await opening.abandon()
    throw storageFailed(`opening the log in ${options.directory}`, error)
  }
}

class LogOpening {
  readonly #options: OpenLogOptions
  readonly #reader: SegmentReader
  readonly #replay: JournalReplay

  constructor(options: OpenLogOptions) {
    this.#options = options
    this.#reader = new SegmentReader(options.files, options.directory)
    this.#replay = new JournalReplay({
      readHeader: (position) => this.#reader.readHeader(position),
      keepDamaged: false,
    })
  }

  async run(): Promise<SegmentedLog> {
    const { files, directory, identity, provenIndex = 0, segmentBytesMax = SEGMENT_BYTES_MAX } = this.#options
    const scan = await this.#scan()
    refuseForeign(scan)
    const problems = [...scan.problems, ...this.#provenLost(scan, provenIndex)]
    const damaged = problems.length > 0
    const resumeAs = needsNewSegment(problems, scan) ? nextSegmentNumber(scan) : null
    if (resumeAs === null) await this.#tidy(scan)
    const hardState = damaged ? await this.#highestHardState() : this.#replay.hardState
    const tail = await this.#tail()
    const restored: RestoredLog = {
      hardState,
      base: { index: 0 as LogIndex, term: 0 as Term, epoch: 0 as Epoch, chain: GENESIS_CHAIN },
      lastIndex: (this.#replay.positions.nextIndex - 1) as LogIndex,
      termRuns: [...this.#replay.terms.all],
      tail,
      // After damage the sound part may hold entries again that were truncated later: nothing of it is certain.
      commitIndex: (damaged ? 0 : Math.min(provenIndex, this.#replay.positions.nextIndex - 1)) as LogIndex,
      mayVote: !damaged,
    }
    const bytesOnDisk = scan.segments.reduce((sum, segment) => sum + segment.size, 0)
    const { end } = scan
    return new SegmentedLog({
      files,
      directory,
      restored,
      report: { problems, cutTail: resumeAs === null ? scan.tornTail : null },
      positions: this.#replay.positions,
      reader: this.#reader,
      writer: new SegmentWriter({ files, directory, identity, end, segmentBytesMax, bytesOnDisk, resumeAs }),
      lastChain: tail.at(-1)?.chain ?? GENESIS_CHAIN,
    })
  }

  /** Closes what a failed opening leaves open. */
  abandon(): Promise<void> {
    return this.#reader.close()
  }

  async #scan(): Promise<ScanResult> {
    const { files, directory, identity } = this.#options
    const missing = (await files.stat(directory)) === null
    const scan = missing
      ? null
      : await scanJournal({
          files,
          directory,
          visitor: this.#replay,
          identity,
          resync: false,
          pause: null,
        })
    if (scan === null || scan.segments.length === 0) {
      throw new KnhkError('DataDirectoryLost', `there is no log in ${directory}`)
    }
    return scan
  }

  /** The applied state is written behind the log, so a log that ends before it has lost something. */
  #provenLost(scan: ScanResult, provenIndex: number): LogProblem[] {
    const index = this.#replay.positions.nextIndex
    if (index > provenIndex) return []
    return [{ index, segment: scan.end.segment, offset: scan.end.offset, kind: 'provenLost' }]
  }

  /** Cuts the torn tail, drops a segment that was never used, takes the seal marker away. */
  async #tidy(scan: ScanResult): Promise<void> {
    const { files, directory } = this.#options
    if (scan.unusedSegment !== null) {
      await files.unlink(scan.unusedSegment.path)
      await files.syncDirectory(directory)
    }
    if (scan.tornTail !== null) {
      await this.#withSegment(scan.tornTail.segment, async (handle) => {
        await handle.truncate((scan.tornTail as Place).offset)
        await handle.datasync()
      })
    }
    if (scan.lastFrame !== null) await this.#secureLastFrame(scan.lastFrame)
    if (scan.marker.state === 'sound') await removeSealMarker(files, directory)
  }

  /**
   * The last frame counts as durable from here on, but perhaps it only lies in memory: its writer was
   * killed before the sync, or the sync failed, after which the system takes the pages for clean and a
   * further sync does nothing. Writing the same bytes again makes them dirty again.
   */
  async #secureLastFrame(frame: Place & { readonly bytes: number }): Promise<void> {
    await this.#withSegment(frame.segment, async (handle) => {
      const bytes = new Uint8Array(frame.bytes)
      await handle.read(bytes, frame.offset)
      await handle.rewrite(bytes, frame.offset)
      await handle.datasync()
    })
  }

  async #withSegment(segment: number, work: (handle: FileHandle) => Promise<void>): Promise<void> {
    const { files, directory } = this.#options
    const handle = await files.open(`${directory}/${segmentName(segment)}`, 'append')
    try {
      await work(handle)
    } finally {
      await handle.close()
    }
  }

  /** Terms and votes behind the damage count too: going back in them could elect two leaders. */
  async #highestHardState(): Promise<HardState> {
    const { files, directory } = this.#options
    const visitor = new HardStateCollector(this.#replay.hardState)
    await scanJournal({ files, directory, visitor, identity: null, resync: true, pause: null })
    return visitor.highest
  }

  async #tail(): Promise<Entry[]> {
    const { positions } = this.#replay
    const bytesMax = Math.min(this.#options.tailBytesMax ?? READ_BYTES_MAX, READ_BYTES_MAX)
    let first = positions.nextIndex
    let bytes = 0
    while (first > positions.firstIndex && positions.nextIndex - first < TAIL_ENTRIES_MAX) {
      bytes += positions.get(first - 1)?.length ?? 0
      if (bytes > bytesMax && first < positions.nextIndex) break
      first--
    }
    return first === positions.nextIndex ? [] : this.#reader.readEntries(positions, first, bytesMax)
  }
}

function refuseForeign(scan: ScanResult): void {
  for (const problem of scan.problems) {
    if (problem.kind === 'segmentForeign') {
      throw new KnhkError(
        'IdentityMismatch',
        `log segment ${problem.segment} belongs to another node, cluster or incarnation`,
      )
    }
    if (problem.kind === 'recordUnknown') {
      throw new KnhkError(
        'UnsupportedFormat',
        `log segment ${problem.segment} holds a record that this version does not know`,
      )
    }
  }
}

/** Damage that was left behind by an earlier start needs no second new segment. */
function needsNewSegment(problems: readonly LogProblem[], scan: ScanResult): boolean {
  const resumedBefore = problems.some((problem) => problem.kind === 'damageResumed')
  return problems.some((problem) => {
    if (problem.kind === 'damageResumed') return false
    return problem.kind !== 'provenLost' || !resumedBefore || scan.tornTail !== null
  })
}

function nextSegmentNumber(scan: ScanResult): number {
  let highest: number = scan.end.segment
  for (const place of [...scan.segments, ...scan.problems] as readonly Pick<Place, 'segment'>[]) {
    highest = Math.max(highest, place.segment)
  }
  return highest + 1
}
