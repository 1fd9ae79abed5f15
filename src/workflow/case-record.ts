/**
 * A case and its history as stored bytes. Canonical: one case has one encoding, so equal states have
 * equal digests. Case: u8 version, u8 state, u8 flags (1 started, 2 completed, 4 error), u8 number of
 * duties, 16 bytes spec id, u64 created, started and completed time (0 where there is none), u64 created
 * index, u64 updated index, u32 created position, u32 data length, u32 error length, u32 updated position,
 * data, error, and for each duty, in order, u8 code and the client key of who did it last.
 * History: u8 version, u8 operation type, u8 resulting state, u64 time, 32 bytes client key, u64 index and
 * u32 position of the history record before, 0 for the first: so a purge finds all of them.
 * A purged case: u8 2, u8 state, u64 completed time, u64 index and time of the purge, 32 bytes digest.
 */
import { fromUtf8, readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { caseStateCode, caseStateOf } from './case-states.js'
import { OPERATION_TYPE } from './operation-codec.js'
import type { CaseState } from './operations.js'
import {
  binaryString,
  CASE_BY_SPEC_SPACE,
  CASE_BY_STATE_SPACE,
  CASE_BY_TIME_SPACE,
  CASE_SPACE,
  HISTORY_SPACE,
  u32Key,
  u64Key,
} from './state-keys.js'

const VERSION = 1
const FLAG_STARTED = 1
const FLAG_COMPLETED = 2
const FLAG_ERROR = 4
const PURGED_VERSION = 2
const HEADER_BYTES = 76
const HISTORY_BYTES = 55
const PURGED_BYTES = 58
const KEY_BYTES = 32
const DUTY_BYTES = 1 + KEY_BYTES

/** Who did something with a case; the code is that of the duty (see `policies/duties.ts`). */
export interface DutyHolder {
  readonly duty: number
  /** Key of the client, 32 bytes. */
  readonly actor: Uint8Array
}

export interface CaseRecord {
  readonly state: CaseState
  /** 16 bytes. */
  readonly specId: Uint8Array
  /** JSON as the client sent it. */
  readonly data: Uint8Array
  readonly createdAtMs: number
  readonly startedAtMs: number | null
  readonly completedAtMs: number | null
  /** UTF-8. */
  readonly error: Uint8Array | null
  readonly createdIndex: number
  /** With `createdIndex`, names the history record of the creation. */
  readonly createdPosition: number
  readonly updatedIndex: number
  /** With `updatedIndex`, names the newest history record. */
  readonly updatedPosition: number
  /** In order of the duties, one holder for each: whoever did it last. The creator stands in the history. */
  readonly duties: readonly DutyHolder[]
}

export function encodeCaseRecord(record: CaseRecord): Uint8Array {
  const { data, error, startedAtMs, completedAtMs, duties } = record
  const dutiesAt = HEADER_BYTES + data.length + (error?.length ?? 0)
  const out = new Uint8Array(dutiesAt + duties.length * DUTY_BYTES)
  out[0] = VERSION
  out[1] = caseStateCode(record.state)
  out[2] =
    (startedAtMs === null ? 0 : FLAG_STARTED) |
    (completedAtMs === null ? 0 : FLAG_COMPLETED) |
    (error === null ? 0 : FLAG_ERROR)
  out[3] = duties.length
  out.set(record.specId, 4)
  writeU64(out, 20, record.createdAtMs)
  writeU64(out, 28, startedAtMs ?? 0)
  writeU64(out, 36, completedAtMs ?? 0)
  writeU64(out, 44, record.createdIndex)
  writeU64(out, 52, record.updatedIndex)
  writeU32(out, 60, record.createdPosition)
  writeU32(out, 64, data.length)
  writeU32(out, 68, error?.length ?? 0)
  writeU32(out, 72, record.updatedPosition)
  out.set(data, HEADER_BYTES)
  if (error !== null) out.set(error, HEADER_BYTES + data.length)
  for (const [i, { duty, actor }] of duties.entries()) {
    out[dutiesAt + i * DUTY_BYTES] = duty
    out.set(actor, dutiesAt + i * DUTY_BYTES + 1)
  }
  return out
}

/** Decodes a stored case; byte fields are views. Throws `Corrupt`. */
export function decodeCaseRecord(bytes: Uint8Array): CaseRecord {
  const state = caseStateOf(bytes[1] ?? 255)
  const flags = bytes[2] as number
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION || state === undefined || flags > 7) {
    throw new KnhkError('Corrupt', 'a case record is malformed')
  }
  const dataEnd = HEADER_BYTES + readU32(bytes, 64)
  const errorEnd = dataEnd + readU32(bytes, 68)
  const duties = bytes[3] as number
  if (errorEnd + duties * DUTY_BYTES !== bytes.length)
    throw new KnhkError('Corrupt', 'a case record has the wrong length')
  return {
    state,
    specId: bytes.subarray(4, 20),
    data: bytes.subarray(HEADER_BYTES, dataEnd),
    createdAtMs: readU64(bytes, 20),
    startedAtMs: (flags & FLAG_STARTED) === 0 ? null : readU64(bytes, 28),
    completedAtMs: (flags & FLAG_COMPLETED) === 0 ? null : readU64(bytes, 36),
    error: (flags & FLAG_ERROR) === 0 ? null : bytes.subarray(dataEnd, errorEnd),
    createdIndex: readU64(bytes, 44),
    createdPosition: readU32(bytes, 60),
    updatedIndex: readU64(bytes, 52),
    updatedPosition: readU32(bytes, 72),
    duties: Array.from({ length: duties }, (_, i) => {
      const at = errorEnd + i * DUTY_BYTES
      return { duty: bytes[at] as number, actor: bytes.subarray(at + 1, at + DUTY_BYTES) }
    }),
  }
}

