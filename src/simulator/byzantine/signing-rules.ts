/**
 * What must hold of signatures: of each honest member at most one statement per slot ever leaves it, over
 * all its lives. Everything that it signs is noted by its signature; what leaves is looked through.
 */
import { toHex } from '../../base/bytes.js'
import { SIGN_BYTES, SIGNATURE_BYTES } from '../../consensus/bft/statement.js'
import type { ProtocolMessage } from '../../consensus/core.js'
import type { NodeId } from '../../consensus/types.js'
import { InvariantViolation } from '../violation.js'

/** Sign bytes name the slot up to here (configuration, mode, type, epoch, view, sequence); the digests follow. */
const SLOT_FROM = 32
const SLOT_TO = 64 + 22

interface Signed {
  readonly slot: string
  readonly said: string
}

export class SigningRules {
  readonly #signed = new Map<string, Signed>()
  readonly #released = new Map<string, string>()
  /** Messages that were looked through: most go to several members. */
  readonly #seen = new WeakSet<ProtocolMessage>()
  /** Signatures made. */
  count = 0

  signed(node: NodeId, bytes: Uint8Array, signature: Uint8Array): void {
    this.count++
    if (bytes.length !== SIGN_BYTES) return
    const slot = `${node} ${toHex(bytes.subarray(SLOT_FROM, SLOT_TO))}`
    this.#signed.set(toHex(signature), { slot, said: toHex(bytes.subarray(SLOT_TO)) })
  }

  /** A message leaves an honest member. Throws `InvariantViolation`. */
  released(from: NodeId, message: ProtocolMessage): void {
    if (this.#seen.has(message)) return
    this.#seen.add(message)
    for (const signature of signaturesIn(message)) {
      const signed = this.#signed.get(toHex(signature))
      if (signed === undefined) continue
      const before = this.#released.get(signed.slot)
      if (before === undefined) this.#released.set(signed.slot, signed.said)
      else if (before !== signed.said)
        throw new InvariantViolation('neverSignsTwice', `${from} lets out a second statement for ${signed.slot}`)
    }
  }
}

/** Everything of the size of a signature in a message, at any depth. */
export function* signaturesIn(value: unknown): Generator<Uint8Array> {
  if (value instanceof Uint8Array) {
    if (value.length === SIGNATURE_BYTES) yield value
  } else if (Array.isArray(value)) {
    for (const item of value) yield* signaturesIn(item)
  } else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) yield* signaturesIn(item)
  }
}
