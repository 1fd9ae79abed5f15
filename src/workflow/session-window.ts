/**
 * One session: its sequence numbers and the kept results of what its client has not acknowledged yet
 * (Ongaro's thesis, section 6.3). Results lie in chunks of 32 sequence numbers; a chunk is also what is
 * stored, so that a checkpoint costs what was touched, not the size of the window.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { Principal } from './roles.js'
import { SESSION_SPACE, type StatePort, u32Key, u64Key } from './state-keys.js'

const CHUNK_SLOTS = 32
const RECORD_VERSION = 1
const FIRST_SEQUENCE = 1

interface ResultChunk {
  readonly results: (Uint8Array | undefined)[]
  /** Where the operation was applied, by slot. */
  readonly indexes: number[]
  readonly positions: number[]
  live: number
  bytes: number
  dirty: boolean
  /** The store holds some version of it. */
  stored: boolean
}

export class Session {
  readonly index: number
  readonly offset: number
  readonly principal: Principal
  readonly ordered: boolean
  lastUsedMs: number
  closed = false
  /** In the table's list of sessions to write at the next checkpoint. */
  dirty = false
  /** Neighbours in the table's list by last use. */
  older: Session | null = null
  newer: Session | null = null

  readonly #stateKey: string
  readonly #chunks = new Map<number, ResultChunk>()
  #last: ResultChunk | undefined
  #lastNumber = -1
  /** Stored chunks that were dropped since the last checkpoint. */
  #dropped: number[] = []
  #stored = false
  #ackedBelow = FIRST_SEQUENCE
  #next = FIRST_SEQUENCE
  #resultBytes = 0

  constructor(index: number, offset: number, principal: Principal, ordered: boolean, nowMs: number) {
    this.index = index
    this.offset = offset
    this.principal = principal
    this.ordered = ordered
    this.lastUsedMs = nowMs
    this.#stateKey = sessionKey(index, offset)
  }

  /** Every sequence number below is answered and forgotten. */
  get ackedBelow(): number {
    return this.#ackedBelow
  }

  /** Of an ordered session: the sequence number that comes next. */
  get next(): number {
    return this.#next
  }

  get resultBytes(): number {
    return this.#resultBytes
  }

