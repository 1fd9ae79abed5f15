/**
 * What stands beside the segments and says how to read them: the file `base`, after which the log
 * begins, and the file `repaired`, which names damage that counts no more. Both are replaced as a
 * whole, synced with their directory before anything rests on them.
 */
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { hasCode } from '../base/error.js'
import type { LogBase } from '../consensus/snapshot.js'
import { GENESIS_BASE, readBase, writeBase } from './base-codec.js'
import { type CheckedReading, readCheckedBytes, writeCheckedBytes } from './checked-bytes.js'
import type { FileSystem } from './files.js'
import { FIRST_SEGMENT, type Place } from './segment-header.js'

export const BASE_NAME = 'base'
const BASE_MAGIC = 'knhkbase'
const REPAIRED_NAME = 'repaired'
const REPAIRED_MAGIC = 'knhkrepr'
/** Places of damage in one file; each costs an operator a look at the disk. */
const PLACES_MAX = 1024

/** Where a journal resumes that found its base file damaged; no segment has this number. */
export const BASE_DAMAGED: Place = { segment: 0, offset: 1 }

/** Stands for entries that this log acknowledged and lost without a trace, as a leader knew; no segment has this number. */
export const LOST_UNSEEN: Place = { segment: 0, offset: 2 }

export interface StoredBase {
  readonly base: LogBase
  /** The first segment that belongs to the log; older ones are leftovers. */
  readonly firstSegment: number
  /** The index that came next when that segment began; at most base.index + 1. */
  readonly firstNext: number
  /** Damage not repaired yet whose traces in the segments may be gone with the older ones. */
  readonly damage: readonly Place[]
}

export interface LogStart extends StoredBase {
  readonly baseState: 'absent' | 'damaged' | 'sound'
  readonly repaired: readonly Place[]
}

const FROM_GENESIS: StoredBase = { base: GENESIS_BASE, firstSegment: FIRST_SEGMENT, firstNext: 1, damage: [] }

/** Where the log in `directory` begins. Throws `UnsupportedFormat` for a newer format. */
export async function readLogStart(files: FileSystem, directory: string): Promise<LogStart> {
  const base = decode(await readCheckedBytes(files, directory, BASE_NAME, BASE_MAGIC), decodeBase)
  const repaired = decode(await readCheckedBytes(files, directory, REPAIRED_NAME, REPAIRED_MAGIC), decodePlaces)
  return {
    ...(base.value ?? FROM_GENESIS),
    baseState: base.state,
    // Without a sound word that damage was repaired it was not.
    repaired: repaired.value ?? [],
  }
}

export function writeLogBase(files: FileSystem, directory: string, stored: StoredBase): Promise<void> {
  const out = new ByteWriter(256)
  assert(stored.firstNext <= stored.base.index + 1, 'the first segment begins at the base or before')
  writeBase(out, stored.base)
  out.u64(stored.firstSegment).u64(stored.firstNext)
  writePlaces(out, stored.damage)
  return writeCheckedBytes(files, directory, BASE_NAME, BASE_MAGIC, out.finish())
}

export function writeRepaired(files: FileSystem, directory: string, places: readonly Place[]): Promise<void> {
  const out = new ByteWriter(64)
  writePlaces(out, places)
  return writeCheckedBytes(files, directory, REPAIRED_NAME, REPAIRED_MAGIC, out.finish())
}

export function hasPlace(places: readonly Place[], place: Place): boolean {
  return places.some(({ segment, offset }) => segment === place.segment && offset === place.offset)
}

function decode<T>(
  reading: CheckedReading,
  read: (reader: ByteReader) => T | null,
): { readonly state: LogStart['baseState']; readonly value: T | null } {
  if (reading.state !== 'sound') return { state: reading.state, value: null }
  try {
    const reader = new ByteReader(reading.content)
    const value = read(reader)
    reader.end()
    return { state: value === null ? 'damaged' : 'sound', value }
  } catch (error) {
    if (!hasCode(error, 'ProtocolViolation')) throw error
    return { state: 'damaged', value: null }
  }
}

function decodeBase(reader: ByteReader): StoredBase | null {
  const base = readBase(reader)
  const stored = { base, firstSegment: reader.u64(), firstNext: reader.u64(), damage: decodePlaces(reader) }
  const plausible = stored.firstSegment >= FIRST_SEGMENT && stored.firstNext >= 1 && stored.firstNext <= base.index + 1
  return plausible ? stored : null
}

function writePlaces(out: ByteWriter, places: readonly Place[]): void {
  assert(places.length <= PLACES_MAX, 'a log has a bounded number of damaged places')
  out.u32(places.length)
  for (const { segment, offset } of places) out.u64(segment).u32(offset)
}

function decodePlaces(reader: ByteReader): Place[] {
  const count = reader.u32()
  const places: Place[] = []
  for (let i = 0; i < count; i++) places.push({ segment: reader.u64(), offset: reader.u32() })
  return places
}
