/**
 * The log of one node over its segment files: appends are group commits, reads go through handles of
 * their own. Any error of a write is final: what of it reached the disk is unknown, and a second
 * fdatasync may report success for pages that the first one lost (Rebello et al., USENIX ATC 2020).
 */
import { assert } from '../base/assert.js'
import { bytesEqual } from '../base/bytes.js'
import type { KnhkError } from '../base/error.js'
import type { HardState, RestoredLog, StoreRecord } from '../consensus/core.js'
import type { Entry, EntryHeader } from '../consensus/entry.js'
import type { LogBase } from '../consensus/snapshot.js'
import type { LogIndex } from '../consensus/types.js'
import type { LogStore } from '../node/ports.js'
import { chainInRun, HARD_STATE_RECORD_BYTES_MAX, planAppend, splitFrames } from './append-plan.js'
import { storageFailed } from './files.js'
import { FRAME_HEADER_BYTES, frameBytes } from './frame.js'
import type { LogReport, SegmentedLogParts } from './log-parts.js'
import { hasPlace, LOST_UNSEEN, type StoredBase, writeLogBase, writeRepaired } from './log-start.js'
import { dropSegments, firstKept } from './log-trim.js'
import { readHeaders } from './read-headers.js'
import { type JournalRecord, recordBytes } from './records.js'
import { setSealMarkerAside, writeSealMarker } from './seal-marker.js'
import type { Place } from './segment-header.js'
import type { SegmentReader } from './segment-reader.js'

/** A read under way, and what happened to its entries meanwhile. */
interface Reading {
  readonly from: number
  truncatedFrom: number
  dropped: boolean
}

export class SegmentedLog implements LogStore {
  readonly restored: RestoredLog
  readonly report: LogReport
  readonly #parts: SegmentedLogParts
  #hardState: HardState
  #lastChain: Uint8Array
  #base: LogBase
  #first: Pick<StoredBase, 'firstSegment' | 'firstNext'>
  #damage: readonly Place[]
  #repaired: readonly Place[]
  #mayVote: boolean
  readonly #readings = new Set<Reading>()
  #appending = false
  /** Settles when nothing writes any more: an append and `markRepaired` take turns. */
  #writing: Promise<void> = Promise.resolve()
  #closed = false
  #failure: KnhkError | null = null

  constructor(parts: SegmentedLogParts) {
    this.#parts = parts
    this.restored = parts.restored
    this.report = parts.report
    this.#hardState = parts.restored.hardState
    this.#lastChain = parts.lastChain
    this.#base = parts.restored.base
    this.#first = parts.first
    this.#damage = parts.damage
    this.#repaired = parts.report.repaired
    this.#mayVote = parts.restored.mayVote
  }

  /** What the log follows now. */
  get base(): LogBase {
    return this.#base
  }

  get firstIndex(): LogIndex {
    return this.#parts.positions.firstIndex as LogIndex
  }

