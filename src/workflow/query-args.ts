/** Reads the arguments of a query from the plain object that came over the wire: typed, bounded, strict. */

import { fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from './limits.js'
import { binaryString, bytesOfBinaryString } from './state-keys.js'
import { uuidToBytes } from './uuid.js'

export type QueryArguments = Readonly<Record<string, unknown>>

const CURSOR_CHARS_MAX = 4_096

/** Every method throws `InvalidArgument` that names the argument. Absent and null are the same. */
export class ArgumentReader {
  readonly #args: QueryArguments
  readonly #read = new Set<string>()

  constructor(args: QueryArguments) {
    this.#args = args
  }

  text(name: string): string | null {
    const value = this.#take(name)
    if (value !== null && typeof value !== 'string') throw invalid(name, 'is not a text')
    return value
  }

  /** Bytes, given as bytes. */
  bytes(name: string, lengthMax: number): Uint8Array | null {
    const value = this.#take(name)
    if (value === null) return null
    if (!(value instanceof Uint8Array)) throw invalid(name, 'is not bytes')
    if (value.length > lengthMax) throw invalid(name, `is over ${lengthMax} bytes`)
    return value
  }

  requiredBytes(name: string, lengthMax: number): Uint8Array {
    const value = this.bytes(name, lengthMax)
    if (value === null || value.length === 0) throw invalid(name, 'is missing')
    return value
  }

  integer(name: string): number | null {
    const value = this.#take(name)
    if (value === null) return null
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw invalid(name, 'is not an integer from 0')
    return value
  }

  flag(name: string): boolean {
    const value = this.#take(name)
    if (value !== null && typeof value !== 'boolean') throw invalid(name, 'is neither true nor false')
    return value ?? false
  }

  /** The 16 bytes of a UUID as a binary string. */
  uuid(name: string): string | null {
    const text = this.text(name)
    return text === null ? null : binaryString(uuidToBytes(text, name))
  }

  /** Rows of a page. */
  limit(): number {
    const limit = this.integer('limit') ?? PAGE_LIMIT_DEFAULT
    if (limit < 1 || limit > PAGE_LIMIT_MAX) throw invalid('limit', `is not 1 to ${PAGE_LIMIT_MAX}`)
    return limit
  }

  /** The state key that a page ended with; must lie in [from, to), the range of the same query. */
  cursor(from: string, to: string): string | null {
    const text = this.text('cursor')
    if (text === null) return null
    if (text.length > CURSOR_CHARS_MAX) throw invalid('cursor', 'is not one that a page of this query gave')
    const key = from[0] + binaryString(fromHex(text))
    if (key < from || key >= to) throw invalid('cursor', 'is not one that a page of this query gave')
    return key
  }

  /** Throws where an argument was given that the query does not have. */
  end(): void {
    for (const name of Object.keys(this.#args))
      if (!this.#read.has(name)) throw invalid(name, 'is not an argument of this query')
  }

  #take(name: string): unknown {
    this.#read.add(name)
    return Object.hasOwn(this.#args, name) ? (this.#args[name] ?? null) : null
  }
}

/** The cursor that continues behind a state key; its space is left out. */
export function cursorOf(key: string): string {
  return toHex(bytesOfBinaryString(key, 1))
}

export function invalid(name: string, problem: string): KnhkError {
  return new KnhkError('InvalidArgument', `${name} ${problem}`, { details: { field: name } })
}
