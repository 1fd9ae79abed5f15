/**
 * Checks JSON text (RFC 8259) on its bytes: what passes is what JSON.parse takes, is valid UTF-8, has no
 * duplicate key in any object and is nested at most 64 deep. Case data is kept as the client's bytes, so
 * it must mean the same to every reader; `JSON.parse` alone would let the last of two equal keys win.
 */
import { fromUtf8 } from '../base/bytes.js'
import { JSON_DEPTH_MAX } from './limits.js'
import { binaryString } from './state-keys.js'

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null'

export type JsonCheck =
  | {
      readonly ok: true
      readonly kind: JsonKind
      /** Of an object or array at the top: it has no members. */
      readonly empty: boolean
      /** Of an object at the top: where each member's value stands, by key. */
      readonly members: ReadonlyMap<string, { readonly start: number; readonly end: number }>
    }
  | { readonly ok: false; readonly at: number; readonly reason: JsonFault }

export type JsonFault = 'it is not valid JSON' | 'it repeats a key' | 'it is nested too deep' | 'it is not valid UTF-8'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const ZERO = 0x30
const NINE = 0x39

/** Checks the whole of `bytes` as one JSON text. Never throws. */
export function checkJson(bytes: Uint8Array): JsonCheck {
  const scanner = new JsonScanner(bytes)
  const kind = scanner.text()
  if (kind === null) return { ok: false, at: scanner.at, reason: scanner.fault }
  if (scanner.sawNonAscii && !isUtf8(bytes)) return { ok: false, at: 0, reason: 'it is not valid UTF-8' }
  return { ok: true, kind, empty: scanner.topIsEmpty, members: scanner.members }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    fromUtf8(bytes)
    return true
  } catch {
    return false
  }
}

