/**
 * The writing end of the journal: one frame, one write, one sync at a time, and the change to the next
 * segment. The next segment is durable, directory included, before the seal of the full one says that
 * it exists; so a missing last segment always shows.
 */
import type { FileHandle, FileSystem } from './files.js'
import { type EncodedFrame, FrameEncoder } from './frame.js'
import type { JournalRecord } from './records.js'
import type { JournalEnd } from './scan-types.js'
import {
  encodeSegmentHeader,
  frameSeed,
  type JournalIdentity,
  type Place,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
} from './segment-header.js'

/** Bytes of the frame that seals a segment. */
const SEAL_FRAME_BYTES = 56

export interface SegmentWriterOptions {
  readonly files: FileSystem
  readonly directory: string
  readonly identity: JournalIdentity
  readonly end: JournalEnd
  readonly segmentBytesMax: number
  /** Bytes of all segments now. */
  readonly bytesOnDisk: number
  /** Set behind damage: the next segment to make, which goes on from `end`. */
  readonly resumeAs: number | null
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions
  readonly #encoder = new FrameEncoder()
  #handle: FileHandle | null = null
  #seed = 0
  #end: JournalEnd
  #bytesOnDisk: number
  #resumeAs: number | null

  constructor(options: SegmentWriterOptions) {
    this.#options = options
    this.#end = options.end
    this.#bytesOnDisk = options.bytesOnDisk
    this.#resumeAs = options.resumeAs
  }

  get end(): JournalEnd {
    return this.#end
  }

  get bytesOnDisk(): number {
    return this.#bytesOnDisk
  }

  /** Nothing was written to the present segment: its first frame repeats the hard state. */
  get atSegmentStart(): boolean {
    return this.#resumeAs !== null || this.#end.offset === SEGMENT_HEADER_BYTES
  }

  /** Segments with so many bytes are gone from the disk. */
  released(bytes: number): void {
    this.#bytesOnDisk -= bytes
  }

  /** Makes sure that the next frame is the first of its segment. */
  async beginSegment(): Promise<void> {
    if (this.atSegmentStart) return
    await this.#open()
    await this.#nextSegment()
  }

  /** Makes room for a frame of `bytes`: opens the segment, changes to the next one where this is full. */
  async reserve(bytes: number): Promise<void> {
    if (this.#resumeAs !== null) {
      await this.#resume(this.#resumeAs)
      this.#resumeAs = null
    }
    await this.#open()
    const full = this.#end.offset + bytes + SEAL_FRAME_BYTES > this.#options.segmentBytesMax
    if (full && this.#end.offset > SEGMENT_HEADER_BYTES) await this.#nextSegment()
  }

  /** Writes one frame and resolves when it is durable; `reserve` comes first. */
  async write(records: readonly JournalRecord[]): Promise<EncodedFrame> {
    const frame = this.#encode(records)
    await (this.#handle as FileHandle).appendDurably(frame.parts)
    this.#advance(frame)
    return frame
  }

  async close(): Promise<void> {
    await this.#handle?.close()
    this.#handle = null
  }

  #encode(records: readonly JournalRecord[]): EncodedFrame {
    return this.#encoder.encode(this.#end, this.#seed, records)
  }

  #advance(frame: EncodedFrame): void {
    const { segment, offset, sequence } = this.#end
    this.#end = { segment, offset: offset + frame.length, sequence: sequence + 1, previousCrc: frame.crc }
    this.#bytesOnDisk += frame.length
  }

  async #open(): Promise<void> {
    if (this.#handle !== null) return
    const { files, directory } = this.#options
    const handle = await files.open(`${directory}/${segmentName(this.#end.segment)}`, 'append')
    const header = new Uint8Array(SEGMENT_HEADER_BYTES)
    await handle.read(header, 0)
    this.#seed = frameSeed(header)
    this.#handle = handle
  }

  async #nextSegment(): Promise<void> {
    const seal = this.#encode([{ kind: 'seal', reason: 'segment' }])
    const old = this.#handle as FileHandle
    const header = this.#header(this.#end.segment + 1, this.#end.sequence + 1, seal.crc, null)
    const next = await createSegment(this.#options.files, this.#options.directory, header)
    await old.appendDurably(seal.parts)
    this.#advance(seal)
    await old.close()
    this.#enter(next, header)
  }

  async #resume(segment: number): Promise<void> {
    const { offset, sequence, previousCrc } = this.#end
    const header = this.#header(segment, sequence, previousCrc, { segment: this.#end.segment, offset })
    this.#enter(await createSegment(this.#options.files, this.#options.directory, header), header)
  }

  #enter(handle: FileHandle, header: SegmentHeader): void {
    const { segment, firstSequence: sequence, previousCrc } = header
    this.#handle = handle
    this.#seed = frameSeed(encodeSegmentHeader(header))
    this.#end = { segment, offset: SEGMENT_HEADER_BYTES, sequence, previousCrc }
    this.#bytesOnDisk += SEGMENT_HEADER_BYTES
  }

  #header(segment: number, firstSequence: number, previousCrc: number, resumesFrom: Place | null): SegmentHeader {
    return { ...this.#options.identity, segment, firstSequence, previousCrc, resumesFrom }
  }
}

/** Creates a segment file with its header; durable, directory included, when it resolves. */
export async function createSegment(files: FileSystem, directory: string, header: SegmentHeader): Promise<FileHandle> {
  const handle = await files.open(`${directory}/${segmentName(header.segment)}`, 'create')
  await handle.append([encodeSegmentHeader(header)])
  await handle.datasync()
  await files.syncDirectory(directory)
  return handle
}
