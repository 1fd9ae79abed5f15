/** Queries about evidence that was ordered. */
import { toHex } from '../base/bytes.js'
import { decodeOrderedEvidence } from './evidence-table.js'
import { ArgumentReader, cursorOf, type QueryArguments } from './query-args.js'
import { type Pair, type Query, readPage } from './query-reads.js'
import { bytesOfBinaryString, EVIDENCE_SPACE, endOfPrefix } from './state-keys.js'

/** `{ limit?, cursor? }` → `{ evidence: [{ id (hex), index, clearedAt (null while it counts), evidence (bytes) }], cursor }`, in order of the ids. */
export function* listEvidence(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const limit = reader.limit()
  const after = reader.cursor(EVIDENCE_SPACE, endOfPrefix(EVIDENCE_SPACE))
  reader.end()
  const range = { from: EVIDENCE_SPACE, to: endOfPrefix(EVIDENCE_SPACE), reverse: false, after }
  const page = yield* readPage(range, limit, evidenceRow)
  return { evidence: page.rows, cursor: page.more && page.lastKey !== null ? cursorOf(page.lastKey) : null }
}

// biome-ignore lint/correctness/useYield: a piece needs no further read, but rows are generators
function* evidenceRow({ key, value }: Pair): Query<{ row: Record<string, unknown>; bytes: number }> {
  const { index, clearedAt, evidence } = decodeOrderedEvidence(value)
  const row = { id: toHex(bytesOfBinaryString(key, 1)), index, clearedAt: clearedAt === 0 ? null : clearedAt, evidence }
  return { row, bytes: value.length }
}
