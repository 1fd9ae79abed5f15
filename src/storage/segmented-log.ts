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
import type { LogIndex } from '../consensus/types.js'
import type { LogStore } from '../node/ports.js'
import { countOperations } from './count-operations.js'
import { type FileSystem, storageFailed } from './files.js'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, frameBytes } from './frame.js'
import type { PositionMap } from './position-map.js'
import { type JournalRecord, recordBytes } from './records.js'
import type { LogProblem } from './scan-types.js'
import { writeSealMarker } from './seal-marker.js'
import type { Place } from './segment-header.js'
import type { SegmentReader } from './segment-reader.js'
import type { SegmentWriter } from './segment-writer.js'

/** A frame is cut at about this size; a longer append becomes several frames, synced one after the other. */
const FRAME_TARGET_BYTES = 8 * 1024 * 1024
/** Room for the repeated hard state at the start of a segment. */
const HARD_STATE_RECORD_BYTES_MAX = 96
const HEADERS_READ_BYTES = 1024 * 1024

/** What opening found besides the log itself. */
export interface LogReport {
  /** Empty for a healthy log. */
  readonly problems: readonly LogProblem[]
  /** The last, half-written frame, which was cut off. */
  readonly cutTail: (Place & { readonly bytes: number }) | null
}

export interface SegmentedLogParts {
  readonly files: FileSystem
  readonly directory: string
  readonly restored: RestoredLog
  readonly report: LogReport
  readonly positions: PositionMap
  readonly reader: SegmentReader
  readonly writer: SegmentWriter
  /** Chain value of the last entry. */
  readonly lastChain: Uint8Array
}

export class SegmentedLog implements LogStore {
  readonly restored: RestoredLog
  readonly report: LogReport
  readonly #parts: SegmentedLogParts
  #hardState: HardState
  #lastChain: Uint8Array
  readonly #readings = new Set<{ truncatedFrom: number }>()
  #appending = false
  #closed = false
  #failure: KnhkError | null = null

  constructor(parts: SegmentedLogParts) {
    this.#parts = parts
    this.restored = parts.restored
    this.report = parts.report
    this.#hardState = parts.restored.hardState
    this.#lastChain = parts.lastChain
  }

  get firstIndex(): LogIndex {
    return this.#parts.positions.firstIndex as LogIndex
  }

  get lastIndex(): LogIndex {
    return (this.#parts.positions.nextIndex - 1) as LogIndex
  }

  /** Bytes of all segment files, for the disk quota. */
  get bytesOnDisk(): number {
    return this.#parts.writer.bytesOnDisk
  }

  async append(records: readonly StoreRecord[]): Promise<void> {
    assert(!this.#appending, 'the log has one append at a time')
    assert(!this.#closed, 'a closed log takes no appends')
    if (this.#failure !== null) throw this.#failure
    this.#appending = true
    try {
      const journal = flatten(records)
      await this.#check(journal)
      for (const frame of splitFrames(journal)) await this.#writeFrame(frame)
    } catch (error) {
      this.#failure = storageFailed('writing to the log', error)
      throw this.#failure
    } finally {
      this.#appending = false
    }
  }

  async read(from: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { positions, reader } = this.#parts
    // A truncation may come in between: what was read from its places is then stale.
    const reading = { truncatedFrom: Number.POSITIVE_INFINITY }
    this.#readings.add(reading)
    try {
      const entries = await reader.readEntries(positions, from, maxBytes)
      return entries.filter((entry) => entry.index < reading.truncatedFrom)
    } finally {
      this.#readings.delete(reading)
    }
  }

  async headers(
    from: LogIndex,
    to: LogIndex,
    limit: number,
  ): Promise<{ header: EntryHeader; bytes: number; operations: number }[]> {
    const found: { header: EntryHeader; bytes: number; operations: number }[] = []
    let next = Math.max(from, this.firstIndex) as LogIndex
    while (next <= to && found.length < limit) {
      const entries = await this.read(next, HEADERS_READ_BYTES)
      if (entries.length === 0) break
      for (const entry of entries.slice(0, Math.min(limit - found.length, to - next + 1))) {
        const { header, body, ...fields } = entry
        found.push({ header: fields, bytes: header.length + body.length, operations: countOperations(body) })
      }
      next = (next + entries.length) as LogIndex
    }
    return found
  }

  async close(): Promise<void> {
    assert(!this.#appending, 'the log is not closed during an append')
    if (this.#closed) return
    this.#closed = true
    const { files, directory, writer, reader } = this.#parts
    try {
      if (this.#failure === null && this.restored.mayVote) {
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
        chain = chainInBatch(records, i, record.from - 1) ?? (await this.#chainOnDisk(reader, record.from - 1))
        next = record.from
      }
    }
    this.#lastChain = chain
  }

  async #chainOnDisk(reader: SegmentReader, index: number): Promise<Uint8Array> {
    if (index === this.restored.base.index) return this.restored.base.chain
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
}

function flatten(records: readonly StoreRecord[]): JournalRecord[] {
  const flat: JournalRecord[] = []
  for (const record of records) {
    if (record.kind === 'entries') for (const entry of record.entries) flat.push({ kind: 'entry', entry })
    else flat.push(record)
  }
  return flat
}

/** Cuts a long append into frames. A crash between two of them leaves a prefix, as between two appends. */
function splitFrames(records: readonly JournalRecord[]): JournalRecord[][] {
  const frames: JournalRecord[][] = []
  let frame: JournalRecord[] = []
  let bytes = 0
  for (const record of records) {
    const length = recordBytes(record)
    assert(frameBytes(length + HARD_STATE_RECORD_BYTES_MAX) <= FRAME_BYTES_MAX, 'a record fits into a frame')
    if (frame.length > 0 && bytes + length > FRAME_TARGET_BYTES) {
      frames.push(frame)
      frame = []
      bytes = 0
    }
    frame.push(record)
    bytes += length
  }
  if (frame.length > 0) frames.push(frame)
  return frames
}

/** The chain value of `index` if it was appended earlier in the same batch. */
function chainInBatch(records: readonly JournalRecord[], before: number, index: number): Uint8Array | undefined {
  for (let i = before - 1; i >= 0; i--) {
    const record = records[i] as JournalRecord
    if (record.kind === 'entry' && record.entry.index === index) return record.entry.chain
    if (record.kind === 'truncate' && record.from <= index) return undefined
  }
  return undefined
}
