/**
 * Makes the operations of a benchmark. The encoded form of a put is made once; only the digits of the
 * key and of the value's serial number are written anew, so that the generator does not become the
 * bottleneck.
 */
import { randomBytes } from 'node:crypto'
import { KnhkError } from '../base/error.js'
import { kvOperation } from '../workflow/kv-codec.js'
import { encodeOperation } from '../workflow/operation-codec.js'

const KEY_DIGITS = 8
const RUN_CHARS = 6
const SERIAL_DIGITS = 10
const MARKED_BYTES = RUN_CHARS + SERIAL_DIGITS
const ZERO = 48

export interface WorkloadOptions {
  readonly keys: number
  readonly valueSize: number
  readonly batch: number
  /** Keys that no earlier run has written: what a history says must start from nothing. */
  readonly ownKeys: boolean
}

export class BenchWorkload {
  readonly #options: WorkloadOptions
  readonly #template: Buffer
  readonly #keyAt: number
  /** Where the value starts; −1 when it is too short to tell values apart. */
  readonly #valueAt: number
  /** Tells the values of this run from those of an earlier one. */
  readonly #run = randomBytes(RUN_CHARS / 2).toString('hex')
  #serial = 0

  constructor(options: WorkloadOptions) {
    if (options.keys < 1 || options.keys > 10 ** KEY_DIGITS)
      throw new KnhkError('InvalidArgument', 'keys must be 1 to 100,000,000')
    this.#options = options
    const key = Buffer.from(this.#keyName(0))
    const value = Buffer.alloc(options.valueSize, 'x')
    const isMarked = value.length >= MARKED_BYTES
    if (isMarked) value.write(this.#run + '0'.repeat(SERIAL_DIGITS))
    this.#template = Buffer.from(encodeOperation(kvOperation({ operation: 'kv.put', key, value })))
    this.#keyAt = this.#template.indexOf(key) + key.length - KEY_DIGITS
    this.#valueAt = isMarked ? this.#template.lastIndexOf(this.#run) : -1
  }

  key(): string {
    return this.#keyName(this.#drawKey())
  }

  /** The encoded operations of one request; `onPut` is told what each of them stores. */
  puts(onPut: ((key: string, value: string) => void) | null): Uint8Array[] {
    const operations: Uint8Array[] = []
    for (let i = 0; i < this.#options.batch; i++) {
      const operation = Buffer.from(this.#template)
      const key = this.#drawKey()
      writeDigits(operation, this.#keyAt, KEY_DIGITS, key)
      if (this.#valueAt >= 0) writeDigits(operation, this.#valueAt + RUN_CHARS, SERIAL_DIGITS, ++this.#serial)
      operations.push(operation)
      onPut?.(this.#keyName(key), this.#newestValue())
    }
    return operations
  }

  #keyName(number: number): string {
    return `k${this.#options.ownKeys ? this.#run : ''}${String(number).padStart(KEY_DIGITS, '0')}`
  }

  #newestValue(): string {
    const { valueSize } = this.#options
    if (this.#valueAt < 0) return 'x'.repeat(valueSize)
    return (this.#run + String(this.#serial).padStart(SERIAL_DIGITS, '0')).padEnd(valueSize, 'x')
  }

  #drawKey(): number {
    return Math.floor(Math.random() * this.#options.keys)
  }
}

function writeDigits(out: Uint8Array, at: number, digits: number, number: number): void {
  let rest = number
  for (let i = digits - 1; i >= 0; i--) {
    out[at + i] = ZERO + (rest % 10)
    rest = Math.floor(rest / 10)
  }
}
