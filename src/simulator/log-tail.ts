/**
 * The last appends of a simulated log that brought entries and nothing else. A disk that loses them as if
 * they had never been written (a sync that it only claimed) leaves a log that looks sound: no checksum
 * shows it, and only a leader that remembers the acknowledgement can tell.
 */
import type { StoreRecord } from '../consensus/core.js'

export interface TailAppend {
  readonly path: string
  /** Where it begins in its file. */
  readonly start: number
  /** First entry that it brought. */
  readonly first: number
}

const APPENDS_MAX = 8

export class LogTail {
  #appends: TailAppend[] = []
  #path = ''

  /** Oldest first; all in one file, each following the one before. */
  get appends(): readonly TailAppend[] {
    return this.#appends
  }

  forget(): void {
    this.#appends = []
    this.#path = ''
  }

  /** A write is durable; `place` is where its frame is, null where that is not known. */
  note(records: readonly StoreRecord[], last: number, place: { readonly path: string; readonly start: number } | null) {
    const first = records[0]?.kind === 'entries' ? records[0].entries[0]?.index : undefined
    const follows = first === last + 1 && records.every(({ kind }) => kind === 'entries')
    // The first frame of a file repeats what the node promised: it stays.
    if (place === null || !follows || place.path !== this.#path) {
      this.#appends = []
      this.#path = place?.path ?? ''
      return
    }
    this.#appends.push({ ...place, first: first as number })
    if (this.#appends.length > APPENDS_MAX) this.#appends.shift()
  }
}
