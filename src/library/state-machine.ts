/**
 * A state machine of the program's own, beside the built-in one: deterministic operations by name over a namespace
 * of keys, replicated, snapshotted and digested like everything else (Schneider, "Implementing fault-tolerant
 * services using the state machine approach", section 2). All nodes of a cluster run the same: the set is part of
 * the configuration hash.
 */
import { toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ClientRole } from '../consensus/configuration.js'
import type { Extensions } from '../node/compose.js'
import type { CustomCall } from '../workflow/custom-handlers.js'
import { isHandlerName } from '../workflow/names.js'
import type { Operation } from '../workflow/operations.js'

/**
 * What a cluster replicates: cases and their moves, policies, overlays, and `Custom` operations, the built-in
 * key-value ones and those of a `ReplicatedStateMachine`. docs/concepts.md has their meaning.
 */
export type StateMachineOp = Operation

/** One operation of a state machine. */
export interface OperationDefinition {
  /** Counts up with every change of meaning; 1 if absent. */
  readonly version?: number
  /** The least role that may run it; `writer` if absent. */
  readonly role?: ClientRole
  /** It never writes; only then its result may have more than 155 bytes. False if absent. */
  readonly readOnly?: boolean
  /**
   * Applies it and returns the payload of its result. It sees nothing but the call: no clock, no randomness. To
   * reject the operation it throws `reject(…)`, and nothing is written; any other error stops the node.
   */
  apply(call: CustomCall): Uint8Array
}

export class ReplicatedStateMachine<Name extends string = string> {
  readonly namespace: string
  readonly #definitions: Readonly<Record<Name, OperationDefinition>>

  /**
   * Operations are known in the log as `NAMESPACE.NAME`, printable ASCII without spaces, up to 64 characters.
   * Throws `InvalidArgument` for any other.
   */
  constructor(namespace: string, definitions: Readonly<Record<Name, OperationDefinition>>) {
    this.namespace = namespace
    this.#definitions = definitions
    for (const name of [namespace, ...this.#names.map((one) => this.#fullName(one))]) {
      if (!isHandlerName(name))
        throw new KnhkError('InvalidArgument', `${JSON.stringify(name)} is not 1 to 64 printable ASCII characters`)
    }
  }

  /** The operation `name` with its data, bytes or text as UTF-8, for `propose`. */
  op(name: Name, data: Uint8Array | string = new Uint8Array(0)): StateMachineOp {
    const bytes = typeof data === 'string' ? toUtf8(data) : data
    return { type: 'Custom', operation: this.#fullName(name), data: bytes }
  }

  /** What a node takes to run it, also one that is started by `startNode`. */
  get extensions(): Extensions {
    const operations = this.#names.map((name) => {
      const definition = this.#definitions[name]
      const { version = 1, role = 'writer', readOnly = false } = definition
      const apply = (call: CustomCall) => definition.apply(call)
      return { name: this.#fullName(name), version, namespace: this.namespace, role, readOnly, apply }
    })
    return { operations }
  }

  get #names(): Name[] {
    return Object.keys(this.#definitions) as Name[]
  }

  #fullName(name: Name): string {
    return `${this.namespace}.${name}`
  }
}
