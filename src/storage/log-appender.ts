/**
 * What an append does to the log: checks that entries join, writes frames, repeats at the start of a
 * segment what must not be lost with older ones, and moves the base. One append at a time, and none
 * after one that failed: what of it reached the disk is unknown.
 */
import { assert } from '../base/assert.js'
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { PendingRecord, StoreRecord } from '../consensus/core.js'
import type { LogBase } from '../consensus/snapshot.js'
import { certificateBytes, chainInRun, planAppend, splitFrames } from './append-plan.js'
import { GENESIS_BASE } from './base-codec.js'
import { frameBytes } from './frame.js'
import type { SegmentedLogParts } from './log-parts.js'
import { type StoredBase, writeLogBase } from './log-start.js'
import { dropSegments, firstKept } from './log-trim.js'
import type { OpenReadings } from './open-readings.js'
import { PendingRecords } from './pending-records.js'
import { type JournalRecord, recordBytes } from './records.js'
import type { Place } from './segment-header.js'

export class LogAppender {
  /** Damage that is not repaired; it stands in the base file. */
  damage: readonly Place[]
  readonly #parts: SegmentedLogParts
  readonly #readings: OpenReadings
  #base: LogBase
  #first: Pick<StoredBase, 'firstSegment' | 'firstNext'>
  #lastChain: Uint8Array
  #pending: PendingRecords
  /** Where the present append wrote its first slot or block; null where it wrote none. */
  #liveSegment: number | null = null

  constructor(parts: SegmentedLogParts, readings: OpenReadings) {
    this.#parts = parts
    this.#readings = readings
    this.damage = parts.damage
    this.#base = parts.restored.base
    this.#first = parts.first
    this.#lastChain = parts.lastChain
    this.#pending = parts.pending
  }

  /** What the log follows now. */
  get base(): LogBase {
    return this.#base
  }

  get lastIndex(): number {
    return this.#parts.positions.nextIndex - 1
  }

  async append(records: readonly StoreRecord[]): Promise<void> {
    this.#liveSegment = null
    for (const step of planAppend(records)) {
      if (step.kind === 'base') await this.#changeBase(step.base, step.live)
      else {
        await this.#check(step.records)
        this.#tally(step.records)
        for (const frame of splitFrames(step.records)) await this.#writeFrame(frame)
      }
    }
  }

