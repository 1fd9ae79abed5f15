/**
 * Two logs side by side: the first index at which they part. Both are read in order, a piece at a time,
 * so memory holds the places of the entries and no bodies. A compacted log is compared from its base on,
 * whose chain value stands for everything before.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { Entry } from '../consensus/entry.js'
import type { LogBase } from '../consensus/snapshot.js'
import type { FileSystem } from './files.js'
import { readLogStart } from './log-start.js'
import { type LogView, lookAtLog } from './look-at-log.js'

const PIECE_BYTES = 1024 * 1024

/** An entry, or a base, which knows less of itself. */
export type ComparedPlace = Pick<LogBase, 'epoch' | 'term' | 'chain' | 'timestampMs'> &
  Partial<Pick<Entry, 'batchDigest' | 'kind' | 'previousChain'>>

export interface ComparedSide {
  readonly baseIndex: number
  /** Null for a log without entries, and so `lastIndex`. */
  readonly firstIndex: number | null
  readonly lastIndex: number | null
}

export type Difference = 'epoch' | 'term' | 'chain' | 'batchDigest' | 'previousChain' | 'unreadable'

export interface ComparedLogs {
  readonly a: ComparedSide
  readonly b: ComparedSide
  /** Indexes that both hold. */
  readonly from: number
  readonly to: number
  /** The first index at which they differ; null where they are equal from `from` to `to`. */
  readonly partsAt: number | null
  /** They parted earlier, in what one of them no longer holds. */
  readonly beforeCommonRange: boolean
  readonly differs: readonly Difference[]
  readonly placeA: ComparedPlace | null
  readonly placeB: ComparedPlace | null
}

/**
 * `a` and `b` are `log` directories, of stopped or running nodes. Throws `NotFound` where one holds no
 * log, or where no index is in both; `UnsupportedFormat`.
 */
export async function compareLogs(files: FileSystem, a: string, b: string): Promise<ComparedLogs> {
  return lookAtLog(files, a, {}, async (viewA) => {
    const sideA = new Side(viewA, (await readLogStart(files, a)).base)
    return lookAtLog(files, b, {}, async (viewB) =>
      compare(sideA, new Side(viewB, (await readLogStart(files, b)).base)),
    )
  })
}

async function compare(a: Side, b: Side): Promise<ComparedLogs> {
  const from = Math.max(a.base.index, b.base.index)
  const to = Math.min(a.last, b.last)
  if (from > to) {
    throw new KnhkError('NotFound', `no index is in both logs: one ends at ${to}, the other begins after ${from}`, {
      details: { aLastIndex: a.last, aBaseIndex: a.base.index, bLastIndex: b.last, bBaseIndex: b.base.index },
    })
  }
  const result = { a: a.told, b: b.told, from, to }
  for (let index = from; index <= to; index++) {
    const [placeA, placeB] = [await a.at(index), await b.at(index)]
    const differs = differences(placeA, placeB, index === from)
    if (differs.length > 0) {
      const beforeCommonRange = index === from && from > 0 && isOlder(differs, placeA, placeB)
      return { ...result, partsAt: index, beforeCommonRange, differs, placeA, placeB }
    }
  }
  return { ...result, partsAt: null, beforeCommonRange: false, differs: [], placeA: null, placeB: null }
}

function differences(a: ComparedPlace | null, b: ComparedPlace | null, first: boolean): Difference[] {
  if (a === null || b === null) return ['unreadable']
  const found: Difference[] = []
  if (a.epoch !== b.epoch) found.push('epoch')
  if (a.term !== b.term) found.push('term')
  if (!bytesEqual(a.chain, b.chain)) found.push('chain')
  if (a.batchDigest !== undefined && b.batchDigest !== undefined && !bytesEqual(a.batchDigest, b.batchDigest)) {
    found.push('batchDigest')
  }
  const both = first && a.previousChain !== undefined && b.previousChain !== undefined
  if (both && !bytesEqual(a.previousChain as Uint8Array, b.previousChain as Uint8Array)) found.push('previousChain')
  return found
}

/** Where the chain differs, it differs from here on only if what came before is known to be equal. */
function isOlder(differs: readonly Difference[], a: ComparedPlace | null, b: ComparedPlace | null): boolean {
  if (differs.includes('previousChain')) return true
  return differs.includes('chain') && (a?.previousChain === undefined || b?.previousChain === undefined)
}

class Side {
  readonly base: LogBase
  readonly last: number
  readonly told: ComparedSide
  readonly #view: LogView
  /** A run of entries that was read ahead. */
  #piece: readonly Entry[] = []

  constructor(view: LogView, base: LogBase) {
    this.#view = view
    this.base = base
    const { firstIndex, lastIndex } = view
    this.last = lastIndex ?? base.index
    this.told = { baseIndex: base.index, firstIndex, lastIndex }
  }

  /** Null where the entry cannot be read; asked for in rising order. */
  async at(index: number): Promise<ComparedPlace | null> {
    if (index === this.base.index) return this.base
    const ahead = this.#find(index)
    if (ahead !== undefined) return ahead
    const { reader, replay } = this.#view
    this.#piece = await reader.readEntries(replay.positions, index, PIECE_BYTES).catch(noEntries)
    // A damaged entry spoils the whole piece: what is before it is read alone.
    if (this.#piece.length === 0) {
      this.#piece = await reader.readEntries(replay.positions, index, 1).catch(noEntries)
    }
    return this.#find(index) ?? null
  }

  #find(index: number): Entry | undefined {
    const first = this.#piece[0]
    return first === undefined ? undefined : this.#piece[index - first.index]
  }
}

function noEntries(error: unknown): Entry[] {
  if (error instanceof KnhkError) return []
  throw error
}
