/**
 * Fixed binary layouts without a schema library: little-endian integers of 8 to 64 bits and
 * length-prefixed bytes, over plain Uint8Array so that the pure rooms can use it too.
 * 64-bit integers are limited to 2^53 − 1: every index, term and time of ours fits a JavaScript number.
 */
import { KnhkError } from './error.js'

const TWO_32 = 0x1_0000_0000
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function writeU16(out: Uint8Array, at: number, value: number): void {
  out[at] = value
  out[at + 1] = value >>> 8
}

export function writeU32(out: Uint8Array, at: number, value: number): void {
  out[at] = value
  out[at + 1] = value >>> 8
  out[at + 2] = value >>> 16
  out[at + 3] = value >>> 24
}

/** Writes an integer of 0 … 2^53 − 1 as eight bytes. */
export function writeU64(out: Uint8Array, at: number, value: number): void {
  writeU32(out, at, value >>> 0)
  writeU32(out, at + 4, Math.floor(value / TWO_32))
}

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}

/** Reads eight bytes as an integer; over 2^53 − 1 is a `ProtocolViolation`. */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 4)
  if (high > 0x1f_ffff) throw new KnhkError('ProtocolViolation', 'an integer is over 2^53 − 1')
  return high * TWO_32 + readU32(bytes, at)
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

/** Decodes lower- or upper-case hex; throws `InvalidArgument` on anything else. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new KnhkError('InvalidArgument', 'not hexadecimal')
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return out
}

export function toUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Decodes strict UTF-8; throws `ProtocolViolation` on an invalid sequence. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new KnhkError('ProtocolViolation', 'a text is not valid UTF-8', { cause })
  }
}

/** Appends fields to a growing buffer. `finish` returns exactly the bytes written. */
export class ByteWriter {
  #buffer: Uint8Array
  #length = 0

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    const at = this.#reserve(1)
    this.#buffer[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.#reserve(2)
    writeU16(this.#buffer, at, value)
    return this
  }

  u32(value: number): this {
    const at = this.#reserve(4)
    writeU32(this.#buffer, at, value)
    return this
  }

  u64(value: number): this {
    const at = this.#reserve(8)
    writeU64(this.#buffer, at, value)
    return this
  }

  /** The bytes alone, no length before them. */
  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length)
    this.#buffer.set(bytes, at)
    return this
  }

  /** A 32-bit length, then the bytes. */
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes)
  }

  /** A 32-bit length in bytes, then UTF-8. */
  text(text: string): this {
    return this.bytes(toUtf8(text))
  }

  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length)
  }

  #reserve(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, at))
      this.#buffer = grown
    }
    this.#length = needed
    return at
  }
}

/** Reads fields strictly: running past the end, or leaving bytes behind at `end`, is a `ProtocolViolation`. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get position(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number
  }

  u16(): number {
    return readU16(this.#bytes, this.#take(2))
  }

  u32(): number {
    return readU32(this.#bytes, this.#take(4))
  }

  u64(): number {
    return readU64(this.#bytes, this.#take(8))
  }

  /** A flag byte; anything but 0 or 1 is a violation. */
  flag(): boolean {
    const value = this.u8()
    if (value > 1) throw new KnhkError('ProtocolViolation', 'a flag is neither 0 nor 1')
    return value === 1
  }

  /** A view of the next `length` bytes, not a copy. */
  raw(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  bytes(): Uint8Array {
    return this.raw(this.u32())
  }

  text(): string {
    return fromUtf8(this.bytes())
  }

  end(): void {
    if (this.remaining !== 0) throw new KnhkError('ProtocolViolation', `${this.remaining} bytes too many`)
  }

  #take(count: number): number {
    const at = this.#at
    if (count > this.#bytes.length - at) throw new KnhkError('ProtocolViolation', 'a message ends too early')
    this.#at = at + count
    return at
  }
}
