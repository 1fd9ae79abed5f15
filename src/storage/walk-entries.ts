/** The entries of a log that the offline tools look at, in index order; what cannot be read is left out. */
import { KnhkError } from '../base/error.js'
import type { Entry } from '../consensus/entry.js'
import type { LogView } from './look-at-log.js'

const READ_BYTES = 1024 * 1024

/** From `from` or where the log begins, up to and including `to`. `log verify` names what is missing. */
export async function* walkEntries(
  { reader, replay: { positions } }: LogView,
  from = 0,
  to = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<Entry> {
  const last = Math.min(to, positions.nextIndex - 1)
  const read = async (index: number): Promise<Entry[]> => {
    if (positions.get(index) === undefined) return []
    return (
      (await reader.readEntries(positions, index, READ_BYTES).catch(noEntries)) ??
      // A damaged entry spoils the whole piece: what is before it is read alone.
      (await reader.readEntries(positions, index, 1).catch(noEntries)) ??
      []
    )
  }
  for (let index = Math.max(from, positions.firstIndex); index <= last; ) {
    const entries = await read(index)
    for (const entry of entries) if (entry.index <= last) yield entry
    index += Math.max(1, entries.length)
  }
}

function noEntries(error: unknown): null {
  if (error instanceof KnhkError) return null
  throw error
}
