/**
 * Entries of a result that the own log lacks, as others gave them. The first good copy of an entry stays: a later
 * one can only say something else where the chain binds nothing.
 */
import { toHex } from '../../base/bytes.js'
import type { Entry } from '../entry.js'
import type { LogIndex } from '../types.js'
import { ENTRIES_MAX } from './codec.js'

/** In memory, of results that are not decided: who lacks more is given a snapshot. */
export const FETCHED_MAX = 16_384
const FETCHED_BYTES_MAX = 256 << 20
/** In the abort record, which every vote of the hand-over writes anew and a frame has to hold. */
const STORED_BYTES_MAX = 4 << 20

export class FetchedEntries {
  /** By chain in hex. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(stored: readonly Entry[]) {
    for (const entry of stored) this.#keep(entry)
  }

  at(chain: Uint8Array): Entry | undefined {
    return this.#entries.get(toHex(chain))
  }

  /** False where there is no room for it. What is decided has to come to every log, whatever it takes. */
  add(entry: Entry, isDecided: boolean): boolean {
    const isFull = this.#entries.size >= FETCHED_MAX || this.#bytes + bytesOf(entry) > FETCHED_BYTES_MAX
    if (isFull && !isDecided) return false
    this.#keep(entry)
    return true
  }

  /** Lets go of everything else. */
  retain(wanted: readonly Entry[]): void {
    this.#entries.clear()
    this.#bytes = 0
    for (const entry of wanted) this.#keep(entry)
  }

  /**
   * What is written down before a vote: of what is wanted, the end of a result first, for what lies lower is the likelier
   * to be certified, and then it is on the disks of a quorum. What does not fit is fetched again after a crash.
   */
  stored(wanted: readonly Entry[]): Entry[] {
    const stored = new Set<Entry>()
    let bytes = 0
    for (const entry of [...wanted, ...this.#entries.values()]) {
      if (stored.has(entry) || stored.size >= ENTRIES_MAX || bytes + bytesOf(entry) > STORED_BYTES_MAX) continue
      bytes += bytesOf(entry)
      stored.add(entry)
    }
    return [...stored]
  }

  /** Rows without a gap that end at `upTo`, each entry the successor of the one before; one of each branch. */
  rows(from: LogIndex, upTo: LogIndex): Entry[][] {
    const ends = [...this.#entries.values()].filter(({ index }) => index === upTo)
    return ends.map((end) => {
      const row = [end]
      for (let at = this.at(end.previousChain); at !== undefined && at.index >= from; at = this.at(at.previousChain)) {
        if (row.length >= ENTRIES_MAX) break
        row.push(at)
      }
      return row.reverse()
    })
  }

  #keep(entry: Entry): void {
    const key = toHex(entry.chain)
    if (this.#entries.has(key)) return
    this.#entries.set(key, entry)
    this.#bytes += bytesOf(entry)
  }
}

function bytesOf({ header, body, certificate }: Entry): number {
  return header.length + body.length + (certificate?.length ?? 0)
}
