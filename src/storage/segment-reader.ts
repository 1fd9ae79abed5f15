/**
 * Reads entries back from segment files through read-only handles, a bounded number of which stay
 * open. Checksums were checked when the log was opened, and what was sound then may be overwritten since: the
 * header must name the index that was asked for, which catches a misdirected read, and a node relies on
 * nothing of an entry that its own hashes do not bind. Tools read what there is.
 */
import { readU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry } from '../consensus/entry.js'
import { chainMatches, digestMatches } from './entry-check.js'
import type { FileHandle, FileSystem } from './files.js'
import type { EntryPosition, PositionMap } from './position-map.js'
import { certificateBehind, RECORD_HEADER_BYTES } from './records.js'
import { segmentName } from './segment-header.js'

const HANDLES_MAX = 8
/** One read of the file spans at most this gap between two entries. */
const GAP_BYTES_MAX = 4096
/** The hard bound of one `readEntries`, whatever the caller asks for, unless a single entry is larger. */
export const READ_BYTES_MAX = 16 * 1024 * 1024

interface OpenSegment {
  readonly handle: Promise<FileHandle>
  users: number
  /** Out of the log: closed by its last user. */
  released: boolean
}

export class SegmentReader {
  readonly #files: FileSystem
  readonly #directory: string
  /** Least recently used first. */
  readonly #open = new Map<number, OpenSegment>()

  constructor(files: FileSystem, directory: string) {
    this.#files = files
    this.#directory = directory
  }

  /** Entries from `from` on, contiguous: at least one if it is in the map, at most about `maxBytes`. */
  async readEntries(positions: PositionMap, from: number, maxBytes: number): Promise<Entry[]> {
    const wanted: EntryPosition[] = []
    let bytes = 0
    for (let index = from; index < positions.nextIndex; index++) {
      const position = positions.get(index)
      if (position === undefined) break
      bytes += position.length
      if (wanted.length > 0 && bytes > Math.min(maxBytes, READ_BYTES_MAX)) break
      wanted.push(position)
    }
    const entries: Entry[] = []
    for (let first = 0; first < wanted.length; ) {
      const count = runLength(wanted, first)
      await this.#readRun(wanted.slice(first, first + count), from + first, entries)
      first += count
    }
    return entries
  }

  /** The same, of entries that are as they were written. Throws `Corrupt` at the first that is not. */
  async readSound(positions: PositionMap, from: number, maxBytes: number): Promise<Entry[]> {
    const entries = await this.readEntries(positions, from, maxBytes)
    for (const entry of entries) {
      if (chainMatches(entry) && digestMatches(entry)) continue
      throw notReadBack(entry.index, positions.get(entry.index))
    }
    return entries
  }

  /** The header of one entry; null where the file ends before it. */
  async readHeader(position: EntryPosition): Promise<Uint8Array | null> {
    const bytes = await this.#read(position.segment, position.offset, ENTRY_HEADER_BYTES)
    return bytes.length === ENTRY_HEADER_BYTES ? bytes : null
  }

  /** Lets go of segments below `first`, so that the system can free their space. */
  async release(first: number): Promise<void> {
    for (const [segment, open] of [...this.#open]) {
      if (segment >= first) continue
      this.#open.delete(segment)
      open.released = true
      if (open.users === 0) await closeOpened(open)
    }
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    for (const segment of open) await closeOpened(segment)
  }

  async #readRun(run: readonly EntryPosition[], firstIndex: number, into: Entry[]): Promise<void> {
    const first = run[0] as EntryPosition
    const last = run[run.length - 1] as EntryPosition
    // The record header before an entry says where its body ends and its certificate begins.
    const from = first.offset - RECORD_HEADER_BYTES
    const bytes = await this.#read(first.segment, from, last.offset + last.length - from)
    for (let i = 0; i < run.length; i++) {
      const position = run[i] as EntryPosition
      const start = position.offset - from
      into.push(decodeAt(bytes, start, position, firstIndex + i))
    }
  }

  async #read(segment: number, offset: number, length: number): Promise<Uint8Array> {
    const open = this.#segment(segment)
    open.users++
    try {
      // Not from the shared pool: entries live as long as their readers keep them.
      const bytes = Buffer.allocUnsafeSlow(length)
      const count = await (await open.handle).read(bytes, offset)
      return bytes.subarray(0, count)
    } finally {
      open.users--
      if (open.released && open.users === 0) await closeOpened(open)
      await this.#evict()
    }
  }

  #segment(segment: number): OpenSegment {
    let open = this.#open.get(segment)
    if (open === undefined)
      open = {
        handle: this.#files.open(`${this.#directory}/${segmentName(segment)}`, 'read'),
        users: 0,
        released: false,
      }
    this.#open.delete(segment)
    this.#open.set(segment, open)
    return open
  }

  async #evict(): Promise<void> {
    if (this.#open.size <= HANDLES_MAX) return
    for (const [segment, open] of this.#open) {
      if (open.users > 0) continue
      this.#open.delete(segment)
      return closeOpened(open)
    }
  }
}

/** A file that could not be opened needs no closing. */
async function closeOpened(open: OpenSegment): Promise<void> {
  const handle = await open.handle.catch(() => null)
  await handle?.close()
}

/** How many positions from `first` on lie together in one segment. */
function runLength(positions: readonly EntryPosition[], first: number): number {
  let previous = positions[first] as EntryPosition
  let count = 1
  for (let i = first + 1; i < positions.length; i++, count++) {
    const next = positions[i] as EntryPosition
    const gap = next.offset - (previous.offset + previous.length)
    if (next.segment !== previous.segment || gap < 0 || gap > GAP_BYTES_MAX) break
    previous = next
  }
  return count
}

function decodeAt(bytes: Uint8Array, start: number, position: EntryPosition, index: number): Entry {
  const { length } = position
  const damaged = (cause?: unknown): KnhkError => notReadBack(index, position, cause)
  const end = start + length
  const bodyAt = start + ENTRY_HEADER_BYTES
  if (end > bytes.length) throw damaged()
  const bodyEnd = start + readU32(bytes, start - 4)
  if (bodyEnd < bodyAt || bodyEnd > end) throw damaged()
  let entry: Entry
  try {
    const certificate = certificateBehind(bytes, bodyEnd, end, index)
    entry = decodeEntry(bytes.subarray(start, bodyAt), bytes.subarray(bodyAt, bodyEnd), certificate)
  } catch (error) {
    throw damaged(error)
  }
  if (entry.index !== index) throw damaged()
  return entry
}

function notReadBack(index: number, position: EntryPosition | undefined, cause?: unknown): KnhkError {
  return new KnhkError('Corrupt', `entry ${index} cannot be read back from the log`, {
    cause,
    details: { index, segment: position?.segment ?? null, offset: position?.offset ?? null },
  })
}
