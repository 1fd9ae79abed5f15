/**
 * Results of operations as bytes: what apply produces, what sessions keep and what a client is answered
 * are the same bytes. Most are one shared constant of one byte.
 *
 * One result: u8 status; 0 = ok without payload; 1 = ok: u32 length, payload; 2 = rejected: u8 length
 * and code, u16 length and message, u8 count and the details in key order (u8 length and key, u8 type,
 * value: 0 null, 1 false, 2 true, 3 integer as sign byte and u64, 4 text as u16 length and UTF-8).
 * 3 = ok with warnings: u8 how many, u8 how many follow, each u8 enforcement, u8 length and policy id; then
 * the result 0 or 1.
 * Results of a request: u16 count, then per operation the result; the status byte has bit 7 set and is
 * followed by u64 index and u32 position where the result is the kept one of an earlier request.
 */
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter, concatBytes, fromUtf8, toUtf8, writeU16, writeU32, writeU64 } from '../base/bytes.js'
import { type ErrorDetails, KnhkError } from '../base/error.js'
import { type ErrorCode, isErrorCode } from '../base/error-codes.js'
import { SMALL_RESULT_BYTES } from './limits.js'
import type { OperationResult, ResultWarning } from './operations.js'
import type { Enforcement } from './policies/policy.js'

const STATUS_OK = 0
const STATUS_PAYLOAD = 1
const STATUS_REJECTED = 2
const STATUS_WARNED = 3
const ENFORCEMENTS: readonly Enforcement[] = ['Mandatory', 'Warning', 'Advisory']
const FLAG_KEPT = 0x80
const KEPT_POSITION_BYTES = 12

const DETAIL_NULL = 0
const DETAIL_FALSE = 1
const DETAIL_TRUE = 2
const DETAIL_INTEGER = 3
const DETAIL_TEXT = 4
const MESSAGE_BYTES_MAX = 512
/** Room for warnings beside a large result. */
const WARNINGS_BYTES_MIN = 80

export const OK: Uint8Array = new Uint8Array([STATUS_OK])
const NO_PAYLOAD = new Uint8Array(0)

/** An encoded ok result. */
export function ok(payload: Uint8Array): Uint8Array {
  if (payload.length === 0) return OK
  const out = new Uint8Array(5 + payload.length)
  out[0] = STATUS_PAYLOAD
  writeU32(out, 1, payload.length)
  out.set(payload, 5)
  return out
}

/** An encoded rejection. The message is short, and the same on every node: it is part of the state. */
export function rejected(code: ErrorCode, message: string, details: ErrorDetails = {}): Uint8Array {
  const text = toUtf8(message)
  assert(text.length <= MESSAGE_BYTES_MAX, 'the message of a rejection is short')
  const out = new ByteWriter(128).u8(STATUS_REJECTED).u8(code.length).raw(toUtf8(code)).u16(text.length).raw(text)
  const keys = Object.keys(details).sort()
  out.u8(keys.length)
  for (const key of keys) {
    const name = toUtf8(key)
    assert(name.length < 256, 'the name of a detail is short')
    writeDetail(out.u8(name.length).raw(name), details[key] ?? null)
  }
  return out.finish()
}

/** An ok result with the warnings that fit beside it into a small result; the others are counted. */
export function warned(result: Uint8Array, warnings: readonly ResultWarning[]): Uint8Array {
  const room = Math.max(SMALL_RESULT_BYTES - result.length, WARNINGS_BYTES_MIN)
  const out = new ByteWriter(SMALL_RESULT_BYTES)
  let fit = 0
  for (const { policyId, enforcement } of warnings) {
    if (3 + out.length + 2 + policyId.length > room) break
    out.u8(ENFORCEMENTS.indexOf(enforcement)).u8(policyId.length).raw(toUtf8(policyId))
    fit++
  }
  const head = new Uint8Array([STATUS_WARNED, Math.min(255, warnings.length), fit])
  return concatBytes([head, out.finish(), result])
}

function writeDetail(out: ByteWriter, value: string | number | boolean | null): void {
  if (value === null) out.u8(DETAIL_NULL)
  else if (typeof value === 'boolean') out.u8(value ? DETAIL_TRUE : DETAIL_FALSE)
  else if (typeof value === 'number') {
    assert(Number.isSafeInteger(value), 'a number in the state is an integer')
    out
      .u8(DETAIL_INTEGER)
      .u8(value < 0 ? 1 : 0)
      .u64(Math.abs(value))
  } else {
    const text = toUtf8(value)
    assert(text.length <= MESSAGE_BYTES_MAX, 'the text of a detail is short')
    out.u8(DETAIL_TEXT).u16(text.length).raw(text)
  }
}

/** Decodes one result strictly; throws `ProtocolViolation`. The payload is a view. */
export function decodeOneResult(result: Uint8Array): OperationResult {
  const reader = new ByteReader(result)
  const outcome = readResult(reader, reader.u8())
  reader.end()
  return outcome
}

