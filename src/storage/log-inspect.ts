/**
 * `log inspect` on a data directory: read-only, on a stopped or a running node, and on a damaged log
 * as much as can still be decoded.
 */
import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { countOperations } from './count-operations.js'
import type { FileSystem } from './files.js'
import { type LookOptions, lookAtLog, type TornTail } from './look-at-log.js'
import type { PositionMap } from './position-map.js'
import type { SegmentReader } from './segment-reader.js'

const LIMIT_DEFAULT = 100
const READ_BYTES = 1024 * 1024

export interface InspectOptions extends LookOptions {
  /** First index wanted; the first in the log when absent. */
  readonly from?: number
  /** Last index wanted; the last in the log when absent. */
  readonly to?: number
  /** 100. */
  readonly limit?: number
}

export interface InspectedEntry {
  readonly index: number
  readonly epoch: number
  readonly term: number
  readonly view: null
  readonly kind: string
  readonly timestampMs: number
  /** Header and body. */
  readonly bytes: number
  readonly operations: number
  readonly chain: string
  readonly batchDigest: string
}

export interface InspectedLog {
  readonly entries: readonly InspectedEntry[]
  /** Null for an empty log, and so `lastIndex`. */
  readonly firstIndex: number | null
  readonly lastIndex: number | null
  /** A half-written last frame; opening the log cuts it off. */
  readonly tornTail: TornTail | null
}

/**
 * Lists entries of the log in `directory` (the `log` directory of a node). Throws `NotFound` where
 * there is no log, `UnsupportedFormat` for a newer format.
 */
export async function inspectLog(
  files: FileSystem,
  directory: string,
  options: InspectOptions = {},
): Promise<InspectedLog> {
  return lookAtLog(files, directory, options, async ({ reader, replay, firstIndex, lastIndex, tornTail }) => ({
    entries: await readRange(reader, replay.positions, options),
    firstIndex,
    lastIndex,
    tornTail,
  }))
}

async function readRange(
  reader: SegmentReader,
  positions: PositionMap,
  options: InspectOptions,
): Promise<InspectedEntry[]> {
  const { limit = LIMIT_DEFAULT } = options
  const last = Math.min(options.to ?? Number.MAX_SAFE_INTEGER, positions.nextIndex - 1)
  const found: InspectedEntry[] = []
  for (let index = Math.max(options.from ?? 0, positions.firstIndex); index <= last && found.length < limit; ) {
    const entries = positions.get(index) === undefined ? [] : await readOrSkip(reader, positions, index)
    for (const entry of entries) {
      if (entry.index > last || found.length === limit) break
      found.push({
        index: entry.index,
        epoch: entry.epoch,
        term: entry.term,
        view: null,
        kind: entry.kind,
        timestampMs: entry.timestampMs,
        bytes: entry.header.length + entry.body.length,
        operations: countOperations(entry.body),
        chain: toHex(entry.chain),
        batchDigest: toHex(entry.batchDigest),
      })
    }
    index += Math.max(1, entries.length)
  }
  return found
}

/** What cannot be decoded is left out here; `log verify` names it. */
async function readOrSkip(
  reader: SegmentReader,
  positions: PositionMap,
  index: number,
): ReturnType<SegmentReader['readEntries']> {
  try {
    return await reader.readEntries(positions, index, READ_BYTES)
  } catch (error) {
    if (!(error instanceof KnhkError)) throw error
    return reader.readEntries(positions, index, 1).catch(() => [])
  }
}
