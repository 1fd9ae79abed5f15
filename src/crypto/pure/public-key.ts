/**
 * Which 32 bytes may become somebody's public key. Ed25519 has eight torsion points, and keys built on
 * them make a signature valid for many messages or valid in one library and not in the next
 * (Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs"). Such keys are turned away once, when a
 * key is registered, so that no later check has to think of them.
 */
import { Point } from '@noble/ed25519'
import { PUBLIC_KEY_BYTES } from './sizes.js'

/**
 * Why `publicKey` cannot be admitted; null when it can: 32 bytes, the canonical encoding of a point on
 * the curve, not of small order, and without a torsion part (L·A = 0).
 */
export function publicKeyProblem(publicKey: Uint8Array): string | null {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    return `a public key has ${PUBLIC_KEY_BYTES} bytes, not ${publicKey.length}`
  let point: Point
  try {
    point = Point.fromBytes(publicKey, false)
  } catch {
    return 'the public key is not the canonical encoding of a point on the curve'
  }
  if (point.isSmallOrder()) return 'the public key is a point of small order'
  if (!point.isTorsionFree()) return 'the public key has a torsion part'
  return null
}