/** What is left of a case that was purged. */
export interface PurgedCase {
  readonly state: CaseState
  readonly completedAtMs: number
  readonly purgedIndex: number
  readonly purgedAtMs: number
  /** Over the id, the record and its history; 32 bytes. */
  readonly digest: Uint8Array
}

/** Whether a record of the case space is that of a purged case. */
export function isPurged(bytes: Uint8Array): boolean {
  return bytes[0] === PURGED_VERSION
}

export function encodePurgedCase(purged: PurgedCase): Uint8Array {
  const out = new Uint8Array(PURGED_BYTES)
  out[0] = PURGED_VERSION
  out[1] = caseStateCode(purged.state)
  writeU64(out, 2, purged.completedAtMs)
  writeU64(out, 10, purged.purgedIndex)
  writeU64(out, 18, purged.purgedAtMs)
  out.set(purged.digest, 26)
  return out
}

/** Throws `Corrupt`. */
export function decodePurgedCase(bytes: Uint8Array): PurgedCase {
  const state = caseStateOf(bytes[1] ?? 255)
  if (bytes.length !== PURGED_BYTES || !isPurged(bytes) || state === undefined) {
    throw new KnhkError('Corrupt', 'the record of a purged case is malformed')
  }
  return {
    state,
    completedAtMs: readU64(bytes, 2),
    purgedIndex: readU64(bytes, 10),
    purgedAtMs: readU64(bytes, 18),
    digest: bytes.subarray(26),
  }
}

export interface HistoryRecord {
  readonly operation: 'CreateCase' | 'UpdateCaseState'
  readonly state: CaseState
  readonly atMs: number
  /** Key of the client, 32 bytes. */
  readonly actor: Uint8Array
  /** Where the history record before stands; null for the creation. */
  readonly previous: { readonly index: number; readonly position: number } | null
}

export function encodeHistoryRecord(record: HistoryRecord): Uint8Array {
  const out = new Uint8Array(HISTORY_BYTES)
  out[0] = VERSION
  out[1] = record.operation === 'CreateCase' ? OPERATION_TYPE.createCase : OPERATION_TYPE.updateCaseState
  out[2] = caseStateCode(record.state)
  writeU64(out, 3, record.atMs)
  out.set(record.actor, 11)
  writeU64(out, 43, record.previous?.index ?? 0)
  writeU32(out, 51, record.previous?.position ?? 0)
  return out
}

/** Decodes a stored history record. Throws `Corrupt`. */
export function decodeHistoryRecord(bytes: Uint8Array): HistoryRecord {
  const state = caseStateOf(bytes[2] ?? 255)
  const created = bytes[1] === OPERATION_TYPE.createCase
  if (bytes.length !== HISTORY_BYTES || bytes[0] !== VERSION || state === undefined) {
    throw new KnhkError('Corrupt', 'a history record is malformed')
  }
  if (!created && bytes[1] !== OPERATION_TYPE.updateCaseState)
    throw new KnhkError('Corrupt', 'a history record names no operation')
  return {
    operation: created ? 'CreateCase' : 'UpdateCaseState',
    state,
    atMs: readU64(bytes, 3),
    actor: bytes.subarray(11, 11 + KEY_BYTES),
    previous: created ? null : { index: readU64(bytes, 43), position: readU32(bytes, 51) },
  }
}

/** Text of the error of a case. */
export function caseErrorText(record: CaseRecord): string | null {
  return record.error === null ? null : fromUtf8(record.error)
}

/** `id` is the case id as a binary string of 16 chars, in all of these. */
export function caseKey(id: string): string {
  return CASE_SPACE + id
}

export function historyKey(id: string, index: number, position: number): string {
  return HISTORY_SPACE + id + u64Key(index) + u32Key(position)
}

export function caseByStateKey(state: CaseState, createdAtMs: number, id: string): string {
  return CASE_BY_STATE_SPACE + String.fromCharCode(caseStateCode(state)) + u64Key(createdAtMs) + id
}

export function caseBySpecKey(specId: Uint8Array, createdAtMs: number, id: string): string {
  return CASE_BY_SPEC_SPACE + binaryString(specId) + u64Key(createdAtMs) + id
}

export function caseByTimeKey(createdAtMs: number, id: string): string {
  return CASE_BY_TIME_SPACE + u64Key(createdAtMs) + id
}
