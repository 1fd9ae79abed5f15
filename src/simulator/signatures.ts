/**
 * Signatures of the simulation: a keyed hash that only this file can make, a hundred times faster than
 * Ed25519. The public key names the signer; whoever acts as a node, an honest one or a liar, gets the
 * signing function of that node and of no other, so nobody can forge. A few runs sign as production does.
 */
import { assert } from '../base/assert.js'
import { toHex } from '../base/bytes.js'
import type { SignatureCheck } from '../consensus/bft/checks.js'
import type { Sha256 } from '../consensus/entry.js'
import { privateKeyPemOfSeed } from '../crypto/key-encoding.js'
import { importPrivateKey, sign as signWith } from '../crypto/keys.js'
import { Verifier } from '../crypto/verifier.js'
import type { SignatureVerifier } from '../node/ports.js'

/** "knhk/simulated/1", one byte per character. */
const DOMAIN = Uint8Array.from('knhk/simulated/1', (character) => character.charCodeAt(0))

/** Signs as the owner of `publicKey`. */
export function simulatedSigner(sha256: Sha256, publicKey: Uint8Array): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => signature(sha256, publicKey, bytes)
}

/** How a run signs. */
export interface SignatureScheme {
  /** Makes the key of whoever goes by this name of 32 bytes: the same one each time. */
  readonly publicKeyOf: (name: Uint8Array) => Uint8Array
  /** Signs as the owner of a key that was made here. */
  readonly signerOf: (publicKey: Uint8Array) => (bytes: Uint8Array) => Uint8Array
  readonly holds: (check: SignatureCheck) => boolean
}

/** The name is the key. */
export function keyedHashes(sha256: Sha256): SignatureScheme {
  return {
    publicKeyOf: (name) => name,
    signerOf: (publicKey) => simulatedSigner(sha256, publicKey),
    holds: (check) => signatureHolds(sha256, check),
  }
}

type KeyPairOfName = ReturnType<typeof importPrivateKey>

/** Ed25519 under the pinned rule, as in production; the name is the seed of the key, so that a run can be repeated. */
export function ed25519(): SignatureScheme {
  const verifier = new Verifier()
  const pairs = new Map<string, KeyPairOfName>()
  return {
    publicKeyOf: (name) => {
      const pair = importPrivateKey(privateKeyPemOfSeed(name))
      pairs.set(toHex(pair.publicKey), pair)
      return pair.publicKey
    },
    signerOf: (publicKey) => {
      const pair = pairs.get(toHex(publicKey))
      assert(pair !== undefined, 'whoever signs has a key of this run')
      return (bytes) => signWith(pair.privateKey, bytes)
    },
    holds: ({ publicKey, bytes, signature }) => verifier.verify(publicKey, bytes, signature),
  }
}

/** At once, on this thread. */
export function verifierOf({ holds }: SignatureScheme): SignatureVerifier {
  return { verify: (check, done) => done(holds(check)) }
}

export function signatureHolds(sha256: Sha256, { publicKey, bytes, signature: claimed }: SignatureCheck): boolean {
  const expected = signature(sha256, publicKey, bytes)
  return claimed.length === expected.length && claimed.every((byte, at) => byte === expected[at])
}

function signature(sha256: Sha256, publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  const input = new Uint8Array(DOMAIN.length + publicKey.length + bytes.length)
  input.set(DOMAIN, 0)
  input.set(publicKey, DOMAIN.length)
  input.set(bytes, DOMAIN.length + publicKey.length)
  const half = sha256(input)
  const out = new Uint8Array(64)
  out.set(half, 0)
  out.set(sha256(half), 32)
  return out
}
