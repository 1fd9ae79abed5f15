/**
 * Opens a node's log: scans all segments, cuts a torn tail, and gives what a core needs to continue.
 * Damage is never cut or overwritten: the sound part before it is opened, the node may not vote, and
 * what is appended from then on goes to a new segment, so that the evidence stays.
 */
import { assert } from '../base/assert.js'
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { RestoredLog } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import type { SnapshotOffer } from '../consensus/snapshot.js'
import type { LogIndex } from '../consensus/types.js'
import { type FileSystem, storageFailed } from './files.js'
import { JournalReplay } from './journal-replay.js'
import { scanJournal } from './journal-scan.js'
import { hasPlace, LOST_UNSEEN, type LogStart, readLogStart } from './log-start.js'
import { dropLeftovers, forgetRepair, tidyLog } from './log-tidying.js'
import type { LogProblem, ScanResult } from './scan-types.js'
import { FIRST_SEGMENT, type JournalIdentity, type Place, SEGMENT_BYTES_MAX } from './segment-header.js'
import { READ_BYTES_MAX, SegmentReader } from './segment-reader.js'
import { createSegment, SegmentWriter } from './segment-writer.js'
import { SegmentedLog } from './segmented-log.js'
import { StandingCollector } from './standing-collector.js'
import type { StandingRecords } from './standing-records.js'

const TAIL_ENTRIES_MAX = 4096

export interface OpenLogOptions {
  readonly files: FileSystem
  /** The `log` directory of the data directory. */
  readonly directory: string
  readonly identity: JournalIdentity
  /** Applied before, hence certainly durable and committed; 0 if unknown. */
  readonly provenIndex?: number
  /** The snapshots on disk; the newest that lies inside the log is the one to start from. */
  readonly snapshots?: readonly (SnapshotOffer & { readonly certificate?: Uint8Array | null })[]
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
  try {
    if ((await options.files.stat(options.directory)) === null) throw noLog(options.directory)
    const opening = new LogOpening(options, await readLogStart(options.files, options.directory))
    try {
      return await opening.run()
    } catch (error) {
      await opening.abandon()
      throw error
    }
  } catch (error) {
    throw storageFailed(`opening the log in ${options.directory}`, error)
  }
}

class LogOpening {
  readonly #options: OpenLogOptions
  readonly #reader: SegmentReader
  readonly #replay: JournalReplay
  readonly #start: LogStart

