/**
 * Types of custom rules, which a program that embeds the engine registers by name beside its handlers.
 * A check is deterministic: it sees the operation, log time and the state, and writes nothing. The names
 * and versions are part of the configuration hash, like those of the handlers.
 */
import { assert } from '../../base/assert.js'
import { isHandlerName } from '../names.js'
import type { Json } from './policy.js'

/** What a rule looks at. Reused by nobody, but its bytes are views: never keep them. */
export interface RuleSubject {
  readonly type: 'CreateCase' | 'UpdateCaseState' | 'Custom'
  /** The new state of a case, the name of a Custom operation; null for CreateCase. */
  readonly detail: string | null
  /** UUID, null for a Custom operation. */
  readonly caseId: string | null
  readonly specId: string | null
  /** Data of a new case (JSON text) or of a Custom operation; null for UpdateCaseState. */
  readonly data: Uint8Array | null
  /** Key of the client, 32 bytes. */
  readonly actor: Uint8Array
  /** Log time. */
  readonly nowMs: number
}

export interface RuleType {
  readonly name: string
  /** Counts up with every change of meaning. */
  readonly version: number
  /** Why the operation violates the rule, in up to 80 characters; null when it does not. */
  check(
    subject: RuleSubject,
    params: { readonly [key: string]: Json },
    state: { get(key: string): Uint8Array | undefined },
  ): string | null
}

export class RuleTypes {
  readonly #byName = new Map<string, RuleType>()

  constructor(types: readonly RuleType[]) {
    for (const type of types) {
      assert(
        isHandlerName(type.name) && !this.#byName.has(type.name),
        `rule type ${type.name} has a valid name of its own`,
      )
      this.#byName.set(type.name, type)
    }
  }

  find(name: string): RuleType | undefined {
    return this.#byName.get(name)
  }
}
