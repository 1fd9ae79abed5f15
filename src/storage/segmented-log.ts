/**
 * The log of one node over its segment files: appends are group commits, reads go through handles of
 * their own. Any error of a write is final: what of it reached the disk is unknown, and a second
 * fdatasync may report success for pages that the first one lost (Rebello et al., USENIX ATC 2020).
 */
import { assert } from '../base/assert.js'
import type { KnhkError } from '../base/error.js'
import type { RestoredLog, StoreRecord } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import type { LogBase } from '../consensus/snapshot.js'
import type { LogIndex } from '../consensus/types.js'
import type { LogStore } from '../node/ports.js'
import { storageFailed } from './files.js'
import { LogAppender } from './log-appender.js'
import type { LogReport, SegmentedLogParts } from './log-parts.js'
import { hasPlace, LOST_UNSEEN, writeRepaired } from './log-start.js'
import { OpenReadings } from './open-readings.js'
import { readHeaders } from './read-headers.js'
import { setSealMarkerAside, writeSealMarker } from './seal-marker.js'
import type { Place } from './segment-header.js'

export class SegmentedLog implements LogStore {
  readonly restored: RestoredLog
  readonly report: LogReport
  readonly #parts: SegmentedLogParts
  readonly #appender: LogAppender
  readonly #readings = new OpenReadings()
  #repaired: readonly Place[]
  #mayVote: boolean
  #appending = false
  /** Settles when nothing writes any more: an append and `markRepaired` take turns. */
  #writing: Promise<void> = Promise.resolve()
  #closed = false
  #failure: KnhkError | null = null

  constructor(parts: SegmentedLogParts) {
    this.#parts = parts
    this.restored = parts.restored
    this.report = parts.report
    this.#appender = new LogAppender(parts, this.#readings)
    this.#repaired = parts.excused
    this.#mayVote = parts.restored.mayVote
  }

  /** What the log follows now. */
  get base(): LogBase {
    return this.#appender.base
  }

  get firstIndex(): LogIndex {
    return this.#parts.positions.firstIndex as LogIndex
  }

  get lastIndex(): LogIndex {
    return this.#appender.lastIndex as LogIndex
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
      await this.#exclusively('writing to the log', () => this.#appender.append(records))
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
      this.#appender.damage = [...this.#appender.damage, LOST_UNSEEN]
      await this.#appender.writeBase()
    })
  }

  /**
   * What the log follows is gone from this disk, and nothing can be made of the log itself: it is dropped, and
   * counts as damaged. It has to be opened again afterwards.
   */
  async startOver(): Promise<void> {
    await this.markDamaged()
    await this.#exclusively('starting the log over', () => this.#appender.startOver())
  }

  /** The evidence stays where it is, until compaction drops its segments. */
  async markRepaired(): Promise<void> {
    assert(!this.#closed, 'a closed log is not repaired')
    await this.#exclusively('marking the log as repaired', async () => {
      if (this.#mayVote) return
      const { files, directory } = this.#parts
      // The segment that goes on behind the damage must exist before the damage stops counting.
      await this.#appender.beginPresentSegment()
      await setSealMarkerAside(files, directory)
      this.#repaired = [...this.#repaired, ...this.#appender.damage]
      await writeRepaired(files, directory, this.#repaired)
      this.#appender.damage = []
      this.#mayVote = true
    })
  }

  async read(from: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { positions, reader } = this.#parts
    return this.#readings.during(from, () => reader.readSound(positions, from, maxBytes))
  }

  headers(from: LogIndex, to: LogIndex, limit: number): ReturnType<LogStore['headers']> {
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
        await this.#appender.sealStop()
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
}