  constructor(options: OpenLogOptions, start: LogStart) {
    this.#options = options
    this.#start = start
    this.#reader = new SegmentReader(options.files, options.directory)
    this.#replay = new JournalReplay({
      readHeader: (position) => this.#reader.readHeader(position),
      keepDamaged: false,
      start,
    })
  }

  async run(): Promise<SegmentedLog> {
    const { files, directory, identity, provenIndex = 0, segmentBytesMax = SEGMENT_BYTES_MAX } = this.#options
    const scan = await this.#scan()
    refuseForeign(scan)
    const problems = [...scan.problems, ...this.#provenLost(scan, provenIndex)]
    const damaged = problems.length > 0
    const resumeAs = needsNewSegment(problems, scan) ? nextSegmentNumber(scan) : null
    const { end } = scan
    await dropLeftovers(files, directory, this.#start, scan)
    if (resumeAs === null) await tidyLog(files, directory, scan)
    else await forgetRepair(files, directory, this.#start, end)
    const { base } = this.#start
    const { positions, segmentStarts, pending } = this.#replay
    pending.dropThrough(positions.nextIndex - 1)
    if (damaged) pending.shrink()
    assert(!pending.isOver, 'a log takes no more pending records than a start can hand back')
    const standing = damaged ? await this.#whatStands() : this.#replay.standing
    const restored = await this.#restored(damaged, provenIndex, standing)
    const unrepaired = scan.resumptions.filter((place) => !hasPlace(scan.repaired, place))
    if (resumeAs !== null) unrepaired.push({ segment: end.segment, offset: end.offset })
    const excused = this.#start.repaired.filter((place) => hasPlace([...scan.repaired, LOST_UNSEEN], place))
    const bytesOnDisk = scan.segments.reduce((sum, segment) => sum + segment.size, 0)
    return new SegmentedLog({
      files,
      directory,
      restored,
      report: { problems, cutTail: resumeAs === null ? scan.tornTail : null, repaired: scan.repaired },
      excused,
      positions,
      segmentStarts,
      standing,
      pending,
      first: this.#start,
      damage: unrepaired,
      reader: this.#reader,
      writer: new SegmentWriter({ files, directory, identity, end, segmentBytesMax, bytesOnDisk, resumeAs }),
      lastChain: restored.tail.at(-1)?.chain ?? base.chain,
    })
  }

  async #restored(damaged: boolean, provenIndex: number, standing: StandingRecords): Promise<RestoredLog> {
    const { base } = this.#start
    const { positions, memberships, terms, pending } = this.#replay
    const lastIndex = (positions.nextIndex - 1) as LogIndex
    const inside = await this.#inLog(this.#options.snapshots?.filter(isInside(base.index, lastIndex)) ?? [])
    // Where members sign their state others believe no other snapshot.
    const snapshot = inside.findLast(({ certificate }) => certificate != null) ?? inside.at(-1) ?? null
    // Each snapshot holds only what is committed, whether or not the applied state has come that far again.
    const known = Math.max(base.index, Math.min(provenIndex, lastIndex), inside.at(-1)?.base.index ?? 0)
    return {
      hardState: standing.hardState,
      base,
      lastIndex,
      termRuns: [...terms.all],
      memberships: [...memberships],
      snapshot,
      tail: await this.#tail(),
      // After damage the sound part may hold entries again that were truncated later: nothing of it is certain.
      commitIndex: (damaged ? 0 : known) as LogIndex,
      mayVote: !damaged,
      safety: standing.safety,
      pending: pending.all,
      aborts: [...standing.aborts],
    }
  }

  /** What was received and not installed may lie where this log holds a branch that lost: of that nothing is committed. */
  async #inLog<S extends SnapshotOffer>(snapshots: readonly S[]): Promise<S[]> {
    const { base } = this.#start
    const { positions } = this.#replay
    const found: S[] = []
    for (const snapshot of snapshots) {
      const { index, chain } = snapshot.base
      const [entry] = index === base.index ? [base] : await this.#reader.readSound(positions, index, 1)
      if (entry !== undefined && bytesEqual(entry.chain, chain)) found.push(snapshot)
    }
    return found
  }

  /** Closes what a failed opening leaves open. */
  abandon(): Promise<void> {
    return this.#reader.close()
  }

  async #scan(): Promise<ScanResult> {
    const { files, directory, identity } = this.#options
    const scan = await scanJournal({
      files,
      directory,
      start: this.#start,
      visitor: this.#replay,
      identity,
      resync: false,
      pause: null,
    })
    if (scan.segments.length === 0 && scan.leftovers.length === 0) throw noLog(directory)
    return this.#joinBase(scan)
  }

  /** Looks whether what the journal holds reaches its base and follows from it. */
  async #joinBase(scan: ScanResult): Promise<ScanResult> {
    const kind = scan.problems.every((problem) => problem.kind === 'damageResumed')
      ? await this.#replay.closingProblem()
      : null
    if (kind === null) return scan
    const { segment, offset } = scan.end
    const problems = [...scan.problems, { index: this.#start.base.index + 1, segment, offset, kind }]
    if (kind === 'provenLost') return { ...scan, problems }
    this.#replay.forgetEntries()
    return { ...scan, problems, end: { ...scan.end, segment: 0, offset: 0 } }
  }

  /** The applied state is written behind the log, so a log that ends before it has lost something. */
  #provenLost(scan: ScanResult, provenIndex: number): LogProblem[] {
    const index = this.#replay.positions.nextIndex
    if (index > provenIndex) return []
    return [{ index, segment: scan.end.segment, offset: scan.end.offset, kind: 'provenLost' }]
  }

  /**
   * Terms, votes and safety records behind the damage count too: going back in them could elect two leaders,
   * or sign twice. Where all of them are lost, the base still tells of its term.
   */
  async #whatStands(): Promise<StandingRecords> {
    const { files, directory } = this.#options
    const { epoch, term } = this.#start.base
    const visitor = new StandingCollector()
    visitor.enter(this.#replay.standing.hardState)
    visitor.enter({ epoch, term, votedFor: null })
    await scanJournal({ files, directory, start: this.#start, visitor, identity: null, resync: true, pause: null })
    return visitor.standing
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
    return first === positions.nextIndex ? [] : this.#reader.readSound(positions, first, bytesMax)
  }
}

function noLog(directory: string): KnhkError {
  return new KnhkError('DataDirectoryLost', `there is no log in ${directory}`)
}

function isInside(first: LogIndex, last: LogIndex): (snapshot: SnapshotOffer) => boolean {
  return ({ base }) => base.index >= first && base.index <= last && base.index > 0
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
