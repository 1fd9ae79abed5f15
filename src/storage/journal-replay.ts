/**
 * Takes frames in, in order, and ends with what the journal says: where each entry lies, the runs of
 * terms, the hard state. Checks that indexes and hash chain join; recomputing hashes is the work of
 * `log verify`, which hooks in through `onEntry`.
 */
import { readU32, readU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { HardState } from '../consensus/core.js'
import { ENTRY_HEADER_BYTES, GENESIS_CHAIN, HASH_BYTES } from '../consensus/entry.js'
import { decodeMembership, type Membership, type MembershipRecord } from '../consensus/membership.js'
import type { Epoch, LogIndex, Term } from '../consensus/types.js'
import { FRAME_HEADER_BYTES } from './frame.js'
import type { StoredBase } from './log-start.js'
import { type EntryPosition, GAP_ENTRIES_MAX, PositionMap } from './position-map.js'
import { decodeHardState, decodeSeal, decodeTruncate, forEachRecord, isReserved, recordKindName } from './records.js'
import type { FrameView, FrameVisitor, ProblemKind, ReportProblem } from './scan-types.js'
import type { JournalIdentity } from './segment-header.js'
import { TermRuns } from './term-runs.js'

const KIND_AT = 1
const MEMBERSHIP_KIND = 2
const CLUSTER_ID_AT = 32
const PREVIOUS_CHAIN_AT = 112
const CHAIN_AT = 144
const CLUSTER_ID_BYTES = 16

export const NO_HARD_STATE: HardState = { epoch: 0 as Epoch, term: 0 as Term, votedFor: null }

export interface ReplayOptions {
  /** Where the journal begins. */
  readonly start: Pick<StoredBase, 'base' | 'firstNext'>
  /** Reads an entry's header; null where it cannot be read. */
  readonly readHeader: (position: EntryPosition) => Promise<Uint8Array | null>
  /** Take in what a frame with problems says (the tools do), or leave it out as a whole. */
  readonly keepDamaged: boolean
  /** Sees every entry that joins: where its header begins and its body ends in `bytes`. */
  readonly onEntry?: (bytes: Buffer, start: number, end: number, report: ReportProblem) => void
}

/** What one frame changes; kept apart until all of the frame is known to be sound. */
type Change =
  | {
      readonly kind: 'entry'
      readonly index: number
      readonly epoch: number
      readonly term: number
      readonly position: EntryPosition
      /** The configuration that it brings; null for all other entries. */
      readonly membership: Membership | null
    }
  | { readonly kind: 'truncate'; readonly from: number }
  | { readonly kind: 'hardState'; readonly hardState: HardState }

/** A chain value that has to be compared with one that is no longer in memory. */
interface ChainDebt {
  readonly before: EntryPosition
  readonly previousChain: Uint8Array
  readonly index: number
}

export class JournalReplay implements FrameVisitor {
  /** Entries after the base. */
  readonly positions: PositionMap
  readonly terms = new TermRuns()
  /** For each segment, oldest first, the index that came next when it began. */
  readonly segmentStarts = new Map<number, number>()
  hardState: HardState = NO_HARD_STATE
  /** The last frame was the seal of a clean stop. */
  cleanStop = false
  readonly #options: ReplayOptions
  readonly #chain: Buffer
  /** `behind`: not in memory, but of an entry on disk. `lost`: damage lies before. */
  #chainState: 'known' | 'behind' | 'lost'
  #clusterId: Uint8Array | null = null
  #next: number
  #memberships: MembershipRecord[] = []
  #indexLost = false
  #changes: Change[] = []
  #debts: ChainDebt[] = []
  #sound = true

  constructor(options: ReplayOptions) {
    this.#options = options
    const { base, firstNext } = options.start
    this.positions = new PositionMap(base.index + 1)
    this.#next = firstNext
    this.#chain = Buffer.from(base.chain)
    // The first kept segment may follow an entry that is gone, or one that was truncated later.
    this.#chainState = base.index === 0 ? 'known' : 'lost'
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
    this.#chainState = 'lost'
    this.#indexLost = true
  }

  /** A log whose sound part ends below its base goes on at the base: a snapshot covers what is between. */
  onResumption(): void {
    const { base } = this.#options.start
    if (this.#next > base.index) return
    this.#next = base.index + 1
    this.#chain.set(base.chain)
    this.#chainState = 'known'
  }

  /** After the last frame: whether the log reaches its base and follows from it. */
  async closingProblem(): Promise<ProblemKind | null> {
    const { base } = this.#options.start
    if (this.#next <= base.index) return 'provenLost'
    const first = this.positions.get(base.index + 1)
    if (first === undefined) {
      const atBase = this.#next === base.index + 1 && this.#chainState === 'known'
      return atBase && Buffer.compare(this.#chain, base.chain) !== 0 ? 'chainBroken' : null
    }
    const header = await this.#options.readHeader(first)
    const follows =
      header !== null &&
      Buffer.compare(header.subarray(PREVIOUS_CHAIN_AT, PREVIOUS_CHAIN_AT + HASH_BYTES), base.chain) === 0
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
    this.#sound = true
    this.cleanStop = false
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
    if (this.#debts.length === 0) return this.#apply()
    return this.#payDebts(note).then(() => this.#apply())
  }

  #record(frame: FrameView, kind: number, start: number, end: number, report: ReportProblem): void {
    const name = recordKindName(kind)
    if (name === null || isReserved(name)) return report('recordUnknown', this.#next)
    if (name === 'entry') return this.#entry(frame, start, end, report)
    const content = frame.bytes.subarray(start, end)
    try {
      if (name === 'seal') this.cleanStop = decodeSeal(content) === 'stop'
      else if (name === 'hardState') this.#changes.push({ kind: 'hardState', hardState: decodeHardState(content) })
      else this.#truncate(decodeTruncate(content), report)
    } catch {
      report('record', this.#next)
    }
  }

  #truncate(from: number, report: ReportProblem): void {
    if (from < 1 || (from > this.#next && !this.#indexLost)) return report('entryOrder', this.#next)
    if (from < this.#next && this.#chainState !== 'lost') this.#chainState = 'behind'
    this.#next = from
    this.#changes.push({ kind: 'truncate', from })
  }

  #entry(frame: FrameView, start: number, end: number, report: ReportProblem): void {
    const { bytes } = frame
    if (
      end - start < ENTRY_HEADER_BYTES ||
      readU32(bytes, start + 12) > 0x1f_ffff ||
      readU32(bytes, start + 20) > 0x1f_ffff
    ) {
      return report('entryHeader', this.#next)
    }
    const index = readU64(bytes, start + 16)
    if (index !== this.#next) {
      const plausible = this.#indexLost && index > 0 && index - this.positions.nextIndex <= GAP_ENTRIES_MAX
      if (!this.#indexLost) report('entryOrder', this.#next)
      if (!plausible) return
    }
    const clusterId = this.#clusterId
    if (
      clusterId !== null &&
      bytes.compare(clusterId, 0, CLUSTER_ID_BYTES, start + CLUSTER_ID_AT, start + CLUSTER_ID_AT + 16) !== 0
    ) {
      report('entryForeign', index)
    }
    this.#joinChain(bytes, start, index, report)
    this.#next = index + 1
    this.#indexLost = false
    const position = {
      segment: frame.segment,
      offset: frame.offset + FRAME_HEADER_BYTES + (start - frame.payloadStart),
      length: end - start,
    }
    this.#changes.push({
      kind: 'entry',
      index,
      epoch: readU32(bytes, start + 4),
      term: readU64(bytes, start + 8),
      position,
      membership: this.#membership(bytes, start, end, index, report),
    })
    this.#options.onEntry?.(bytes, start, end, report)
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

  #joinChain(bytes: Buffer, start: number, index: number, report: ReportProblem): void {
    const at = start + PREVIOUS_CHAIN_AT
    if (this.#chainState === 'known') {
      if (bytes.compare(this.#chain, 0, HASH_BYTES, at, at + HASH_BYTES) !== 0) report('chainBroken', index)
    } else if (this.#chainState === 'behind') {
      const previousChain = Uint8Array.prototype.slice.call(bytes, at, at + HASH_BYTES)
      const before = this.#positionOf(index - 1)
      if (before !== undefined) this.#debts.push({ before, previousChain, index })
      else if (index === 1 && Buffer.compare(previousChain, GENESIS_CHAIN) !== 0) report('chainBroken', index)
    }
    bytes.copy(this.#chain, 0, start + CHAIN_AT, start + CHAIN_AT + HASH_BYTES)
    this.#chainState = 'known'
  }

  /** Where an entry lies, the changes of the present frame included. */
  #positionOf(index: number): EntryPosition | undefined {
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const change = this.#changes[i] as Change
      if (change.kind === 'entry' && change.index === index) return change.position
    }
    return this.positions.get(index)
  }

  async #payDebts(report: ReportProblem): Promise<void> {
    for (const { before, previousChain, index } of this.#debts) {
      const header = await this.#options.readHeader(before)
      const joins =
        header !== null && Buffer.compare(header.subarray(CHAIN_AT, CHAIN_AT + HASH_BYTES), previousChain) === 0
      if (!joins) report('chainBroken', index)
    }
    this.#debts = []
  }

  #apply(): void {
    if (!this.#sound && !this.#options.keepDamaged) return
    for (const change of this.#changes) {
      switch (change.kind) {
        case 'hardState':
          this.hardState = change.hardState
          break
        case 'truncate':
          this.positions.truncate(change.from)
          this.terms.truncate(change.from)
          this.#memberships = this.#memberships.filter((record) => record.index < change.from)
          break
        case 'entry':
          this.positions.truncate(change.index)
          // The snapshot at the base covers it.
          if (change.index < this.positions.firstIndex) break
          this.positions.skipTo(change.index)
          this.positions.push(change.position.segment, change.position.offset, change.position.length)
          this.terms.add(change.index, change.epoch, change.term)
          if (change.membership !== null) {
            this.#memberships.push({ index: change.index as LogIndex, membership: change.membership })
          }
          break
      }
    }
  }
}
