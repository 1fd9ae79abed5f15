/**
 * Signatures of the simulation: a keyed hash that only this file can make, a hundred times faster than
 * Ed25519. The public key names the signer; whoever acts as a node, an honest one or a liar, gets the
 * signing function of that node and of no other, so nobody can forge.
 */
import type { SignatureCheck } from '../consensus/bft/checks.js'
import type { Sha256 } from '../consensus/entry.js'
import type { SignatureVerifier } from '../node/ports.js'

/** "knhk/simulated/1", one byte per character. */
const DOMAIN = Uint8Array.from('knhk/simulated/1', (character) => character.charCodeAt(0))

/** Signs as the owner of `publicKey`. */
export function simulatedSigner(sha256: Sha256, publicKey: Uint8Array): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => signature(sha256, publicKey, bytes)
}

export function simulatedVerifier(sha256: Sha256): SignatureVerifier {
  return { verify: (check, done) => done(signatureHolds(sha256, check)) }
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
