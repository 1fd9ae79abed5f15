/**
 * Takes frames in, in order, and ends with what the journal says: where each entry lies, the runs of
 * terms, the records that stand, what is pending above the last entry. Checks that indexes and hash chain join; recomputing hashes is the work of
 * `log verify`, which hooks in through `onEntry`.
 */
import { readU32, readU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { ENTRY_HEADER_BYTES } from '../consensus/entry.js'
import { decodeMembership, type Membership, type MembershipRecord } from '../consensus/membership.js'
import type { LogIndex } from '../consensus/types.js'
import { ChainJoin, type ReadHeader } from './chain-join.js'
import { FRAME_HEADER_BYTES } from './frame.js'
import type { StoredBase } from './log-start.js'
import { PendingRecords } from './pending-records.js'
import { type EntryPosition, GAP_ENTRIES_MAX, PositionMap } from './position-map.js'
import {
  decodeCertificateRecord,
  decodeContent,
  forEachRecord,
  type PlainRecord,
  RECORD_HEADER_BYTES,
  recordKindName,
} from './records.js'
import type { FrameView, FrameVisitor, ProblemKind, ReportProblem } from './scan-types.js'
import type { JournalIdentity } from './segment-header.js'
import { StandingRecords } from './standing-records.js'
import { TermRuns } from './term-runs.js'

const KIND_AT = 1
const MEMBERSHIP_KIND = 2
const CLUSTER_ID_AT = 32
const CLUSTER_ID_BYTES = 16

export interface ReplayOptions {
  /** Where the journal begins. */
  readonly start: Pick<StoredBase, 'base' | 'firstNext'>
  readonly readHeader: ReadHeader
  /** Take in what a frame with problems says (the tools do), or leave it out as a whole. */
  readonly keepDamaged: boolean
  /** Sees every entry that joins: where its header begins and its body ends in `bytes`. */
  readonly onEntry?: (bytes: Buffer, start: number, end: number, report: ReportProblem) => void
}

/** What one frame changes; kept apart until all of the frame is known to be sound. */
type Change = EntryChange | PlainRecord

interface EntryChange {
  readonly kind: 'entry'
  readonly index: number
  readonly epoch: number
  readonly term: number
  /** Grows when the certificate comes. */
  position: EntryPosition
  /** The configuration that it brings; null for all other entries. */
  readonly membership: Membership | null
}

export class JournalReplay implements FrameVisitor {
  /** Entries after the base. */
  readonly positions: PositionMap
  readonly terms = new TermRuns()
  /** For each segment, oldest first, the index that came next when it began. */
  readonly segmentStarts = new Map<number, number>()
  readonly standing = new StandingRecords()
  readonly pending: PendingRecords
  /** How many it met; a certificate that is no part of the log any more counts too. */
  certificates = 0
  readonly #options: ReplayOptions
  readonly #join: ChainJoin
  #clusterId: Uint8Array | null = null
  #next: number
  #memberships: MembershipRecord[] = []
  #indexLost = false
  #changes: Change[] = []
  /** The entry that the record before this one is; null for another record, undefined for an entry without sense. */
  #entryBefore: EntryChange | null | undefined = null
  #sound = true

  constructor(options: ReplayOptions) {
    this.#options = options
    const { base, firstNext } = options.start
    this.positions = new PositionMap(base.index + 1)
    this.#next = firstNext
    this.pending = new PendingRecords(base.index)
    // The first kept segment may follow an entry that is gone, or one that was truncated later.
    this.#join = new ChainJoin(options.readHeader, base.index === 0 ? base.chain : null)
  }

  get nextIndex(): number {
    return this.#next
  }

  /** Configurations that entries after the base brought, in index order. */
  get memberships(): readonly MembershipRecord[] {
    return this.#memberships
  }

  onIdentity(identity: JournalIdentity): void {
    this.#clusterId = identity.clusterId
  }

  onGap(): void {
    this.#join.lose()
    this.#indexLost = true
  }

  /** A log whose sound part ends below its base goes on at the base: a snapshot covers what is between. */
  onResumption(): void {
    const { base } = this.#options.start
    if (this.#next > base.index) return
    this.#next = base.index + 1
    this.#join.set(base.chain)
  }

  /** After the last frame: whether the log reaches its base and follows from it. */
  async closingProblem(): Promise<ProblemKind | null> {
    const { base } = this.#options.start
    if (this.#next <= base.index) return 'provenLost'
    const first = this.positions.get(base.index + 1)
    if (first === undefined) {
      return this.#next === base.index + 1 && this.#join.differsFrom(base.chain) ? 'chainBroken' : null
    }
    const follows = await this.#join.follows(first, base.chain)
    return follows ? null : 'chainBroken'
  }

  /** Leaves out all entries: they do not follow the base. */
  forgetEntries(): void {
    this.positions.restart(this.#options.start.base.index + 1)
    this.terms.truncate(0)
    this.#memberships = []
  }

  visit(frame: FrameView, report: ReportProblem): void | Promise<void> {
    this.#changes = []
    this.#entryBefore = null
    this.#sound = true
    if (!this.segmentStarts.has(frame.segment)) this.segmentStarts.set(frame.segment, this.#next)
    const note: ReportProblem = (kind, index) => {
      this.#sound = false
      report(kind, index)
    }
    const { bytes, payloadStart, payloadEnd, header } = frame
    const complete = forEachRecord(bytes, payloadStart, payloadEnd, header.recordCount, (kind, start, end) =>
      this.#record(frame, kind, start, end, note),
    )
    if (!complete) note('record', this.#next)
    if (!this.#join.hasDebts) return this.#apply()
    return this.#join.payDebts(note).then(() => this.#apply())
  }

  #record(frame: FrameView, kind: number, start: number, end: number, report: ReportProblem): void {
    const name = recordKindName(kind)
    const entryBefore = this.#entryBefore
    this.#entryBefore = null
    if (name === null) return report('recordUnknown', this.#next)
    if (name === 'entry') {
      this.#entryBefore = this.#entry(frame, start, end, report)
      return
    }
    const content = frame.bytes.subarray(start, end)
    try {
      if (name === 'certificate') this.#certificate(content, entryBefore, report)
      else this.#plain(decodeContent(name, content), report)
    } catch (error) {
      if (!(error instanceof KnhkError)) throw error
      report('record', this.#next)
    }
  }

  #plain(record: PlainRecord, report: ReportProblem): void {
    if (record.kind === 'truncate') this.#truncate(record.from, report)
    else this.#changes.push(record)
  }

  #truncate(from: LogIndex, report: ReportProblem): void {
    if (from < 1 || (from > this.#next && !this.#indexLost)) return report('entryOrder', this.#next)
    if (from < this.#next) this.#join.stepBack()
    this.#next = from
    this.#changes.push({ kind: 'truncate', from })
  }

  /** Only directly behind its entry does a certificate mean anything. */
  #certificate(content: Uint8Array, before: EntryChange | null | undefined, report: ReportProblem): void {
    const { index } = decodeCertificateRecord(content)
    if (before === undefined) return
    if (before === null || index !== before.index) return report('record', this.#next)
    const { segment, offset, length } = before.position
    before.position = { segment, offset, length: length + RECORD_HEADER_BYTES + content.length }
    this.certificates++
  }

  #entry(frame: FrameView, start: number, end: number, report: ReportProblem): EntryChange | undefined {
    const { bytes } = frame
    if (
      end - start < ENTRY_HEADER_BYTES ||
      readU32(bytes, start + 12) > 0x1f_ffff ||
      readU32(bytes, start + 20) > 0x1f_ffff
    ) {
      report('entryHeader', this.#next)
      return undefined
    }
    const index = readU64(bytes, start + 16)
    if (index !== this.#next) {
      const plausible = this.#indexLost && index > 0 && index - this.positions.nextIndex <= GAP_ENTRIES_MAX
      if (!this.#indexLost) report('entryOrder', this.#next)
      if (!plausible) return undefined
    }
    const clusterId = this.#clusterId
    if (
      clusterId !== null &&
      bytes.compare(clusterId, 0, CLUSTER_ID_BYTES, start + CLUSTER_ID_AT, start + CLUSTER_ID_AT + 16) !== 0
    ) {
      report('entryForeign', index)
    }
    this.#join.join(bytes, start, index, (before) => this.#positionOf(before), report)
    this.#next = index + 1
    this.#indexLost = false
    const position = {
      segment: frame.segment,
      offset: frame.offset + FRAME_HEADER_BYTES + (start - frame.payloadStart),
      length: end - start,
    }
    const change: EntryChange = {
      kind: 'entry',
      index,
      epoch: readU32(bytes, start + 4),
      term: readU64(bytes, start + 8),
      position,
      membership: this.#membership(bytes, start, end, index, report),
    }
    this.#changes.push(change)
    this.#options.onEntry?.(bytes, start, end, report)
    return change
  }

  #membership(bytes: Buffer, start: number, end: number, index: number, report: ReportProblem): Membership | null {
    if (bytes[start + KIND_AT] !== MEMBERSHIP_KIND) return null
    try {
      // A copy: the window is used again.
      return decodeMembership(new Uint8Array(bytes.subarray(start + ENTRY_HEADER_BYTES, end)))
    } catch (error) {
      if (!(error instanceof KnhkError)) throw error
      report('membershipWrong', index)
      return null
    }
  }

  /** Where an entry lies, the changes of the present frame included. */
  #positionOf(index: number): EntryPosition | undefined {
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const change = this.#changes[i] as Change
      if (change.kind === 'entry' && change.index === index) return change.position
    }
    return this.positions.get(index)
  }

  #apply(): void {
    if (!this.#sound && !this.#options.keepDamaged) return
    for (const change of this.#changes) {
      switch (change.kind) {
        case 'hardState':
          this.standing.note(change)
          break
        // Copies: the window is used again.
        case 'safety':
          this.standing.note({ ...change, safety: new Uint8Array(change.safety) })
          break
        case 'abort':
          this.standing.note({ ...change, payload: new Uint8Array(change.payload) })
          break
        case 'slot':
        case 'block':
          this.pending.add({ ...change, payload: new Uint8Array(change.payload) })
          break
        case 'live':
          this.pending.keepNewest(change.count)
          break
        case 'truncate':
          this.positions.truncate(change.from)
          this.terms.truncate(change.from)
          this.pending.truncate(change.from)
          this.#memberships = this.#memberships.filter((record) => record.index < change.from)
          break
        case 'entry':
          this.#applyEntry(change)
          break
      }
    }
  }

  #applyEntry({ index, epoch, term, position, membership }: EntryChange): void {
    this.positions.truncate(index)
    this.pending.dropThrough(index)
    // The snapshot at the base covers it.
    if (index < this.positions.firstIndex) return
    this.positions.skipTo(index)
    this.positions.push(position.segment, position.offset, position.length)
    this.terms.add(index, epoch, term)
    if (membership !== null) this.#memberships.push({ index: index as LogIndex, membership })
  }
}