function readResult(reader: ByteReader, status: number): OperationResult {
  if (status === STATUS_OK) return { ok: true, payload: NO_PAYLOAD }
  if (status === STATUS_PAYLOAD) {
    const payload = reader.bytes()
    if (payload.length === 0) throw new KnhkError('ProtocolViolation', 'an empty payload is not in its short form')
    return { ok: true, payload }
  }
  if (status === STATUS_WARNED) return readWarned(reader)
  if (status !== STATUS_REJECTED) throw new KnhkError('ProtocolViolation', `result status ${status} is unknown`)
  const code = fromUtf8(reader.raw(reader.u8()))
  if (!isErrorCode(code)) throw new KnhkError('ProtocolViolation', 'a result has an unknown code')
  const message = fromUtf8(reader.raw(reader.u16()))
  const details: Record<string, string | number | boolean | null> = {}
  let previous: string | null = null
  for (let left = reader.u8(); left > 0; left--) {
    const key = fromUtf8(reader.raw(reader.u8()))
    if (previous !== null && key <= previous) throw new KnhkError('ProtocolViolation', 'details are not in order')
    previous = key
    Object.defineProperty(details, key, {
      value: readDetail(reader),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return { ok: false, code, message, details }
}

function readWarned(reader: ByteReader): OperationResult {
  const total = reader.u8()
  const fit = reader.u8()
  if (fit > total) throw new KnhkError('ProtocolViolation', 'a result has more warnings than it says')
  const warnings = Array.from({ length: fit }, () => {
    const enforcement = ENFORCEMENTS[reader.u8()]
    if (enforcement === undefined) throw new KnhkError('ProtocolViolation', 'a warning has an unknown enforcement')
    return { policyId: fromUtf8(reader.raw(reader.u8())), enforcement }
  })
  const status = reader.u8()
  if (status > STATUS_PAYLOAD) throw new KnhkError('ProtocolViolation', 'only an ok result has warnings')
  const result = readResult(reader, status)
  if (!result.ok) throw new KnhkError('Bug', 'an ok status is no rejection')
  return { ...result, warnings, warningsLeftOut: total - fit }
}

function readDetail(reader: ByteReader): string | number | boolean | null {
  const type = reader.u8()
  if (type === DETAIL_NULL) return null
  if (type === DETAIL_FALSE) return false
  if (type === DETAIL_TRUE) return true
  if (type === DETAIL_INTEGER) {
    const negative = reader.flag()
    const magnitude = reader.u64()
    if (negative && magnitude === 0) throw new KnhkError('ProtocolViolation', 'a detail is minus zero')
    return negative ? -magnitude : magnitude
  }
  if (type !== DETAIL_TEXT) throw new KnhkError('ProtocolViolation', `detail type ${type} is unknown`)
  return fromUtf8(reader.raw(reader.u16()))
}

/** The code of one result that is a rejection; null for an ok one. */
export function rejectionCode(result: Uint8Array): ErrorCode | null {
  if (result[0] !== STATUS_REJECTED) return null
  const outcome = decodeOneResult(result)
  return outcome.ok ? null : outcome.code
}

/** Whether a result carries the place where it was first applied. */
export function isPlaced(result: Uint8Array): boolean {
  return ((result[0] as number) & FLAG_KEPT) !== 0
}

/** A kept result with the place where it was first applied, for an answer. */
export function keptResult(result: Uint8Array, index: number, position: number): Uint8Array {
  const out = new Uint8Array(result.length + KEPT_POSITION_BYTES)
  out[0] = (result[0] as number) | FLAG_KEPT
  writeU64(out, 1, index)
  writeU32(out, 9, position)
  out.set(result.subarray(1), 1 + KEPT_POSITION_BYTES)
  return out
}

const ONE_OK = new Uint8Array([1, 0, STATUS_OK])
const EMPTY_OK: OperationResult = { ok: true, payload: new Uint8Array(0) }

/** One operation, ok, nothing to say: by far the most frequent answer. */
function isOneOk(bytes: Uint8Array): boolean {
  return bytes.length === ONE_OK.length && bytes[0] === 1 && bytes[1] === 0 && bytes[2] === STATUS_OK
}

/** Joins the results of one request, in order. */
export function encodeResults(results: readonly Uint8Array[]): Uint8Array {
  if (results.length === 1 && results[0] === OK) return ONE_OK
  const count = new Uint8Array(2)
  writeU16(count, 0, results.length)
  return concatBytes([count, ...results])
}

/** One result of a request and where its operation was applied. */
export interface PlacedResult {
  readonly index: number
  readonly position: number
  readonly outcome: OperationResult
}

/**
 * Decodes the results of a request that was applied at `index`, its first operation at `firstPosition`.
 * Strict; throws `ProtocolViolation`.
 */
export function decodeResults(bytes: Uint8Array, index: number, firstPosition: number): PlacedResult[] {
  if (isOneOk(bytes)) return [{ index, position: firstPosition, outcome: EMPTY_OK }]
  const reader = new ByteReader(bytes)
  const results: PlacedResult[] = []
  const count = reader.u16()
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const status = reader.u8()
    const kept = (status & FLAG_KEPT) !== 0
    const place = kept ? { index: reader.u64(), position: reader.u32() } : { index, position: firstPosition + ordinal }
    results.push({ ...place, outcome: readResult(reader, status & ~FLAG_KEPT) })
  }
  reader.end()
  return results
}
