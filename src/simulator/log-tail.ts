/**
 * The last appends of a simulated log that brought entries, or votes of a Byzantine protocol, and nothing else.
 * A disk that loses them as if they had never been written (a sync that it only claimed) leaves a log that
 * looks sound: no checksum shows it, and only who remembers what this node said can tell.
 */
import type { StoreRecord } from '../consensus/core.js'

export interface TailAppend {
  readonly path: string
  /** Where it begins in its file. */
  readonly start: number
  /** First entry that it brought, or the one that would have been next. */
  readonly first: number
}

const APPENDS_MAX = 8
const LOSABLE: readonly StoreRecord['kind'][] = ['entries', 'slot', 'block', 'safety']

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
    const brought = records.flatMap((record) => (record.kind === 'entries' ? record.entries : []))
    const first = brought[0]?.index ?? last + 1
    const follows = first === last + 1 && records.every(({ kind }) => LOSABLE.includes(kind))
    // The first frame of a file repeats what the node promised: it stays.
    if (place === null || !follows || place.path !== this.#path) {
      this.#appends = []
      this.#path = place?.path ?? ''
      return
    }
    this.#appends.push({ ...place, first })
    if (this.#appends.length > APPENDS_MAX) this.#appends.shift()
  }
}
