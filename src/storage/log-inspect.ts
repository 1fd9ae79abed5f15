/**
 * `log inspect` on a data directory: read-only, on a stopped or a running node, and on a damaged log
 * as much as can still be decoded.
 */
import { toHex } from '../base/bytes.js'
import { viewOfCertificate } from '../consensus/bft/describe-certificate.js'
import { countOperations } from './count-operations.js'
import type { FileSystem } from './files.js'
import { type LogView, type LookOptions, lookAtLog, type TornTail } from './look-at-log.js'
import { walkEntries } from './walk-entries.js'

const LIMIT_DEFAULT = 100

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
  /** The view of PBFT or the round of HotStuff that certified it; null in Raft. */
  readonly view: number | null
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
  return lookAtLog(files, directory, options, async (view) => ({
    entries: await readRange(view, options),
    firstIndex: view.firstIndex,
    lastIndex: view.lastIndex,
    tornTail: view.tornTail,
  }))
}

async function readRange(view: LogView, options: InspectOptions): Promise<InspectedEntry[]> {
  const { limit = LIMIT_DEFAULT, from, to } = options
  const found: InspectedEntry[] = []
  if (limit === 0) return found
  for await (const entry of walkEntries(view, from, to)) {
    found.push({
      index: entry.index,
      epoch: entry.epoch,
      term: entry.term,
      view: viewOfCertificate(entry.certificate),
      kind: entry.kind,
      timestampMs: entry.timestampMs,
      bytes: entry.header.length + entry.body.length,
      operations: countOperations(entry.body),
      chain: toHex(entry.chain),
      batchDigest: toHex(entry.batchDigest),
    })
    if (found.length === limit) break
  }
  return found
}
