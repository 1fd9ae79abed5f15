/**
 * Handlers of Custom operations, by name. The built-in key-value operations are handlers, and programs
 * that embed the engine add their own. A handler is deterministic: its result and its writes depend on
 * its input, the context and the state alone. The set's hash is part of the configuration hash, so
 * nodes with different handlers, or versions of them, cannot join one cluster.
 */
import { assert } from '../base/assert.js'
import { ByteWriter } from '../base/bytes.js'
import type { ClientRole } from '../consensus/configuration.js'
import type { Sha256 } from '../consensus/entry.js'
import { isHandlerName } from './names.js'
import type { Slab } from './slab.js'
import type { StatePort } from './state-keys.js'

/** What an operation sees besides its own bytes. Reused from operation to operation: never keep it. */
export interface ApplyContext {
  readonly state: StatePort
  /** Log index of the entry. */
  readonly index: number
  /** Offset of the operation in its entry. */
  readonly position: number
  /** Log time. */
  readonly nowMs: number
  /** The client: the first key that it had, 32 bytes. It stays when the key is rotated. */
  readonly actor: Uint8Array
  /** Memory for a value that is put into the state. */
  readonly slab: Slab
}

export interface Handler {
  readonly name: string
  /** Counts up with every change of meaning. */
  readonly version: number
  /** The least role that may run it. */
  readonly role: ClientRole
  /** Never writes. Its results may be large; one that writes returns at most `SMALL_RESULT_BYTES`. */
  readonly readOnly: boolean
  /**
   * Applies the data at [start, end) of `bytes`; returns a result encoded by `ok` or `rejected`. A
   * `ProtocolViolation` thrown before the first write becomes the result InvalidOperation.
   */
  apply(context: ApplyContext, bytes: Uint8Array, start: number, end: number): Uint8Array
}

interface NamedHandler {
  readonly name: Uint8Array
  readonly handler: Handler
}

/** Looks handlers up by the bytes of their name, without making a string of them. */
export class HandlerSet {
  readonly #byLength: NamedHandler[][] = []

  constructor(handlers: readonly Handler[]) {
    const names = new Set<string>()
    for (const handler of handlers) {
      assert(
        isHandlerName(handler.name) && !names.has(handler.name),
        `handler ${handler.name} has a valid name of its own`,
      )
      names.add(handler.name)
      const name = Uint8Array.from(handler.name, (char) => char.charCodeAt(0))
      this.#byLength[name.length] ??= []
      this.#byLength[name.length]?.push({ name, handler })
    }
  }

  find(bytes: Uint8Array, start: number, length: number): Handler | undefined {
    const candidates = this.#byLength[length]
    if (candidates === undefined) return undefined
    for (const { name, handler } of candidates) {
      let i = length - 1
      while (i >= 0 && name[i] === bytes[start + i]) i--
      if (i < 0) return handler
    }
    return undefined
  }
}

interface Versioned {
  readonly name: string
  readonly version: number
}

/** Hash of the names and versions of handlers and rule types, for the configuration hash; 32 bytes. */
export function hashHandlers(
  sha256: Sha256,
  handlers: readonly Versioned[],
  ruleTypes: readonly Versioned[] = [],
): Uint8Array {
  const out = new ByteWriter().text('knhk/handlers/1')
  writeVersions(out, handlers)
  if (ruleTypes.length > 0) writeVersions(out.text('rules'), ruleTypes)
  return sha256(out.finish())
}

function writeVersions(out: ByteWriter, all: readonly Versioned[]): void {
  out.u32(all.length)
  for (const { name, version } of [...all].sort((a, b) => (a.name < b.name ? -1 : 1))) out.text(name).u32(version)
}