  /** The first frame of every segment repeats what stands, so what is kept behind a cut has it. */
  async beginPresentSegment(): Promise<void> {
    if (this.#parts.writer.atSegmentStart) await this.#writeFrame([])
  }

  /** The last frame of a clean stop. */
  async sealStop(): Promise<void> {
    await this.#writeFrame([{ kind: 'seal', reason: 'stop' }])
  }

  /** Begins anew from nothing. Terms and votes, and everything else that stands, go along. */
  startOver(): Promise<void> {
    return this.#reset(GENESIS_BASE, [])
  }

  /** Makes the base file say what is known now. */
  writeBase(base = this.#base): Promise<void> {
    const { files, directory } = this.#parts
    const { firstSegment, firstNext } = this.#first
    return writeLogBase(files, directory, { base, firstSegment, firstNext, damage: this.damage })
  }

  /** Entries must join what is in the log: an invariant of every core, checked before it is on disk. */
  async #check(records: readonly JournalRecord[]): Promise<void> {
    const { positions } = this.#parts
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
        chain = chainInRun(records, i, record.from - 1) ?? (await this.#chainOnDisk(record.from - 1))
        next = record.from
      }
    }
    this.#lastChain = chain
  }

  /** A start must be able to hand back what is pending. Throws `ResourceExhausted` before it is too much. */
  #tally(records: readonly JournalRecord[]): void {
    for (const record of records) {
      if (record.kind === 'slot' || record.kind === 'block') this.#pending.add(record)
      else if (record.kind === 'live') this.#pending.keepNewest(record.count)
      else if (record.kind === 'entry') this.#pending.dropThrough(record.entry.index)
      else if (record.kind === 'truncate') this.#pending.truncate(record.from)
    }
    if (this.#pending.isOver)
      throw new KnhkError('ResourceExhausted', 'the log holds too much that is proposed and not decided')
  }

  async #chainOnDisk(index: number): Promise<Uint8Array> {
    if (index === this.#base.index) return this.#base.chain
    const { reader, positions } = this.#parts
    const [entry] = await reader.readSound(positions, index, 1)
    assert(entry !== undefined, 'the entry before a truncation is in the log')
    return entry.chain
  }

  async #writeFrame(batch: readonly JournalRecord[]): Promise<void> {
    const { writer, positions, standing, segmentStarts } = this.#parts
    let bytes = 0
    for (const record of batch) bytes += recordBytes(record)
    await writer.reserve(frameBytes(bytes))
    const { segment } = writer.end
    const isFirst = writer.atSegmentStart
    if (isFirst) segmentStarts.set(segment, positions.nextIndex)
    const records = isFirst ? [...standing.records(), ...batch] : batch
    const { contentOffsets } = await writer.write(records)
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as JournalRecord
      standing.note(record)
      if (record.kind === 'truncate') {
        positions.truncate(record.from)
        this.#readings.truncated(record.from)
      } else if (record.kind === 'entry') {
        const { header, body } = record.entry
        const length = header.length + body.length + certificateBytes(records[i + 1])
        positions.push(segment, contentOffsets[i] as number, length)
      } else if (record.kind === 'slot' || record.kind === 'block') this.#liveSegment ??= segment
    }
  }

  async #changeBase(base: LogBase, live: readonly PendingRecord[]): Promise<void> {
    assert(base.index >= this.#base.index, 'the base of a log only goes up')
    if (await this.#holds(base)) await this.#compact(base)
    else await this.#reset(base, live)
  }

  async #holds(base: LogBase): Promise<boolean> {
    if (base.index > this.lastIndex) return false
    const chain = base.index === this.lastIndex ? this.#lastChain : await this.#chainOnDisk(base.index)
    return bytesEqual(chain, base.chain)
  }

  /** The log begins later; whole segments that hold nothing of it go. */
  async #compact(base: LogBase): Promise<void> {
    if (base.index === this.#base.index) return
    const { positions, writer, segmentStarts } = this.#parts
    await this.beginPresentSegment()
    const next = base.index + 1
    const entriesFrom = positions.get(next)?.segment ?? writer.end.segment
    const wanted = Math.min(entriesFrom, this.#liveSegment ?? entriesFrom)
    const { firstSegment, firstNext } = firstKept(segmentStarts, wanted, next)
    await this.#moveBase(base, firstSegment, firstNext)
    positions.dropBefore(next)
    this.#readings.dropped(base.index)
    await this.#dropSegments(firstSegment)
  }

  /** The log is another one from here on: empty, behind `base`. What is live is written once more, behind the cut. */
  async #reset(base: LogBase, live: readonly PendingRecord[]): Promise<void> {
    const { positions, writer, segmentStarts } = this.#parts
    await writer.beginSegment()
    await this.beginPresentSegment()
    const firstSegment = writer.end.segment
    const kept = live.filter(({ index }) => index > base.index)
    for (const frame of splitFrames(kept)) await this.#writeFrame(frame)
    const next = base.index + 1
    await this.#moveBase(base, firstSegment, next)
    positions.restart(next)
    for (const segment of segmentStarts.keys()) segmentStarts.set(segment, next)
    this.#lastChain = base.chain
    this.#pending = new PendingRecords(base.index)
    this.#tally(kept)
    this.#readings.dropped(Number.POSITIVE_INFINITY)
    await this.#dropSegments(firstSegment)
  }

  async #moveBase(base: LogBase, firstSegment: number, firstNext: number): Promise<void> {
    this.#first = { firstSegment, firstNext }
    await this.writeBase(base)
    this.#base = base
  }

  /** Removes segments below `first`. The base that names `first` is durable. */
  async #dropSegments(first: number): Promise<void> {
    const { files, directory, reader, writer, segmentStarts } = this.#parts
    await reader.release(first)
    for (const segment of [...segmentStarts.keys()]) if (segment < first) segmentStarts.delete(segment)
    writer.released(await dropSegments(files, directory, first))
  }
}
