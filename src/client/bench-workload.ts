/**
 * Makes the operations of a benchmark. The encoded form of a put is made once and patched in place of
 * the key's digits and the value's serial number, so that the generator does not become the bottleneck.
 */
import { KnhkError } from '../base/error.js'
import { kvOperation } from '../workflow/kv-codec.js'
import { encodeOperation } from '../workflow/operation-codec.js'

const KEY_DIGITS = 8
const SERIAL_DIGITS = 16

export interface WorkloadOptions {
  readonly keys: number
  readonly valueSize: number
  readonly batch: number
}

export class BenchWorkload {
  readonly #options: WorkloadOptions
  readonly #template: Buffer
  readonly #keyAt: number
  readonly #valueAt: number
  #serial = 0
  #newestSerial = ''
  /** Of the newest put, for the history. */
  lastKey = ''

  constructor(options: WorkloadOptions) {
    if (options.keys < 1 || options.keys > 10 ** KEY_DIGITS)
      throw new KnhkError('InvalidArgument', 'keys must be 1 to 100,000,000')
    this.#options = options
    const key = Buffer.from(keyName(0))
    // Values that a checker can tell apart need room for their serial number.
    const value = Buffer.alloc(Math.max(0, options.valueSize), 'x')
    const marker = Buffer.from('knhk-bench-value')
    if (value.length >= SERIAL_DIGITS) marker.copy(value)
    this.#template = Buffer.from(encodeOperation(kvOperation({ operation: 'kv.put', key, value })))
    this.#keyAt = this.#template.indexOf(key)
    this.#valueAt = value.length >= SERIAL_DIGITS ? this.#template.indexOf(marker) : -1
  }

  /** Value of the newest put; made on demand, because only a history needs it. */
  get lastValue(): string {
    return this.#newestSerial + 'x'.repeat(this.#options.valueSize - this.#newestSerial.length)
  }

  key(): string {
    return keyName(Math.floor(Math.random() * this.#options.keys))
  }

  /** The encoded operations of one request. */
  puts(slot: number): Uint8Array[] {
    const operations: Uint8Array[] = []
    for (let i = 0; i < this.#options.batch; i++) {
      const operation = Buffer.from(this.#template)
      this.lastKey = this.key()
      operation.write(this.lastKey, this.#keyAt, 'latin1')
      if (this.#valueAt >= 0) {
        const serial = `${slot.toString(36)}-${(this.#serial++).toString(36)}`.padEnd(SERIAL_DIGITS, '.')
        operation.write(serial, this.#valueAt, 'latin1')
        this.#newestSerial = serial
      }
      operations.push(operation)
    }
    return operations
  }
}

function keyName(number: number): string {
  return `k${String(number).padStart(KEY_DIGITS, '0')}`
}