  get keptResults(): number {
    let live = 0
    for (const chunk of this.#chunks.values()) live += chunk.live
    return live
  }

  /** The kept result of a sequence number, undefined where none is kept. */
  kept(sequence: number): Uint8Array | undefined {
    return this.#chunk(Math.floor(sequence / CHUNK_SLOTS))?.results[sequence % CHUNK_SLOTS]
  }

  /** Where the operation of a kept result was applied. */
  keptPlace(sequence: number): { readonly index: number; readonly position: number } {
    const chunk = this.#chunk(Math.floor(sequence / CHUNK_SLOTS))
    const slot = sequence % CHUNK_SLOTS
    return { index: chunk?.indexes[slot] ?? 0, position: chunk?.positions[slot] ?? 0 }
  }

  keep(sequence: number, result: Uint8Array, index: number, position: number): void {
    const number = Math.floor(sequence / CHUNK_SLOTS)
    const chunk = this.#chunk(number) ?? this.#addChunk(number)
    const slot = sequence % CHUNK_SLOTS
    chunk.results[slot] = result
    chunk.indexes[slot] = index
    chunk.positions[slot] = position
    chunk.live++
    chunk.bytes += result.length
    chunk.dirty = true
    this.#resultBytes += result.length
    if (this.ordered && sequence >= this.#next) this.#next = sequence + 1
  }

  /** Moves the window forward; returns the bytes of results that are forgotten by it. */
  acknowledge(below: number): number {
    if (below <= this.#ackedBelow) return 0
    const before = this.#resultBytes
    const firstChunk = Math.floor(this.#ackedBelow / CHUNK_SLOTS)
    const lastChunk = Math.floor(below / CHUNK_SLOTS)
    if (lastChunk - firstChunk > this.#chunks.size) {
      for (const number of [...this.#chunks.keys()]) if (number < lastChunk) this.#dropChunk(number)
    } else {
      for (let number = firstChunk; number < lastChunk; number++) this.#dropChunk(number)
    }
    this.#trim(lastChunk, Math.max(0, this.#ackedBelow - lastChunk * CHUNK_SLOTS), below % CHUNK_SLOTS)
    this.#ackedBelow = below
    if (this.ordered && below > this.#next) this.#next = below
    return before - this.#resultBytes
  }

  /** Writes what changed since the last call. */
  store(state: StatePort): void {
    const out = new ByteWriter(64)
      .u8(RECORD_VERSION)
      .u8(this.ordered ? 1 : 0)
      .raw(this.principal.identity)
    out.u64(this.#ackedBelow).u64(this.#next).u64(this.lastUsedMs)
    state.put(this.#stateKey, out.finish())
    this.#stored = true
    for (const number of this.#dropped) {
      if (!this.#chunks.has(number)) state.delete(this.#stateKey + u64Key(number))
    }
    this.#dropped = []
    for (const [number, chunk] of this.#chunks) {
      if (!chunk.dirty) continue
      if (chunk.live === 0) {
        // Nothing kept, nothing stored: the same window has one encoding, however it came about.
        if (chunk.stored) state.delete(this.#stateKey + u64Key(number))
        chunk.stored = false
        this.#dropChunk(number)
        continue
      }
      state.put(this.#stateKey + u64Key(number), encodeChunk(chunk))
      chunk.dirty = false
      chunk.stored = true
    }
  }

  /** Removes everything that was stored of it. */
  erase(state: StatePort): void {
    if (!this.#stored) return
    state.delete(this.#stateKey)
    for (const number of this.#dropped) state.delete(this.#stateKey + u64Key(number))
    for (const [number, chunk] of this.#chunks) if (chunk.stored) state.delete(this.#stateKey + u64Key(number))
  }

  /** Takes the rest of the session's own record at a restart. */
  restore(ackedBelow: number, next: number): void {
    this.#ackedBelow = ackedBelow
    this.#next = next
    this.#stored = true
  }

  /** Takes a stored chunk at a restart. Throws `ProtocolViolation` where it is malformed. */
  restoreChunk(number: number, record: Uint8Array): void {
    const chunk = this.#addChunk(number)
    const reader = new ByteReader(record)
    for (let left = reader.u8(); left > 0; left--) {
      const slot = reader.u8()
      if (slot >= CHUNK_SLOTS || chunk.results[slot] !== undefined) {
        throw new KnhkError('ProtocolViolation', 'a chunk of results names a slot that it cannot have')
      }
      chunk.indexes[slot] = reader.u64()
      chunk.positions[slot] = reader.u32()
      const result = reader.bytes()
      chunk.results[slot] = result.slice()
      chunk.live++
      chunk.bytes += result.length
      this.#resultBytes += result.length
    }
    reader.end()
    chunk.stored = true
  }

  #chunk(number: number): ResultChunk | undefined {
    if (number === this.#lastNumber) return this.#last
    const chunk = this.#chunks.get(number)
    if (chunk !== undefined) {
      this.#last = chunk
      this.#lastNumber = number
    }
    return chunk
  }

  #addChunk(number: number): ResultChunk {
    const chunk: ResultChunk = {
      results: new Array<Uint8Array | undefined>(CHUNK_SLOTS).fill(undefined),
      indexes: new Array<number>(CHUNK_SLOTS).fill(0),
      positions: new Array<number>(CHUNK_SLOTS).fill(0),
      live: 0,
      bytes: 0,
      dirty: false,
      stored: false,
    }
    this.#chunks.set(number, chunk)
    this.#last = chunk
    this.#lastNumber = number
    return chunk
  }

  #dropChunk(number: number): void {
    const chunk = this.#chunks.get(number)
    if (chunk === undefined) return
    this.#chunks.delete(number)
    this.#resultBytes -= chunk.bytes
    if (chunk.stored) this.#dropped.push(number)
    if (number === this.#lastNumber) {
      this.#lastNumber = -1
      this.#last = undefined
    }
  }

  /** Forgets the slots [from, to) of one chunk. An empty one stays for the next results, until it is stored. */
  #trim(number: number, from: number, to: number): void {
    const chunk = this.#chunk(number)
    if (chunk === undefined) return
    for (let slot = from; slot < to; slot++) {
      const result = chunk.results[slot]
      if (result === undefined) continue
      chunk.results[slot] = undefined
      chunk.live--
      chunk.bytes -= result.length
      chunk.dirty = true
      this.#resultBytes -= result.length
    }
  }
}

function encodeChunk(chunk: ResultChunk): Uint8Array {
  const out = new ByteWriter(16 + 20 * chunk.live).u8(chunk.live)
  for (let slot = 0; slot < CHUNK_SLOTS; slot++) {
    const result = chunk.results[slot]
    if (result === undefined) continue
    out
      .u8(slot)
      .u64(chunk.indexes[slot] as number)
      .u32(chunk.positions[slot] as number)
      .bytes(result)
  }
  return out.finish()
}

function sessionKey(index: number, offset: number): string {
  return SESSION_SPACE + u64Key(index) + u32Key(offset)
}

/** The stored record of a session, without its results. Throws `ProtocolViolation`. */
export function decodeSessionRecord(record: Uint8Array) {
  const reader = new ByteReader(record)
  if (reader.u8() !== RECORD_VERSION)
    throw new KnhkError('ProtocolViolation', 'a session record has an unknown version')
  const ordered = reader.flag()
  const client = reader.raw(32)
  const fields = { ordered, client, ackedBelow: reader.u64(), next: reader.u64(), lastUsedMs: reader.u64() }
  reader.end()
  return fields
}
