/**
 * Walks the journal from its first frame to its end, checks that every frame follows the one before,
 * and tells a torn tail from corruption: only a bad last frame of an unsealed log is torn. A bad
 * frame below a later frame (which states a durable position above it), below a seal or in a closed
 * segment is corruption. Opening stops at the first problem; `log verify` goes on behind it.
 * Files of a running node may grow meanwhile: with `pause` nothing half-written is reported.
 */
import { FileWindow, WINDOW_BYTES } from './file-window.js'
import { FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FRAME_MAGIC_TEXT, FrameHeader, verifyFrame } from './frame.js'
import { listSegments, planPieces, type SegmentFile, type SegmentPiece } from './journal-segments.js'
import { BASE_DAMAGED, hasPlace } from './log-start.js'
import { isSegmentSeal } from './records.js'
import type { JournalEnd, LogProblem, ProblemKind, ScanOptions, ScanResult } from './scan-types.js'
import { type MarkerReading, readSealMarker } from './seal-marker.js'
import { type JournalIdentity, type Place, SEGMENT_HEADER_BYTES, sameIdentity } from './segment-header.js'

/** Pauses for one frame to become whole. */
const PAUSES_MAX = 5
/** Bytes of candidates that a search behind damage checks before it gives up. */
const SEARCH_BYTES_MAX = 1024 * 1024 * 1024

/** Scans the journal in `directory`. Throws `UnsupportedFormat` for a newer format, else only errors of the files. */
export function scanJournal(options: ScanOptions): Promise<ScanResult> {
  return new JournalScan(options).run()
}

class JournalScan {
  readonly #options: ScanOptions
  readonly #problems: LogProblem[] = []
  readonly #frame = new FrameHeader()
  #seed = 0
  #identity: JournalIdentity | null
  #end: JournalEnd = { segment: 0, offset: 0, sequence: 0, previousCrc: 0 }
  /** False behind a problem, until a frame gives the sequence anew. */
  #inSequence = true
  #sealed = false
  #tornTail: ScanResult['tornTail'] = null
  #lastFrame: ScanResult['lastFrame'] = null
  #unused: SegmentFile | null = null
  #marker: MarkerReading = { state: 'absent' }

  constructor(options: ScanOptions) {
    this.#options = options
    this.#identity = options.identity
  }

