/**
 * Request ids: exactly once over several runs of a script. A session does that for one process (Ongaro's thesis,
 * section 6.3); who starts anew has another session, and names the operation itself instead. The first result of
 * an operation under a request id is kept for a day of log time, per client key, and given again, with the place
 * where it was first applied, to whoever sends the same operation under that id.
 *
 * All of it lies in the state: a record per id, a queue in the order of their expiry (log time never decreases, so
 * that is the order in which they came), and how many ids a client has. Nothing is kept in memory but the two ends
 * of the queue.
 */
import { ByteReader, ByteWriter, bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { Sha256 } from '../consensus/entry.js'
import type { ApplyContext } from './handlers.js'
import {
  EXPIRIES_PER_ENTRY_MAX,
  REQUEST_ID_TTL_MS,
  REQUEST_IDS_MAX,
  REQUEST_IDS_PER_CLIENT_MAX,
  REQUEST_RESULT_BYTES_MAX,
} from './limits.js'
import type { OnceFields } from './once-codec.js'
import * as refusals from './refusals.js'
import { keptResult, rejectionCode } from './result-codec.js'
import {
  binaryString,
  bytesOfBinaryString,
  REQUEST_ID_QUEUE_SPACE,
  REQUEST_ID_SPACE,
  readU64Key,
  type StatePort,
  u64Key,
} from './state-keys.js'

const RECORD_VERSION = 1
const CLIENT_KEY_BYTES = 32
const OWNER_KEY_CHARS = 1 + CLIENT_KEY_BYTES

/** Rejections that say nothing about the operation: the same one may be applied a moment later. */
const PASSING: readonly ErrorCode[] = ['NotPermitted', 'ResourceExhausted', 'QuotaExceeded', 'ConcurrencyLimit']

interface RequestRecord {
  /** In the queue. */
  readonly number: number
  readonly expiresAtMs: number
  /** Of the operation, 32 bytes. */
  readonly digest: Uint8Array
  readonly index: number
  readonly position: number
  readonly result: Uint8Array
}

export class RequestKeys {
  readonly #state: StatePort
  readonly #sha256: Sha256
  /** Numbers of the oldest id and of the next one; an empty queue counts from 0 again, so that a restart does not show. */
  #first = 0
  #next = 0

  constructor(state: StatePort, sha256: Sha256) {
    this.#state = state
    this.#sha256 = sha256
  }

  /** Request ids that are kept. */
  get size(): number {
    return this.#next - this.#first
  }

  /** Takes one key of the queue's space, at a restart; they come in order. */
  load(key: string): void {
    const number = readU64Key(key, 1)
    if (this.size === 0) this.#first = number
    this.#next = number + 1
  }

  /** Forgets ids whose time is over, oldest first, a bounded number per entry; `run` does not see the rest. */
  expire(nowMs: number): void {
    for (let removed = 0; removed < EXPIRIES_PER_ENTRY_MAX && this.size > 0; removed++) {
      const reader = new ByteReader(this.#stored(queueKey(this.#first)))
      if (reader.u64() > nowMs) return
      this.#remove(REQUEST_ID_SPACE + binaryString(reader.bytes()), this.#first)
    }
  }

  /**
   * The first result of the operation that `fields` names, with its place; where there is none, what `execute`
   * comes to now.
   */
  run(context: ApplyContext, body: Uint8Array, fields: OnceFields, execute: () => Uint8Array): Uint8Array {
    const { nowMs, index, position } = context
    const owner = REQUEST_ID_SPACE + binaryString(context.actor)
    const key = owner + fields.requestId
    const digest = this.#sha256(body.subarray(fields.start, fields.end))
    const stored = this.#state.get(key)
    const before = stored === undefined ? null : decodeRecord(stored)
    if (before !== null && before.expiresAtMs > nowMs) {
      if (!bytesEqual(before.digest, digest)) return refusals.requestIdReused(before.index)
      return keptResult(before.result, before.index, before.position)
    }
    if (this.size >= REQUEST_IDS_MAX || this.#countOf(owner) >= REQUEST_IDS_PER_CLIENT_MAX)
      return refusals.REQUEST_IDS_FULL
    const result = execute()
    const code = rejectionCode(result)
    // What is malformed is no operation: some of it is found by reading it, which ends before this is reached.
    if (result === refusals.MALFORMED_OPERATION || (code !== null && PASSING.includes(code))) return result
    // Only reads have more to say: nothing was written, so nothing happened.
    if (result.length > REQUEST_RESULT_BYTES_MAX) return refusals.REQUEST_RESULT_TOO_LARGE
    this.#keep(owner, key, { expiresAtMs: nowMs + REQUEST_ID_TTL_MS, digest, index, position, result })
    return result
  }

  #keep(owner: string, key: string, record: Omit<RequestRecord, 'number'>): void {
    const number = this.#next++
    const name = bytesOfBinaryString(key, 1)
    this.#state.put(queueKey(number), new ByteWriter(128).u64(record.expiresAtMs).bytes(name).finish())
    this.#state.put(key, encodeRecord({ ...record, number }))
    this.#setCount(owner, this.#countOf(owner) + 1)
  }

  /** An id that is in use again, before its old place in the queue was cleared, keeps its new record. */
  #remove(key: string, number: number): void {
    this.#state.delete(queueKey(number))
    if (decodeRecord(this.#stored(key)).number === number) this.#state.delete(key)
    const owner = key.slice(0, OWNER_KEY_CHARS)
    this.#setCount(owner, this.#countOf(owner) - 1)
    this.#first++
    if (this.size > 0) return
    this.#first = 0
    this.#next = 0
  }

  #countOf(owner: string): number {
    const stored = this.#state.get(owner)
    return stored === undefined ? 0 : new ByteReader(stored).u32()
  }

  #setCount(owner: string, count: number): void {
    if (count === 0) this.#state.delete(owner)
    else this.#state.put(owner, new ByteWriter(4).u32(count).finish())
  }

  #stored(key: string): Uint8Array {
    const value = this.#state.get(key)
    if (value === undefined) throw new KnhkError('Corrupt', 'the queue of request ids names one that is not there')
    return value
  }
}

function queueKey(number: number): string {
  return REQUEST_ID_QUEUE_SPACE + u64Key(number)
}

function encodeRecord({ number, expiresAtMs, digest, index, position, result }: RequestRecord): Uint8Array {
  const out = new ByteWriter(128).u8(RECORD_VERSION).u64(number).u64(expiresAtMs).raw(digest)
  return out.u64(index).u32(position).bytes(result).finish()
}

function decodeRecord(bytes: Uint8Array): RequestRecord {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== RECORD_VERSION)
    throw new KnhkError('Corrupt', 'the record of a request id has an unknown version')
  const times = { number: reader.u64(), expiresAtMs: reader.u64() }
  const record = {
    ...times,
    digest: reader.raw(32),
    index: reader.u64(),
    position: reader.u32(),
    result: reader.bytes(),
  }
  reader.end()
  return record
}
