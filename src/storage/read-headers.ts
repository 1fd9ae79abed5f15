/** Headers of a range of entries, for inspection of a running node's log. */
import type { LogIndex } from '../consensus/types.js'
import type { LogStore } from '../node/ports.js'
import { countOperations } from './count-operations.js'

const READ_BYTES = 1024 * 1024

/** At most `limit`, from `from` or where the log begins, up to and including `to`. */
export async function readHeaders(
  log: Pick<LogStore, 'read' | 'firstIndex'>,
  from: LogIndex,
  to: LogIndex,
  limit: number,
): ReturnType<LogStore['headers']> {
  const found: Awaited<ReturnType<LogStore['headers']>> = []
  let next = Math.max(from, log.firstIndex) as LogIndex
  while (next <= to && found.length < limit) {
    const entries = await log.read(next, READ_BYTES)
    if (entries.length === 0) break
    for (const entry of entries.slice(0, Math.min(limit - found.length, to - next + 1))) {
      const { header, body, certificate, ...fields } = entry
      const bytes = header.length + body.length
      found.push({ header: fields, bytes, operations: countOperations(body), certificate })
    }
    next = (next + entries.length) as LogIndex
  }
  return found
}
