/** Queries about cases: one case, cases by state, spec and time, and the history of a case. */
import { fromUtf8, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import {
  type CaseRecord,
  caseErrorText,
  caseKey,
  decodeCaseRecord,
  decodeHistoryRecord,
  decodePurgedCase,
  isPurged,
} from './case-record.js'
import { caseStateCode, isCaseState } from './case-states.js'
import type { CaseState } from './operations.js'
import { ArgumentReader, cursorOf, invalid, type QueryArguments } from './query-args.js'
import { type Pair, type Query, type RangeOptions, readKey, readPage } from './query-reads.js'
import type { ClientTable } from './roles.js'
import {
  binaryString,
  bytesOfBinaryString,
  CASE_BY_SPEC_SPACE,
  CASE_BY_STATE_SPACE,
  CASE_BY_TIME_SPACE,
  endOfPrefix,
  HISTORY_SPACE,
  readU32Key,
  readU64Key,
  u64Key,
} from './state-keys.js'
import { UUID_BYTES, uuidFromBytes } from './uuid.js'

/** What `case.list` says of a case; `case.get` adds the data. */
function summary(id: string, record: CaseRecord) {
  return {
    caseId: uuidFromBytes(bytesOfBinaryString(id)),
    specId: uuidFromBytes(record.specId),
    state: record.state,
    createdAtMs: record.createdAtMs,
    startedAtMs: record.startedAtMs,
    completedAtMs: record.completedAtMs,
    error: caseErrorText(record),
    createdIndex: record.createdIndex,
    updatedIndex: record.updatedIndex,
  }
}

/**
 * `{ caseId }` → the case, `data` as its JSON text. Throws `CaseNotFound`, for a purged case with what is
 * left of it in the details, and `InvalidArgument`.
 */
export function* getCase(args: QueryArguments): Query {
  const id = requiredCaseId(args)
  const stored = yield* readKey(caseKey(id))
  if (stored === undefined) throw caseNotFound(id)
  if (isPurged(stored)) throw casePurged(id, stored)
  const record = decodeCaseRecord(stored)
  return { ...summary(id, record), data: fromUtf8(record.data) }
}

/**
 * `{ state?, specId?, fromMs?, toMs?, limit?, reverse?, cursor? }` → `{ cases, cursor }`, in order of
 * creation; `cursor` null means that there is no more. A page may be short, and empty, before that.
 */
export function* listCases(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const state = reader.text('state')
  if (state !== null && !isCaseState(state)) throw invalid('state', 'is not a state of a case')
  const specId = reader.uuid('specId')
  const fromMs = reader.integer('fromMs')
  const toMs = reader.integer('toMs')
  const limit = reader.limit()
  const reverse = reader.flag('reverse')
  const prefix = indexPrefix(state, specId)
  const from = prefix + (fromMs === null ? '' : u64Key(fromMs))
  const to = toMs === null ? endOfPrefix(prefix) : prefix + u64Key(toMs)
  const range: RangeOptions = { from, to, reverse, after: reader.cursor(prefix, endOfPrefix(prefix)) }
  reader.end()
  const page = yield* readPage(range, limit, (pair) => caseRow(pair, state, specId))
  return { cases: page.rows, cursor: page.more && page.lastKey !== null ? cursorOf(page.lastKey) : null }
}

function indexPrefix(state: CaseState | null, specId: string | null): string {
  if (specId !== null) return CASE_BY_SPEC_SPACE + specId
  return state === null ? CASE_BY_TIME_SPACE : CASE_BY_STATE_SPACE + String.fromCharCode(caseStateCode(state))
}

/** The index can be a moment older than the record: what no longer fits is left out. */
function* caseRow(pair: Pair, state: CaseState | null, specId: string | null) {
  const id = pair.key.slice(-UUID_BYTES)
  const stored = yield* readKey(caseKey(id))
  if (stored === undefined || isPurged(stored)) return { row: null, bytes: 0 }
  const record = decodeCaseRecord(stored)
  const fits = (state === null || record.state === state) && (specId === null || binaryString(record.specId) === specId)
  return { row: fits ? summary(id, record) : null, bytes: stored.length }
}

/**
 * `{ caseId, limit?, cursor? }` → `{ caseId, events: [{ index, position, operation, state, atMs, actor,
 * actorKey }], cursor }`, oldest first. Throws `CaseNotFound`, `InvalidArgument`.
 */
export function* caseHistory(args: QueryArguments, clients: ClientTable): Query {
  const reader = new ArgumentReader(args)
  const id = reader.uuid('caseId')
  if (id === null) throw invalid('caseId', 'is missing')
  const limit = reader.limit()
  const from = HISTORY_SPACE + id
  const to = endOfPrefix(from)
  const range: RangeOptions = { from, to, reverse: false, after: reader.cursor(from, to) }
  reader.end()
  const page = yield* readPage(range, limit, (pair) => historyRow(pair, clients))
  if (page.rows.length === 0 && range.after === null) throw caseNotFound(id)
  const cursor = page.more && page.lastKey !== null ? cursorOf(page.lastKey) : null
  return { caseId: uuidFromBytes(bytesOfBinaryString(id)), events: page.rows, cursor }
}

// biome-ignore lint/correctness/useYield: a row of history needs no further read, but rows are generators
function* historyRow(pair: Pair, clients: ClientTable): Query<{ row: Record<string, unknown>; bytes: number }> {
  const record = decodeHistoryRecord(pair.value)
  const row = {
    index: readU64Key(pair.key, 1 + UUID_BYTES),
    position: readU32Key(pair.key, 9 + UUID_BYTES),
    operation: record.operation,
    state: record.state,
    atMs: record.atMs,
    actor: clients.findByIdentity(record.actor)?.id ?? null,
    actorKey: toHex(record.actor),
  }
  return { row, bytes: pair.value.length }
}

function requiredCaseId(args: QueryArguments): string {
  const reader = new ArgumentReader(args)
  const id = reader.uuid('caseId')
  if (id === null) throw invalid('caseId', 'is missing')
  reader.end()
  return id
}

function caseNotFound(id: string): KnhkError {
  const caseId = uuidFromBytes(bytesOfBinaryString(id))
  return new KnhkError('CaseNotFound', `there is no case ${caseId}`, { details: { caseId } })
}

function casePurged(id: string, stored: Uint8Array): KnhkError {
  const caseId = uuidFromBytes(bytesOfBinaryString(id))
  const { state, completedAtMs, purgedIndex, purgedAtMs, digest } = decodePurgedCase(stored)
  return new KnhkError('CaseNotFound', `the case ${caseId} was purged; its digest is left`, {
    details: { caseId, state, completedAtMs, purgedIndex, purgedAtMs, digest: toHex(digest) },
  })
}
