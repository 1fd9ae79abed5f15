/**
 * The forms in which an Ed25519 key is written down: raw (32 bytes, RFC 8032), PKCS#8 PEM for private
 * keys and SubjectPublicKeyInfo for public ones (RFC 8410), one line of base64 for people and cluster
 * files, and a fingerprint for logs.
 */
import type { X509Certificate } from 'node:crypto'
import { concatBytes, fromHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { PUBLIC_KEY_BYTES, SEED_BYTES } from './pure/sizes.js'
import { sha256 } from './sha256.js'

/** DER up to the key: RFC 8410, section 7 (PKCS#8, version 0) and section 4 (SubjectPublicKeyInfo). */
const PKCS8_PREFIX = fromHex('302e020100300506032b657004220420')
const SPKI_PREFIX = fromHex('302a300506032b6570032100')

/** PKCS#8 PEM of a 32-byte seed. */
export function privateKeyPemOfSeed(seed: Uint8Array): string {
  if (seed.length !== SEED_BYTES)
    throw new KnhkError('InvalidArgument', `a seed has ${SEED_BYTES} bytes, not ${seed.length}`)
  const base64 = Buffer.from(concatBytes([PKCS8_PREFIX, seed])).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`
}

/** SubjectPublicKeyInfo, DER, of a raw public key. */
export function spkiOfPublicKey(publicKey: Uint8Array): Uint8Array {
  return concatBytes([SPKI_PREFIX, publicKey])
}

/** The raw public key inside a SubjectPublicKeyInfo; null when it is not an Ed25519 one. */
export function publicKeyOfSpki(spki: Uint8Array): Uint8Array | null {
  if (spki.length !== SPKI_PREFIX.length + PUBLIC_KEY_BYTES) return null
  if (SPKI_PREFIX.some((byte, i) => spki[i] !== byte)) return null
  return Uint8Array.from(spki.subarray(SPKI_PREFIX.length))
}

/** The raw Ed25519 key of a certificate; null for any other kind of key. */
export function publicKeyOfCertificate(certificate: X509Certificate): Uint8Array | null {
  return publicKeyOfSpki(certificate.publicKey.export({ format: 'der', type: 'spki' }))
}

/** One line of standard base64, 44 characters. */
export function formatPublicKey(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString('base64')
}

/** Reads what `formatPublicKey` wrote, surrounding white space allowed. Throws `InvalidArgument`. */
export function parsePublicKey(text: string): Uint8Array {
  const trimmed = text.trim()
  const bytes = Uint8Array.from(Buffer.from(trimmed, 'base64'))
  if (bytes.length !== PUBLIC_KEY_BYTES || formatPublicKey(bytes) !== trimmed) {
    throw new KnhkError('InvalidArgument', 'a public key is 32 bytes in base64, 44 characters')
  }
  return bytes
}

/** `knhk:` and the base64url SHA-256 of the raw key: names a key in logs and for comparison by eye. */
export function fingerprint(publicKey: Uint8Array): string {
  return `knhk:${Buffer.from(sha256(publicKey)).toString('base64url')}`
}
