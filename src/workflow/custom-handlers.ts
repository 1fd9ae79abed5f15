/**
 * Custom operations of programs that embed the engine: a deterministic function by name, over a state of
 * its own. What it writes is collected and put into the state only when it has succeeded, and lies in the
 * namespace that it names, so that it can damage neither the state of others nor half of its own.
 */
import { assert } from '../base/assert.js'
import { toUtf8 } from '../base/bytes.js'
import { type ErrorDetails, KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { ClientRole } from '../consensus/configuration.js'
import type { ApplyContext, Handler } from './handlers.js'
import { KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX, SMALL_RESULT_BYTES } from './limits.js'
import { isHandlerName } from './names.js'
import { ok, rejected } from './result-codec.js'
import { binaryString, HANDLER_SPACE } from './state-keys.js'

const TEXT_CHARS_MAX = 120
const DETAILS_MAX = 16
/** What an ok result carries beside its payload. */
const RESULT_OVERHEAD_BYTES = 5
const WRITES_MAX = 1_000

/** The state of a namespace. Keys are texts or bytes, values bytes; both are copied. */
export interface HandlerState {
  get(key: string | Uint8Array): Uint8Array | undefined
  put(key: string | Uint8Array, value: Uint8Array): void
  delete(key: string | Uint8Array): void
}

/** What a custom operation sees. Its result and writes may depend on nothing else: no clock, no randomness. */
export interface CustomCall {
  /** Of the operation, as the client sent it. */
  readonly data: Uint8Array
  readonly state: HandlerState
  /** Log index of the entry, and the place of the operation in it. */
  readonly index: number
  readonly position: number
  /** Log time. */
  readonly nowMs: number
  /** Key of the client, 32 bytes. */
  readonly actor: Uint8Array
}

export interface CustomOperation {
  readonly name: string
  /** Counts up with every change of meaning: nodes with different versions cannot join one cluster. */
  readonly version: number
  /** Shared by the operations that work on the same keys. */
  readonly namespace: string
  /** The least role that may run it. */
  readonly role: ClientRole
  /** It never writes; only then its result may have more than 155 bytes. */
  readonly readOnly: boolean
  /** Returns the payload of the result. To reject the operation it throws `reject(…)`; nothing is written then. */
  apply(call: CustomCall): Uint8Array
}

/** The rejection that a custom operation throws: a documented code, a short message, facts. */
export function reject(code: ErrorCode, message: string, details: ErrorDetails = {}): KnhkError {
  return new KnhkError(code, message, { details })
}

/** The handler that runs a custom operation. A name or namespace that is not valid is a defect of the program. */
export function customHandler(operation: CustomOperation): Handler {
  const { name, version, namespace, role, readOnly } = operation
  assert(isHandlerName(namespace), `namespace ${namespace} of ${name} has 1 to 64 printable ASCII characters`)
  const prefix = `${HANDLER_SPACE}${namespace}\0`
  return {
    name,
    version,
    role,
    readOnly,
    apply(context, bytes, start, end) {
      const state = new NamespaceState(context, prefix, readOnly ? `${name} is read-only` : null)
      const { index, position, nowMs } = context
      const call = { data: bytes.slice(start, end), state, index, position, nowMs, actor: context.actor.slice() }
      try {
        const payload = operation.apply(call)
        if (!readOnly && payload.length + RESULT_OVERHEAD_BYTES > SMALL_RESULT_BYTES) {
          return rejected('InvalidOperation', 'the result of the custom operation is too large', {
            bytes: payload.length,
          })
        }
        state.commit()
        return ok(payload)
      } catch (error) {
        // Only what the program says is a result; a defect must not pass for one.
        if (!(error instanceof KnhkError) || error.code === 'Bug') throw error
        return rejected(error.code, error.message.slice(0, TEXT_CHARS_MAX), bounded(error.details))
      }
    },
  }
}

class NamespaceState implements HandlerState {
  readonly #context: ApplyContext
  readonly #prefix: string
  readonly #forbidden: string | null
  readonly #writes = new Map<string, Uint8Array | null>()

  constructor(context: ApplyContext, prefix: string, forbidden: string | null) {
    this.#context = context
    this.#prefix = prefix
    this.#forbidden = forbidden
  }

  get(key: string | Uint8Array): Uint8Array | undefined {
    const name = this.#name(key)
    const written = this.#writes.get(name)
    if (written !== undefined) return written?.slice()
    return this.#context.state.get(name)?.slice()
  }

  put(key: string | Uint8Array, value: Uint8Array): void {
    if (value.length > KV_VALUE_BYTES_MAX)
      throw reject('InvalidOperation', `a value is over ${KV_VALUE_BYTES_MAX} bytes`)
    this.#write(key, value.slice())
  }

  delete(key: string | Uint8Array): void {
    this.#write(key, null)
  }

  commit(): void {
    for (const [name, value] of this.#writes) {
      if (value === null) this.#context.state.delete(name)
      else this.#context.state.put(name, value)
    }
  }

  #write(key: string | Uint8Array, value: Uint8Array | null): void {
    assert(this.#forbidden === null, this.#forbidden ?? '')
    const name = this.#name(key)
    if (!this.#writes.has(name) && this.#writes.size >= WRITES_MAX) {
      throw reject('InvalidOperation', `one operation writes at most ${WRITES_MAX} keys`)
    }
    this.#writes.set(name, value)
  }

  #name(key: string | Uint8Array): string {
    const bytes = typeof key === 'string' ? toUtf8(key) : key
    if (bytes.length === 0 || bytes.length > KV_KEY_BYTES_MAX) {
      throw reject('InvalidOperation', `a key has 1 to ${KV_KEY_BYTES_MAX} bytes`)
    }
    return binaryString(bytes, 0, bytes.length, this.#prefix)
  }
}

/** Details as a result can hold them: a program may say more than that. */
function bounded(details: ErrorDetails): ErrorDetails {
  const kept = Object.entries(details).slice(0, DETAILS_MAX)
  return Object.fromEntries(
    kept.map(([key, value]) => {
      const holds = typeof value !== 'string' && (typeof value !== 'number' || Number.isSafeInteger(value))
      return [key.slice(0, TEXT_CHARS_MAX / 2), holds ? value : String(value).slice(0, TEXT_CHARS_MAX)]
    }),
  )
}