  async run(): Promise<ScanResult> {
    const { files, directory } = this.#options
    this.#marker = await readSealMarker(files, directory)
    const { start } = this.#options
    const listed = await listSegments(files, directory)
    const segments = listed.filter((file) => file.segment >= start.firstSegment)
    const { pieces, resumptions: found } = planPieces(segments)
    const resumptions = [...start.damage.filter((place) => !hasPlace(found, place)), ...found]
    this.#checkBase(found)
    await this.#pieces(pieces)
    for (const place of resumptions) if (!hasPlace(start.repaired, place)) this.#problem('damageResumed', place)
    if (!this.#stopped()) await this.#checkMarker()
    return {
      segments,
      leftovers: listed.filter((file) => file.segment < start.firstSegment),
      resumptions,
      repaired: resumptions.filter((place) => hasPlace(start.repaired, place)),
      problems: this.#problems,
      tornTail: this.#tornTail,
      end: this.#end,
      lastFrame: this.#lastFrame,
      marker: this.#marker,
      unusedSegment: this.#unused,
    }
  }

  /** Without its base a log has no sound part at all, unless it was begun anew behind that damage. */
  #checkBase(resumptions: readonly Place[]): void {
    if (this.#options.start.baseState !== 'damaged' || hasPlace(resumptions, BASE_DAMAGED)) return
    this.#problem('baseFile', BASE_DAMAGED)
    this.#end = { ...this.#end, ...BASE_DAMAGED }
    this.#gap()
  }

  async #pieces(pieces: readonly SegmentPiece[]): Promise<void> {
    let expected = this.#options.start.firstSegment
    let before = 0
    for (let i = 0; i < pieces.length && !this.#stopped(); i++) {
      const piece = pieces[i] as SegmentPiece
      const next = pieces[i + 1]
      const resumed = piece.file.header?.resumesFrom ?? null
      const follows = resumed !== null && (resumed.segment === 0 || resumed.segment === before)
      if (piece.file.segment !== expected && !follows) {
        this.#problem('segmentMissing', { segment: expected, offset: 0 })
        this.#gap()
        if (this.#stopped()) return
      }
      // Where the first segment begins is known from the base.
      if (resumed !== null && piece.file.segment !== this.#options.start.firstSegment)
        this.#options.visitor.onResumption()
      before = piece.file.segment
      expected = before + 1
      // A header and nothing behind it: made ready while the segment before was still being written.
      const nextUnused = next !== undefined && i + 2 === pieces.length && next.file.size <= SEGMENT_HEADER_BYTES
      await this.#piece(piece, next === undefined, nextUnused)
      if (nextUnused && !this.#sealed && !this.#stopped() && piece.cutAt === null) {
        this.#unused = next.file
        return
      }
    }
    if (this.#sealed && !this.#stopped()) await this.#checkSealedEnd()
  }

  async #piece(piece: SegmentPiece, isLast: boolean, nextUnused: boolean): Promise<void> {
    const { file, cutAt } = piece
    this.#sealed = false
    this.#checkHeader(file)
    if (this.#stopped()) return
    const handle = await this.#options.files.open(file.path, 'read')
    try {
      const window = new FileWindow(handle, Math.min(WINDOW_BYTES, Math.max(file.size, 4096)))
      await this.#chooseSeed(window, file)
      const limit = cutAt ?? file.size
      await this.#frames(window, file, limit, (isLast || nextUnused) && cutAt === null)
      const complete = cutAt !== null || this.#sealed || isLast || nextUnused
      if (!complete && !this.#stopped()) this.#problem('segmentShort', this.#end)
    } finally {
      await handle.close()
    }
  }

  async #chooseSeed(window: FileWindow, file: SegmentFile): Promise<void> {
    for (const seed of file.seeds) {
      this.#seed = seed
      if (file.seeds.length === 1 || (await this.#loadFrame(window, file, SEGMENT_HEADER_BYTES))) return
    }
  }

  #checkHeader(file: SegmentFile): void {
    const start = { segment: file.segment, offset: 0 }
    const { header } = file
    const { visitor } = this.#options
    if (header === null || header.segment !== file.segment) {
      this.#problem('segmentHeader', start)
      this.#gap()
    } else {
      this.#identity ??= header
      visitor.onIdentity(this.#identity)
      if (!sameIdentity(this.#identity, header)) this.#problem('segmentForeign', start)
      const follows = header.firstSequence === this.#end.sequence && header.previousCrc === this.#end.previousCrc
      if (this.#inSequence && this.#end.segment !== 0 && !follows) this.#problem('frameOrder', start)
    }
    if (this.#stopped()) return
    this.#end = {
      segment: file.segment,
      offset: SEGMENT_HEADER_BYTES,
      sequence: header?.firstSequence ?? this.#end.sequence,
      previousCrc: header?.previousCrc ?? this.#end.previousCrc,
    }
  }

  /** Walks the frames of one segment that begin below `limit`. */
  async #frames(window: FileWindow, file: SegmentFile, limit: number, mayTear: boolean): Promise<void> {
    const { pause } = this.#options
    let attempts = PAUSES_MAX
    while (this.#end.offset < limit) {
      const { offset } = this.#end
      if (!this.#sealed && (await this.#loadFrame(window, file, offset))) {
        attempts = PAUSES_MAX
        const visited = this.#takeFrame(window, file.segment, offset)
        if (visited !== undefined) await visited
        if (this.#stopped()) return
        continue
      }
      const behind = this.#sealed ? null : await this.#search(window, file, offset + FRAME_ALIGNMENT)
      if (pause !== null && attempts > 0) {
        // Half-written when it was read; whole by the time a later frame exists.
        attempts = behind === null ? attempts - 1 : 0
        if (behind === null) await pause()
        window.reset()
        continue
      }
      if (behind === null && mayTear && !this.#sealed && !this.#markerAbove(file.segment, offset)) {
        this.#tornTail = { segment: file.segment, offset, bytes: limit - offset }
        return
      }
      this.#problem(behind === null && this.#markerAbove(file.segment, offset) ? 'sealedShort' : 'frame', this.#end)
      if (this.#stopped() || behind === null) return
      this.#gap()
      this.#end = { ...this.#end, offset: behind }
    }
  }

  async #loadFrame(window: FileWindow, file: SegmentFile, offset: number): Promise<boolean> {
    if (!window.covers(offset, FRAME_HEADER_BYTES) && !(await window.load(offset, FRAME_HEADER_BYTES))) return false
    if (!this.#frame.load(window.bytes, window.indexOf(offset))) return false
    const length = FRAME_HEADER_BYTES + this.#frame.payloadLength
    // A length that runs past the end of the file must not make us allocate for it.
    if (!window.covers(offset, length)) {
      if (this.#options.pause === null && offset + length > file.size) return false
      if (!(await window.load(offset, length))) return false
    }
    return verifyFrame(window.bytes, window.indexOf(offset), this.#frame, this.#seed)
  }

  #takeFrame(window: FileWindow, segment: number, offset: number): void | Promise<void> {
    const header = this.#frame
    const at = window.indexOf(offset)
    const length = FRAME_HEADER_BYTES + header.payloadLength
    const placed = header.segment === segment && header.offset === offset
    const follows = header.sequence === this.#end.sequence && header.previousCrc === this.#end.previousCrc
    if (!placed || (this.#inSequence && !follows)) {
      this.#problem('frameOrder', { segment, offset })
      if (this.#stopped()) return
      this.#gap()
    }
    const problems = this.#problems.length
    const place = { segment, offset }
    const view = {
      bytes: window.bytes,
      header,
      segment,
      offset,
      payloadStart: at + FRAME_HEADER_BYTES,
      payloadEnd: at + length,
    }
    const next = { segment, offset: offset + length, sequence: header.sequence + 1, previousCrc: header.crc }
    const sealed = isSegmentSeal(view.bytes, view.payloadStart, view.payloadEnd, header.recordCount)
    const finish = (): void => {
      if (this.#problems.length > problems && this.#stopped()) return
      this.#end = next
      this.#lastFrame = { ...place, bytes: length }
      this.#inSequence = true
      this.#sealed = sealed
    }
    const visited = this.#options.visitor.visit(view, (kind, index) => this.#problems.push({ index, ...place, kind }))
    return visited === undefined ? finish() : visited.then(finish)
  }

  /** Offset of the next frame with a right checksum that says it belongs there; null if there is none. */
  async #search(window: FileWindow, file: SegmentFile, from: number): Promise<number | null> {
    const magic = Buffer.from(FRAME_MAGIC_TEXT, 'latin1')
    let budget = SEARCH_BYTES_MAX
    let at = from
    while (budget > 0 && (await window.load(at, FRAME_HEADER_BYTES))) {
      const found = window.bytes.subarray(0, window.indexOf(window.end)).indexOf(magic, window.indexOf(at))
      if (found < 0) {
        at = window.end - (window.end % FRAME_ALIGNMENT)
        continue
      }
      const offset = at + (found - window.indexOf(at))
      at = offset + (FRAME_ALIGNMENT - (offset % FRAME_ALIGNMENT))
      if (offset % FRAME_ALIGNMENT !== 0) continue
      if (!(await window.load(offset, FRAME_HEADER_BYTES)) || !this.#frame.load(window.bytes, window.indexOf(offset)))
        continue
      if (this.#frame.segment !== file.segment || this.#frame.offset !== offset) continue
      budget -= this.#frame.payloadLength + FRAME_HEADER_BYTES
      if (await this.#loadFrame(window, file, offset)) return offset
    }
    return null
  }

  #markerAbove(segment: number, offset: number): boolean {
    if (this.#marker.state !== 'sound') return false
    const { marker } = this.#marker
    return marker.segment > segment || (marker.segment === segment && marker.offset > offset)
  }

  /** A clean stop said where the log ends; it must reach that far. */
  async #checkMarker(): Promise<void> {
    if (this.#marker.state === 'absent') return
    const short = this.#marker.state === 'damaged' || this.#markerAbove(this.#end.segment, this.#end.offset)
    if (!short || this.#problems.some((problem) => problem.kind === 'sealedShort')) return
    if (this.#options.pause !== null) {
      const now = await readSealMarker(this.#options.files, this.#options.directory)
      if (now.state === 'absent') return
    }
    this.#problem(this.#marker.state === 'damaged' ? 'sealMarker' : 'sealedShort', this.#end)
  }

  /** A segment is sealed only after the next one exists. */
  async #checkSealedEnd(): Promise<void> {
    if (this.#options.pause !== null) {
      const now = await listSegments(this.#options.files, this.#options.directory)
      if (now.some((file) => file.segment > this.#end.segment)) return
    }
    this.#problem('segmentMissing', { segment: this.#end.segment + 1, offset: 0 })
  }

  #problem(kind: ProblemKind, place: Place): void {
    this.#problems.push({ index: this.#options.visitor.nextIndex, segment: place.segment, offset: place.offset, kind })
  }

  #gap(): void {
    this.#inSequence = false
    this.#options.visitor.onGap()
  }

  #stopped(): boolean {
    return !this.#options.resync && this.#problems.length > 0
  }
}
