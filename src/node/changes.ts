/**
 * Answers `changes.read`: the operations that are committed and applied on this node, from a place of the log on. The
 * caller asks again with `next`; a page may be empty before the end, because only so much of the log is read for one.
 */
import { KnhkError } from '../base/error.js'
import type { LogIndex } from '../consensus/types.js'
import { type ChangeFilter, matchesFilter } from '../workflow/change-filter.js'
import { type CommittedOperation, committedOperations } from '../workflow/committed-operations.js'
import { ArgumentReader, type QueryArguments } from '../workflow/query-args.js'
import type { LogStore } from './ports.js'

/** Of the log, for one page. */
const READ_BYTES = 1024 * 1024

interface Place {
  readonly index: number
  readonly position: number
}

export interface ChangesPage {
  readonly changes: readonly CommittedOperation[]
  /** Where the next page begins. */
  readonly next: Place
  readonly firstIndex: number
  readonly appliedIndex: number
}

/**
 * `{ index?, position?, limit?, type?, caseId?, keyPrefix? }`: from that place on, from the first entry of the log
 * without one. Throws `ChangesGone` where the log begins later, `InvalidArgument`.
 */
export async function readChanges(log: LogStore, appliedIndex: LogIndex, args: QueryArguments): Promise<ChangesPage> {
  const reader = new ArgumentReader(args)
  const asked = reader.integer('index')
  const skip = reader.integer('position') ?? 0
  const limit = reader.limit()
  const filter: ChangeFilter = {
    type: reader.text('type'),
    caseId: reader.text('caseId')?.toLowerCase() ?? null,
    keyPrefix: reader.text('keyPrefix'),
  }
  reader.end()
  const from = asked ?? log.firstIndex
  requireKept(from, log)
  const none = { changes: [], next: { index: from, position: skip }, firstIndex: log.firstIndex, appliedIndex }
  if (from > appliedIndex) return none
  const entries = await log.read(from as LogIndex, READ_BYTES)
  // The log may have been compacted while it was read.
  if (entries[0]?.index !== from) requireKept(from, log)
  const changes: CommittedOperation[] = []
  let next: Place = none.next
  for (const entry of entries) {
    if (entry.index > appliedIndex) break
    for (const one of committedOperations(entry)) {
      if (one.index === from && one.position < skip) continue
      if (changes.length === limit) return { ...none, changes, next: { index: one.index, position: one.position } }
      if (matchesFilter(one, filter)) changes.push(one)
    }
    next = { index: entry.index + 1, position: 0 }
  }
  return { ...none, changes, next }
}

function requireKept(from: number, { firstIndex }: LogStore): void {
  if (from >= firstIndex) return
  throw new KnhkError(
    'ChangesGone',
    `the log of this node begins at ${firstIndex}: what was at ${from} is compacted away`,
    {
      details: { index: from, firstIndex },
    },
  )
}
