/**
 * Key pairs: made with @noble/ed25519, used with node:crypto. One pair per node and per client; the
 * same key signs, and stands in the certificate that TLS presents.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign as opensslSign, randomBytes } from 'node:crypto'
import { KnhkError } from '../base/error.js'
import { selfSignedCertificate } from './certificate.js'
import { privateKeyPemOfSeed, publicKeyOfSpki } from './key-encoding.js'
import { SEED_BYTES } from './pure/sizes.js'

export interface KeyPair {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** PKCS#8 PEM. */
  readonly privateKeyPem: string
  /** Self-signed X.509 certificate of the key, PEM. */
  readonly certificatePem: string
  /** The private key, ready for `sign`. */
  readonly privateKey: KeyObject
}

/** Makes a new pair from the operating system's random bytes. */
export async function generateKeyPair(): Promise<KeyPair> {
  return keyPairOfSeed(Uint8Array.from(randomBytes(SEED_BYTES)))
}

/** The pair of a 32-byte seed (RFC 8032, 5.1.5), for reproducible tests and simulations too. */
export async function keyPairOfSeed(seed: Uint8Array): Promise<KeyPair> {
  const { getPublicKeyAsync } = await import('@noble/ed25519')
  const { publicKeyProblem } = await import('./pure/public-key.js')
  const publicKey = Uint8Array.from(await getPublicKeyAsync(seed))
  const problem = publicKeyProblem(publicKey)
  if (problem !== null) throw new KnhkError('Bug', `a generated key is not admissible: ${problem}`)
  const privateKeyPem = privateKeyPemOfSeed(seed)
  const privateKey = createPrivateKey(privateKeyPem)
  return { publicKey, privateKeyPem, privateKey, certificatePem: await selfSignedCertificate(privateKey, publicKey) }
}

/** Reads a PKCS#8 PEM. Throws `InvalidKeyFile` unless it holds an Ed25519 private key. */
export function importPrivateKey(privateKeyPem: string): { privateKey: KeyObject; publicKey: Uint8Array } {
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(privateKeyPem)
  } catch (cause) {
    throw new KnhkError('InvalidKeyFile', 'not a PKCS#8 private key in PEM form', { cause })
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new KnhkError('InvalidKeyFile', `an Ed25519 key is needed, not ${privateKey.asymmetricKeyType}`)
  }
  const publicKey = publicKeyOfSpki(createPublicKey(privateKeyPem).export({ format: 'der', type: 'spki' }))
  if (publicKey === null) throw new KnhkError('InvalidKeyFile', 'the public key cannot be derived')
  return { privateKey, publicKey }
}

/** Ed25519 signature of `message`, 64 bytes. The check that belongs to it is `Verifier.verify`. */
export function sign(privateKey: KeyObject, message: Uint8Array): Uint8Array {
  return Uint8Array.from(opensslSign(null, message, privateKey))
}
