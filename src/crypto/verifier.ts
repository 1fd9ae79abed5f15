/**
 * The one pinned Ed25519 check. Libraries disagree on crafted signatures and Node versions disagree
 * with each other; in a replicated system that is a split. The rule, `ed25519-knhk-v1`:
 *
 * 1. The public key is admissible (`pure/public-key.ts`): canonical, not small order, torsion-free.
 * 2. The signature has 64 bytes, S < L, R is canonical and not of small order (`pure/signature-form.ts`).
 * 3. The cofactorless equation holds: the encoding of S·B − H(R | A | M)·A is R, byte for byte.
 *
 * Points 1 and 2 exclude every input on which implementations of point 3 differ, so node:crypto
 * (OpenSSL) may do the arithmetic. Malformed input of any kind is `false`, never an exception.
 */
import { createPublicKey, type KeyObject, verify as opensslVerify } from 'node:crypto'
import { spkiOfPublicKey } from './key-encoding.js'
import { publicKeyProblem } from './pure/public-key.js'
import { hasStrictForm } from './pure/signature-form.js'
import { PUBLIC_KEY_BYTES } from './pure/sizes.js'

/** Admission costs about a millisecond of curve arithmetic, so its outcome is kept per key. */
export const VERIFIER_CACHED_KEYS_MAX = 4096

export class Verifier {
  readonly #keys = new Map<string, KeyObject | null>()
  readonly #cachedKeysMax: number

  constructor(cachedKeysMax: number = VERIFIER_CACHED_KEYS_MAX) {
    this.#cachedKeysMax = cachedKeysMax
  }

  /** How many keys are remembered; never over the bound. */
  get cachedKeys(): number {
    return this.#keys.size
  }

  /** Why these bytes cannot become somebody's key; null when they can. */
  keyProblem(publicKey: Uint8Array): string | null {
    return publicKeyProblem(publicKey)
  }

  /** Checks on the calling thread: 0.12 ms on the reference machine. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    const key = this.#admit(publicKey, signature)
    return key !== null && opensslVerify(null, message, key, signature)
  }

  /**
   * Checks on the thread pool; `done` is called in a later turn, exactly once. Pays from a few checks
   * in flight on. The buffers must stay unchanged until then.
   */
  verifyAsync(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array, done: (valid: boolean) => void): void {
    const key = this.#admit(publicKey, signature)
    if (key === null) {
      setImmediate(done, false)
      return
    }
    opensslVerify(null, message, key, signature, (error, valid) => done(error === null && valid))
  }

  /** Everything of the rule but the equation. Null means invalid. */
  #admit(publicKey: Uint8Array, signature: Uint8Array): KeyObject | null {
    if (publicKey.length !== PUBLIC_KEY_BYTES || !hasStrictForm(signature)) return null
    const name = String.fromCharCode(...publicKey)
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const key = publicKeyProblem(publicKey) === null ? importKey(publicKey) : null
    if (this.#keys.size >= this.#cachedKeysMax) this.#forgetOldest()
    this.#keys.set(name, key)
    return key
  }

  #forgetOldest(): void {
    for (const oldest of this.#keys.keys()) {
      this.#keys.delete(oldest)
      return
    }
  }
}

function importKey(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(spkiOfPublicKey(publicKey)), format: 'der', type: 'spki' })
}