  get lastIndex(): LogIndex {
    return (this.#parts.positions.nextIndex - 1) as LogIndex
  }

  countBack(index: LogIndex, maxEntries: number, maxBytes: number): number {
    const { positions } = this.#parts
    let bytes = 0
    let count = 0
    for (; count < maxEntries; count++) {
      const position = positions.get(index - count)
      if (position === undefined) break
      bytes += position.length
      if (bytes > maxBytes) break
    }
    return count
  }

  /** Bytes of all segment files, for the disk quota. */
  get bytesOnDisk(): number {
    return this.#parts.writer.bytesOnDisk
  }

  async append(records: readonly StoreRecord[]): Promise<void> {
    assert(!this.#appending, 'the log has one append at a time')
    assert(!this.#closed, 'a closed log takes no appends')
    this.#appending = true
    try {
      await this.#exclusively('writing to the log', async () => {
        for (const step of planAppend(records)) {
          if (step.kind === 'base') await this.#changeBase(step.base)
          else {
            await this.#check(step.records)
            for (const frame of splitFrames(step.records)) await this.#writeFrame(frame)
          }
        }
      })
    } finally {
      this.#appending = false
    }
  }

  /** No checksum shows this damage: the base names it, and so it counts like any other. */
  async markDamaged(): Promise<void> {
    assert(!this.#closed, 'a closed log is not marked')
    await this.#exclusively('marking the log as damaged', async () => {
      if (!this.#mayVote) return
      this.#mayVote = false
      const { files, directory } = this.#parts
      // An earlier loss of the kind, made good since, must not excuse this one.
      if (hasPlace(this.#repaired, LOST_UNSEEN)) {
        this.#repaired = this.#repaired.filter((place) => !hasPlace([LOST_UNSEEN], place))
        await writeRepaired(files, directory, this.#repaired)
      }
      this.#damage = [...this.#damage, LOST_UNSEEN]
      await this.#writeBase(this.#base)
    })
  }

  /** The evidence stays where it is, until compaction drops its segments. */
  async markRepaired(): Promise<void> {
    assert(!this.#closed, 'a closed log is not repaired')
    await this.#exclusively('marking the log as repaired', async () => {
      if (this.#mayVote) return
      const { files, directory, writer } = this.#parts
      // The segment that goes on behind the damage must exist before the damage stops counting.
      if (writer.atSegmentStart) await this.#writeFrame([])
      await setSealMarkerAside(files, directory)
      this.#repaired = [...this.#repaired, ...this.#damage]
      await writeRepaired(files, directory, this.#repaired)
      this.#damage = []
      this.#mayVote = true
    })
  }

  async read(from: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { positions, reader } = this.#parts
    // A truncation may come in between: what was read from its places is then stale.
    const reading = { from, truncatedFrom: Number.POSITIVE_INFINITY, dropped: false }
    this.#readings.add(reading)
    try {
      const entries = await reader.readEntries(positions, from, maxBytes)
      return reading.dropped ? [] : entries.filter((entry) => entry.index < reading.truncatedFrom)
    } catch (error) {
      if (reading.dropped) return []
      throw error
    } finally {
      this.#readings.delete(reading)
    }
  }

  headers(
    from: LogIndex,
    to: LogIndex,
    limit: number,
  ): Promise<{ header: EntryHeader; bytes: number; operations: number }[]> {
    return readHeaders(this, from, to, limit)
  }

  async close(): Promise<void> {
    assert(!this.#appending, 'the log is not closed during an append')
    if (this.#closed) return
    this.#closed = true
    await this.#writing
    const { files, directory, writer, reader } = this.#parts
    try {
      if (this.#failure === null && this.#mayVote) {
        await writer.reserve(FRAME_HEADER_BYTES)
        await writer.write([{ kind: 'seal', reason: 'stop' }])
        const { segment, offset, sequence, previousCrc } = writer.end
        await writeSealMarker(files, directory, { segment, offset, sequence: sequence - 1, crc: previousCrc })
      }
    } catch (error) {
      throw storageFailed('sealing the log', error)
    } finally {
      await writer.close()
      await reader.close()
    }
  }

  /** Runs `work` when no other write is under way. Its failure is final. */
  async #exclusively(what: string, work: () => Promise<void>): Promise<void> {
    const before = this.#writing
    let done = (): void => undefined
    this.#writing = new Promise((resolve) => {
      done = resolve
    })
    try {
      await before
      if (this.#failure !== null) throw this.#failure
      await work()
    } catch (error) {
      this.#failure ??= storageFailed(what, error)
      throw this.#failure
    } finally {
      done()
    }
  }

  /** Entries must join what is in the log: an invariant of every core, checked before it is on disk. */
  async #check(records: readonly JournalRecord[]): Promise<void> {
    const { positions, reader } = this.#parts
    let next = positions.nextIndex
    let chain = this.#lastChain
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as JournalRecord
      if (record.kind === 'entry') {
        assert(record.entry.index === next, 'entries are appended without gaps')
        assert(bytesEqual(record.entry.previousChain, chain), 'an appended entry follows the hash chain')
        chain = record.entry.chain
        next++
      } else if (record.kind === 'truncate') {
        assert(record.from >= positions.firstIndex && record.from <= next, 'a truncation begins inside the log')
        if (record.from === next) continue
        chain = chainInRun(records, i, record.from - 1) ?? (await this.#chainOnDisk(reader, record.from - 1))
        next = record.from
      }
    }
    this.#lastChain = chain
  }

  async #chainOnDisk(reader: SegmentReader, index: number): Promise<Uint8Array> {
    if (index === this.#base.index) return this.#base.chain
    const [entry] = await reader.readEntries(this.#parts.positions, index, 1)
    assert(entry !== undefined, 'the entry before a truncation is in the log')
    return entry.chain
  }

  async #writeFrame(batch: readonly JournalRecord[]): Promise<void> {
    const { writer, positions } = this.#parts
    let bytes = HARD_STATE_RECORD_BYTES_MAX
    for (const record of batch) bytes += recordBytes(record)
    await writer.reserve(frameBytes(bytes))
    const repeated: JournalRecord[] = writer.atSegmentStart ? [{ kind: 'hardState', hardState: this.#hardState }] : []
    const records = [...repeated, ...batch]
    const { segment } = writer.end
    if (writer.atSegmentStart) this.#parts.segmentStarts.set(segment, positions.nextIndex)
    const { contentOffsets } = await writer.write(records)
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as JournalRecord
      if (record.kind === 'truncate') this.#truncate(record.from)
      else if (record.kind === 'hardState') this.#hardState = record.hardState
      else if (record.kind === 'entry') {
        const { header, body } = record.entry
        positions.push(segment, contentOffsets[i] as number, header.length + body.length)
      }
    }
  }

  #truncate(from: number): void {
    this.#parts.positions.truncate(from)
    for (const reading of this.#readings) reading.truncatedFrom = Math.min(reading.truncatedFrom, from)
  }

  async #changeBase(base: LogBase): Promise<void> {
    assert(base.index >= this.#base.index, 'the base of a log only goes up')
    if (await this.#holds(base)) await this.#compact(base)
    else await this.#reset(base)
  }

  async #holds(base: LogBase): Promise<boolean> {
    if (base.index > this.lastIndex) return false
    const chain =
      base.index === this.lastIndex ? this.#lastChain : await this.#chainOnDisk(this.#parts.reader, base.index)
    return bytesEqual(chain, base.chain)
  }

  /** The log begins later; whole segments that hold nothing of it go. */
  async #compact(base: LogBase): Promise<void> {
    if (base.index === this.#base.index) return
    const { positions, writer, segmentStarts } = this.#parts
    // The first frame of every segment repeats the hard state, so what is kept has one.
    if (writer.atSegmentStart) await this.#writeFrame([])
    const next = base.index + 1
    const wanted = positions.get(next)?.segment ?? writer.end.segment
    const { firstSegment, firstNext } = firstKept(segmentStarts, wanted, next)
    await this.#moveBase(base, firstSegment, firstNext)
    positions.dropBefore(next)
    for (const reading of this.#readings) if (reading.from <= base.index) reading.dropped = true
    await this.#dropSegments(firstSegment)
  }

  /** The log is another one from here on: empty, behind `base`. */
  async #reset(base: LogBase): Promise<void> {
    const { positions, writer, segmentStarts } = this.#parts
    await writer.beginSegment()
    await this.#writeFrame([])
    const firstSegment = writer.end.segment
    const next = base.index + 1
    await this.#moveBase(base, firstSegment, next)
    positions.restart(next)
    segmentStarts.clear()
    segmentStarts.set(firstSegment, next)
    this.#lastChain = base.chain
    for (const reading of this.#readings) reading.dropped = true
    await this.#dropSegments(firstSegment)
  }

  async #moveBase(base: LogBase, firstSegment: number, firstNext: number): Promise<void> {
    this.#first = { firstSegment, firstNext }
    await this.#writeBase(base)
    this.#base = base
  }

  #writeBase(base: LogBase): Promise<void> {
    const { files, directory } = this.#parts
    const { firstSegment, firstNext } = this.#first
    return writeLogBase(files, directory, { base, firstSegment, firstNext, damage: this.#damage })
  }

  /** Removes segments below `first`. The base that names `first` is durable. */
  async #dropSegments(first: number): Promise<void> {
    const { files, directory, reader, writer, segmentStarts } = this.#parts
    await reader.release(first)
    for (const segment of [...segmentStarts.keys()]) if (segment < first) segmentStarts.delete(segment)
    writer.released(await dropSegments(files, directory, first))
  }
}