/** Recursive descent over bytes; every method returns false (or null) at the first fault. */
class JsonScanner {
  at = 0
  fault: JsonFault = 'it is not valid JSON'
  sawNonAscii = false
  topIsEmpty = false
  readonly members = new Map<string, { start: number; end: number }>()
  readonly #bytes: Uint8Array
  #escaped = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  text(): JsonKind | null {
    this.#space()
    const kind = this.#value(0)
    if (kind === null) return null
    this.#space()
    return this.at === this.#bytes.length ? kind : null
  }

  #value(depth: number): JsonKind | null {
    const byte = this.#bytes[this.at]
    switch (byte) {
      case 0x7b:
        return this.#object(depth + 1) ? 'object' : null
      case 0x5b:
        return this.#array(depth + 1) ? 'array' : null
      case QUOTE:
        return this.#string() ? 'string' : null
      case 0x74:
        return this.#word('true') ? 'boolean' : null
      case 0x66:
        return this.#word('false') ? 'boolean' : null
      case 0x6e:
        return this.#word('null') ? 'null' : null
      default:
        return this.#number() ? 'number' : null
    }
  }

  #object(depth: number): boolean {
    if (!this.#deepEnough(depth)) return false
    this.at++
    this.#space()
    if (this.#take(0x7d)) {
      if (depth === 1) this.topIsEmpty = true
      return true
    }
    const keys = new Set<string>()
    for (;;) {
      const keyAt = this.at
      if (!this.#string()) return false
      const key = this.#escaped
        ? unescapeKey(this.#bytes, keyAt + 1, this.at - 1)
        : binaryString(this.#bytes, keyAt + 1, this.at - 1)
      if (keys.has(key)) {
        this.at = keyAt
        this.fault = 'it repeats a key'
        return false
      }
      keys.add(key)
      this.#space()
      if (!this.#take(0x3a)) return false
      this.#space()
      const start = this.at
      if (this.#value(depth) === null) return false
      if (depth === 1) this.members.set(key, { start, end: this.at })
      this.#space()
      if (this.#take(0x7d)) return true
      if (!this.#take(0x2c)) return false
      this.#space()
    }
  }

  #array(depth: number): boolean {
    if (!this.#deepEnough(depth)) return false
    this.at++
    this.#space()
    if (this.#take(0x5d)) {
      if (depth === 1) this.topIsEmpty = true
      return true
    }
    for (;;) {
      if (this.#value(depth) === null) return false
      this.#space()
      if (this.#take(0x5d)) return true
      if (!this.#take(0x2c)) return false
      this.#space()
    }
  }

  #deepEnough(depth: number): boolean {
    if (depth <= JSON_DEPTH_MAX) return true
    this.fault = 'it is nested too deep'
    return false
  }

  /** Moves past a string; `#escaped` tells whether it holds an escape. */
  #string(): boolean {
    const bytes = this.#bytes
    if (bytes[this.at] !== QUOTE) return false
    this.#escaped = false
    let at = this.at + 1
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (byte === QUOTE) {
        this.at = at + 1
        return true
      }
      if (byte === BACKSLASH) {
        this.#escaped = true
        const length = escapeLength(bytes, at)
        if (length === 0) break
        at += length - 1
      } else if (byte < 0x20) break
      else if (byte >= 0x80) this.sawNonAscii = true
    }
    this.at = Math.min(at, bytes.length)
    return false
  }

  #number(): boolean {
    this.#take(0x2d)
    if (!this.#take(ZERO) && !this.#digits()) return false
    if (this.#take(0x2e) && !this.#digits()) return false
    if (this.#take(0x65) || this.#take(0x45)) {
      if (!this.#take(0x2b)) this.#take(0x2d)
      if (!this.#digits()) return false
    }
    return true
  }

  #digits(): boolean {
    const start = this.at
    for (;;) {
      const byte = this.#bytes[this.at]
      if (byte === undefined || byte < ZERO || byte > NINE) return this.at > start
      this.at++
    }
  }

  #word(word: string): boolean {
    for (let i = 0; i < word.length; i++) if (this.#bytes[this.at + i] !== word.charCodeAt(i)) return false
    this.at += word.length
    return true
  }

  #take(byte: number): boolean {
    if (this.#bytes[this.at] !== byte) return false
    this.at++
    return true
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.at++
    }
  }
}

const SIMPLE_ESCAPES: ReadonlyMap<number, number> = new Map([
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
])

/** Length of the escape at `at`, 0 where it is none. */
function escapeLength(bytes: Uint8Array, at: number): number {
  const next = bytes[at + 1]
  if (next === undefined) return 0
  if (SIMPLE_ESCAPES.has(next)) return 2
  return next === 0x75 && hexUnit(bytes, at + 2) >= 0 ? 6 : 0
}

/** The UTF-16 unit of four hex digits, −1 where they are none. */
function hexUnit(bytes: Uint8Array, at: number): number {
  let unit = 0
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] ?? 0
    const letter = byte | 0x20
    if (byte >= ZERO && byte <= NINE) unit = unit * 16 + byte - ZERO
    else if (letter >= 0x61 && letter <= 0x66) unit = unit * 16 + letter - 0x61 + 10
    else return -1
  }
  return unit
}

/**
 * A key with its escapes resolved, as the binary string of its UTF-8, so that two spellings of one key
 * compare equal. A lone surrogate becomes three bytes that valid UTF-8 cannot hold.
 */
function unescapeKey(bytes: Uint8Array, start: number, end: number): string {
  let key = ''
  for (let at = start; at < end; ) {
    const byte = bytes[at] as number
    if (byte !== BACKSLASH) {
      key += String.fromCharCode(byte)
      at++
      continue
    }
    const simple = SIMPLE_ESCAPES.get(bytes[at + 1] as number)
    if (simple !== undefined) {
      key += String.fromCharCode(simple)
      at += 2
      continue
    }
    const unit = hexUnit(bytes, at + 2)
    const low =
      unit >= 0xd800 && unit < 0xdc00 && bytes[at + 6] === BACKSLASH && bytes[at + 7] === 0x75
        ? hexUnit(bytes, at + 8)
        : -1
    const paired = low >= 0xdc00 && low < 0xe000
    key += utf8Chars(paired ? 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : unit)
    at += paired ? 12 : 6
  }
  return key
}

function utf8Chars(point: number): string {
  const char = String.fromCharCode
  if (point < 0x80) return char(point)
  if (point < 0x800) return char(0xc0 | (point >> 6), 0x80 | (point & 63))
  if (point < 0x1_0000) return char(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
  return char(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
}
