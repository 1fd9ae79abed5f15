/**
 * Cases: one instance of a workflow each, created with its data and moved through the table of legal
 * transitions. Every applied operation leaves a history record; a rejected one changes nothing.
 */
import { ByteReader, fromUtf8, readU32, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import {
  type CaseRecord,
  caseBySpecKey,
  caseByStateKey,
  caseByTimeKey,
  caseKey,
  decodeCaseRecord,
  encodeCaseRecord,
  encodeHistoryRecord,
  type HistoryRecord,
  historyKey,
  isPurged,
} from './case-record.js'
import { CASE_STATES, caseStateCode, caseStateOf, isFinal, isLegalTransition } from './case-states.js'
import type { ApplyContext } from './handlers.js'
import { checkJson } from './json-check.js'
import { CASE_DATA_BYTES_MAX, CASE_ERROR_BYTES_MAX, JSON_DEPTH_MAX } from './limits.js'
import type { CaseState } from './operations.js'
import type { ActiveRules } from './overlays/rules.js'
import { dutyOf, withDuty } from './policies/duties.js'
import { FinishedCases } from './policies/finished-cases.js'
import { OK, rejected } from './result-codec.js'
import { binaryString, RUNNING_BY_SPEC_SPACE, type StatePort } from './state-keys.js'
import { UUID_BYTES } from './uuid.js'

const EMPTY = new Uint8Array(0)
const ADMISSION_REJECTED = rejected('AdmissionRejected', 'the case data is null or empty')
const CASE_EXISTS = rejected('CaseExists', 'a case with this id exists')
const CASE_NOT_FOUND = rejected('CaseNotFound', 'there is no case with this id')
const DATA_TOO_LARGE = rejected('InvalidOperation', `the case data is over ${CASE_DATA_BYTES_MAX} bytes`)
const DATA_NOT_OBJECT = rejected('InvalidOperation', 'the case data is not a JSON object')
const ERROR_TOO_LONG = rejected('InvalidOperation', `the error text is over ${CASE_ERROR_BYTES_MAX} bytes`)
const ERROR_WITHOUT_FAILURE = rejected('InvalidOperation', 'only a case that fails takes an error text')

/** How many cases are in each state, by state code, and how the last ones ended. Part of the replicated state. */
export class CaseCounts {
  readonly counts: number[] = CASE_STATES.map(() => 0)
  readonly finished = new FinishedCases()

  restore(counts: readonly number[]): void {
    for (let code = 0; code < this.counts.length; code++) this.counts[code] = counts[code] as number
  }

  add(state: CaseState, change: 1 | -1): void {
    const code = caseStateCode(state)
    this.counts[code] = (this.counts[code] as number) + change
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }

  /** Cases that are not finished. */
  get open(): number {
    return this.of('created') + this.of('running') + this.of('suspended')
  }

  of(state: CaseState): number {
    return this.counts[caseStateCode(state)] as number
  }
}

/** How many cases of a specification are running. */
export function runningOfSpec(state: StatePort, specId: Uint8Array): number {
  const count = state.get(binaryString(specId, 0, UUID_BYTES, RUNNING_BY_SPEC_SPACE))
  return count === undefined ? 0 : readU32(count, 0)
}

/** Applies the fields of CreateCase, which stand at [start, end). Throws `ProtocolViolation` where they are malformed. */
export function applyCreateCase(
  context: ApplyContext,
  counts: CaseCounts,
  rules: ActiveRules,
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const reader = new ByteReader(bytes.subarray(start, end))
  const id = binaryString(reader.raw(UUID_BYTES))
  const specId = reader.raw(UUID_BYTES)
  const data = reader.bytes()
  reader.end()
  const refusal = refuseData(data)
  if (refusal !== null) return refusal
  const { state, index, position, nowMs } = context
  if (state.get(caseKey(id)) !== undefined) return CASE_EXISTS
  const governed = rules.refuseNewCase(specId, data)
  if (governed !== null) return governed
  const record: CaseRecord = {
    state: 'created',
    specId,
    data,
    createdAtMs: nowMs,
    startedAtMs: null,
    completedAtMs: null,
    error: null,
    createdIndex: index,
    createdPosition: position,
    updatedIndex: index,
    updatedPosition: position,
    duties: [],
  }
  state.put(caseKey(id), encodeCaseRecord(record))
  state.put(caseByStateKey('created', nowMs, id), EMPTY)
  state.put(caseBySpecKey(specId, nowMs, id), EMPTY)
  state.put(caseByTimeKey(nowMs, id), EMPTY)
  writeHistory(context, id, 'CreateCase', 'created', null)
  counts.add('created', 1)
  return OK
}

function refuseData(data: Uint8Array): Uint8Array | null {
  if (data.length === 0) return ADMISSION_REJECTED
  if (data.length > CASE_DATA_BYTES_MAX) return DATA_TOO_LARGE
  const check = checkJson(data)
  if (!check.ok)
    return rejected('InvalidOperation', `the case data is refused: ${check.reason}`, {
      at: check.at,
      depthMax: JSON_DEPTH_MAX,
    })
  if (check.kind === 'null' || (check.kind === 'object' && check.empty)) return ADMISSION_REJECTED
  return check.kind === 'object' ? null : DATA_NOT_OBJECT
}

/** Applies the fields of UpdateCaseState, which stand at [start, end). Throws `ProtocolViolation` where they are malformed. */
export function applyUpdateCaseState(
  context: ApplyContext,
  counts: CaseCounts,
  rules: ActiveRules,
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const reader = new ByteReader(bytes.subarray(start, end))
  const id = binaryString(reader.raw(UUID_BYTES))
  const to = caseStateOf(reader.u8())
  const error = reader.flag() ? reader.bytes() : null
  reader.end()
  if (to === undefined) throw new KnhkError('ProtocolViolation', 'a case state is unknown')
  if (error !== null) {
    fromUtf8(error)
    if (error.length > CASE_ERROR_BYTES_MAX) return ERROR_TOO_LONG
    if (to !== 'failed') return ERROR_WITHOUT_FAILURE
  }
  const { state, index, position, nowMs } = context
  const stored = state.get(caseKey(id))
  if (stored === undefined || isPurged(stored)) return CASE_NOT_FOUND
  const record = decodeCaseRecord(stored)
  const from = record.state
  if (!isLegalTransition(from, to)) {
    return rejected('InvalidStateTransition', `a case cannot go from ${from} to ${to}`, { from, to })
  }
  const governed = rules.refuseTransition(record.specId, to, counts.counts[caseStateCode('running')] ?? 0)
  if (governed !== null) return governed
  const updated: CaseRecord = {
    ...record,
    state: to,
    startedAtMs: record.startedAtMs ?? (to === 'running' ? nowMs : null),
    completedAtMs: isFinal(to) ? nowMs : null,
    error,
    updatedIndex: index,
    updatedPosition: position,
    duties: withDuty(record.duties, dutyOf(from, to), context.actor),
  }
  state.put(caseKey(id), encodeCaseRecord(updated))
  state.delete(caseByStateKey(from, record.createdAtMs, id))
  state.put(caseByStateKey(to, record.createdAtMs, id), EMPTY)
  writeHistory(context, id, 'UpdateCaseState', to, { index: record.updatedIndex, position: record.updatedPosition })
  if (from === 'running') countRunning(state, record.specId, -1)
  if (to === 'running') countRunning(state, record.specId, 1)
  counts.add(from, -1)
  counts.add(to, 1)
  if (isFinal(to)) counts.finished.record(to === 'failed', nowMs)
  return OK
}

function countRunning(state: StatePort, specId: Uint8Array, change: 1 | -1): void {
  const key = binaryString(specId, 0, UUID_BYTES, RUNNING_BY_SPEC_SPACE)
  const count = runningOfSpec(state, specId) + change
  if (count === 0) {
    state.delete(key)
    return
  }
  const record = new Uint8Array(4)
  writeU32(record, 0, count)
  state.put(key, record)
}

function writeHistory(
  context: ApplyContext,
  id: string,
  operation: 'CreateCase' | 'UpdateCaseState',
  state: CaseState,
  previous: HistoryRecord['previous'],
): void {
  const record = encodeHistoryRecord({ operation, state, atMs: context.nowMs, actor: context.actor, previous })
  context.state.put(historyKey(id, context.index, context.position), record)
}
