/**
 * The frames between a client and a node, after the handshake; orders are in client-orders.ts. Every request carries a number chosen
 * by the client; its answer echoes it, so answers may come in any order.
 *
 * Operations travel as the request bytes of `consensus/request.ts`. Queries and their answers are
 * msgpack: nothing of them is ever hashed, signed or stored.
 */
import { ByteReader, ByteWriter, readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { type ErrorDetails, KnhkError } from '../base/error.js'
import { type ErrorCode, isErrorCode } from '../base/error-codes.js'
import type { Assurance, Mode } from '../consensus/types.js'
import { packValue, unpackRecord, unpackValue } from './msgpack.js'

export const CLIENT_FRAME = {
  propose: 0x10,
  query: 0x11,
  order: 0x12,
  applied: 0x20,
  refused: 0x21,
  answer: 0x22,
  ordered: 0x23,
  leader: 0x24,
} as const

export const TRACE_BYTES_MAX = 64
const MODES: readonly Mode[] = ['raft', 'pbft', 'hotstuff']
const ASSURANCES: readonly Assurance[] = ['quorum', 'fast', 'certified']
const READ_LEVELS = ['linearizable', 'lease', 'local', 'after'] as const
export type WireReadLevel = (typeof READ_LEVELS)[number]

/** Header of a propose frame: its trace and the request's bytes follow it. */
export const PROPOSE_HEADER_BYTES = 5

/**
 * Fills in the number of a propose frame: u32 request number, u8 trace length, the trace, the request.
 * All but the number stands there already, so that it is written once.
 */
export function writeProposeHeader(payload: Uint8Array, requestNumber: number): void {
  writeU32(payload, 0, requestNumber)
}

/** The request of a propose frame, a view. Throws `ProtocolViolation`. */
export function requestOf(payload: Uint8Array): Uint8Array {
  if (payload.length < PROPOSE_HEADER_BYTES) throw new KnhkError('ProtocolViolation', 'a propose frame is too short')
  const traceLength = payload[4] as number
  if (traceLength > TRACE_BYTES_MAX) throw new KnhkError('ProtocolViolation', 'a trace context is too long')
  const start = PROPOSE_HEADER_BYTES + traceLength
  if (start > payload.length) throw new KnhkError('ProtocolViolation', 'a propose frame ends inside its trace')
  return payload.subarray(start)
}

/** The trace context of a propose frame that `requestOf` found sound, a view; null for none. */
export function traceOf(payload: Uint8Array): Uint8Array | null {
  const traceLength = payload[4] as number
  return traceLength === 0 ? null : payload.subarray(PROPOSE_HEADER_BYTES, PROPOSE_HEADER_BYTES + traceLength)
}

/** What every answer carries. */
export interface AnswerContext {
  readonly mode: Mode
  readonly assurance: Assurance
  readonly epoch: number
}

/** u8 mode, u8 assurance, u32 epoch. */
export function writeContext(out: ByteWriter, { mode, assurance, epoch }: AnswerContext): ByteWriter {
  return out.u8(MODES.indexOf(mode)).u8(ASSURANCES.indexOf(assurance)).u32(epoch)
}

export function readContext(reader: ByteReader): AnswerContext {
  return { mode: pick(MODES, reader.u8()), assurance: pick(ASSURANCES, reader.u8()), epoch: reader.u32() }
}

const APPLIED_HEADER_BYTES = 22

/** u32 request number, u8 mode, u8 assurance, u32 epoch, u64 index, u32 first position, results. */
export function encodeApplied(
  requestNumber: number,
  context: AnswerContext,
  index: number,
  firstPosition: number,
  results: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(APPLIED_HEADER_BYTES + results.length)
  writeU32(out, 0, requestNumber)
  out[4] = MODES.indexOf(context.mode)
  out[5] = ASSURANCES.indexOf(context.assurance)
  writeU32(out, 6, context.epoch)
  writeU64(out, 10, index)
  writeU32(out, 18, firstPosition)
  out.set(results, APPLIED_HEADER_BYTES)
  return out
}

export interface AppliedFrame extends AnswerContext {
  readonly requestNumber: number
  readonly index: number
  readonly firstPosition: number
  /** Decoded by `workflow/operation-codec`. */
  readonly results: Uint8Array
}

export function decodeApplied(payload: Uint8Array): AppliedFrame {
  if (payload.length < APPLIED_HEADER_BYTES) throw new KnhkError('ProtocolViolation', 'an answer is too short')
  return {
    requestNumber: readU32(payload, 0),
    mode: pick(MODES, payload[4] as number),
    assurance: pick(ASSURANCES, payload[5] as number),
    epoch: readU32(payload, 6),
    index: readU64(payload, 10),
    firstPosition: readU32(payload, 18),
    results: payload.subarray(APPLIED_HEADER_BYTES),
  }
}

/** The number that every request and answer starts with. */
export function requestNumberOf(payload: Uint8Array): number {
  if (payload.length < 4) throw new KnhkError('ProtocolViolation', 'a frame is too short')
  return readU32(payload, 0)
}

export interface RefusedFrame {
  readonly requestNumber: number
  readonly code: ErrorCode
  readonly message: string
  /** False: certainly not applied. True: it may have been, or may still be. */
  readonly outcomeUnknown: boolean
  readonly leader: string | null
  readonly details: ErrorDetails
}

export function encodeRefused(frame: RefusedFrame): Uint8Array {
  return new ByteWriter(128)
    .u32(frame.requestNumber)
    .u8(frame.outcomeUnknown ? 1 : 0)
    .text(frame.code)
    .text(frame.message)
    .text(frame.leader ?? '')
    .bytes(packValue(frame.details))
    .finish()
}

export function decodeRefused(payload: Uint8Array): RefusedFrame {
  const reader = new ByteReader(payload)
  const requestNumber = reader.u32()
  const outcomeUnknown = reader.flag()
  const code = reader.text()
  const message = reader.text()
  const leader = reader.text()
  const details = unpackValue(reader.bytes()) as ErrorDetails
  reader.end()
  // A newer node may know codes that this client does not: keep its text, report the nearest code.
  return {
    requestNumber,
    code: isErrorCode(code) ? code : 'Bug',
    message,
    outcomeUnknown,
    leader: leader === '' ? null : leader,
    details,
  }
}

export interface QueryFrame {
  readonly requestNumber: number
  /** `after`: from the node's own state, once it has applied `minIndex`. */
  readonly read: WireReadLevel
  /** 0 for the other levels. */
  readonly minIndex: number
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

const MIN_INDEX_AT = 5

/** u32 request number, u8 read level, for `after` u64 index; text name, msgpack arguments. */
export function encodeQuery(query: Omit<QueryFrame, 'minIndex'> & Partial<QueryFrame>): Uint8Array {
  const { requestNumber, read, minIndex = 0, name, args } = query
  const out = new ByteWriter(128).u32(requestNumber).u8(READ_LEVELS.indexOf(read))
  if (read === 'after') out.u64(minIndex)
  return out.text(name).raw(packValue(args)).finish()
}

/** Sets the index of an encoded query of the level `after`: it is known only when the fence has its place. */
export function writeMinIndex(payload: Uint8Array, minIndex: number): void {
  writeU64(payload, MIN_INDEX_AT, minIndex)
}

export function decodeQuery(payload: Uint8Array): QueryFrame {
  const reader = new ByteReader(payload)
  const requestNumber = reader.u32()
  const read = pick(READ_LEVELS, reader.u8())
  const minIndex = read === 'after' ? reader.u64() : 0
  const name = reader.text()
  return { requestNumber, read, minIndex, name, args: unpackRecord(reader.raw(reader.remaining), 'query arguments') }
}

export interface QueryAnswerFrame extends AnswerContext {
  readonly requestNumber: number
  readonly index: number
  readonly staleMs: number | null
  readonly value: unknown
}

const NOT_STALE = 0xffff_ffff

export function encodeQueryAnswer(frame: QueryAnswerFrame): Uint8Array {
  const value = packValue(frame.value)
  const out = new Uint8Array(APPLIED_HEADER_BYTES + value.length)
  writeU32(out, 0, frame.requestNumber)
  out[4] = MODES.indexOf(frame.mode)
  out[5] = ASSURANCES.indexOf(frame.assurance)
  writeU32(out, 6, frame.epoch)
  writeU64(out, 10, frame.index)
  writeU32(out, 18, frame.staleMs === null ? NOT_STALE : Math.min(Math.round(frame.staleMs), NOT_STALE - 1))
  out.set(value, APPLIED_HEADER_BYTES)
  return out
}

export function decodeQueryAnswer(payload: Uint8Array): QueryAnswerFrame {
  if (payload.length <= APPLIED_HEADER_BYTES) throw new KnhkError('ProtocolViolation', 'a query answer is too short')
  const stale = readU32(payload, 18)
  return {
    requestNumber: readU32(payload, 0),
    mode: pick(MODES, payload[4] as number),
    assurance: pick(ASSURANCES, payload[5] as number),
    epoch: readU32(payload, 6),
    index: readU64(payload, 10),
    staleMs: stale === NOT_STALE ? null : stale,
    value: unpackValue(payload.subarray(APPLIED_HEADER_BYTES)),
  }
}

/** Pushed at connect and whenever it changes: u64 term, leader name (empty: none). */
export function encodeLeaderNotice(term: number, leader: string | null): Uint8Array {
  return new ByteWriter(32)
    .u64(term)
    .text(leader ?? '')
    .finish()
}

export function decodeLeaderNotice(payload: Uint8Array): { term: number; leader: string | null } {
  const reader = new ByteReader(payload)
  const term = reader.u64()
  const leader = reader.text()
  reader.end()
  return { term, leader: leader === '' ? null : leader }
}

export function pick<T>(names: readonly T[], code: number): T {
  const name = names[code]
  if (name === undefined) throw new KnhkError('ProtocolViolation', `no frame of ours: code ${code} is unknown`)
  return name
}
