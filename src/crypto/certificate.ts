/**
 * The X.509 certificate that carries a node's or client's Ed25519 key through TLS. It is self-signed
 * and means nothing by itself: the other side pins the key. Its dates span everything, because nobody
 * reads them. Only key generation needs this file, so the X.509 library is loaded on demand.
 */
import { type KeyObject, webcrypto } from 'node:crypto'
import { toHex } from '../base/bytes.js'
import { fingerprint } from './key-encoding.js'
import { sha256 } from './sha256.js'

const NOT_BEFORE = new Date('1970-01-01T00:00:00Z')
/** RFC 5280, 4.1.2.5: the value for "no well-defined expiration". */
const NOT_AFTER = new Date('9999-12-31T23:59:59Z')

/** Self-signed certificate of `privateKey`, PEM. The same key gives the same certificate every time. */
export async function selfSignedCertificate(privateKey: KeyObject, publicKey: Uint8Array): Promise<string> {
  await import('reflect-metadata')
  const { X509CertificateGenerator } = await import('@peculiar/x509')
  const { subtle } = webcrypto
  const algorithm = { name: 'Ed25519' }
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  const keys = {
    privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    publicKey: await subtle.importKey('raw', publicKey, algorithm, true, ['verify']),
  }
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // A positive number that names the key, as RFC 5280, 4.1.2.2 wants serial numbers.
    serialNumber: `01${toHex(sha256(publicKey)).slice(0, 30)}`,
    name: `CN=${fingerprint(publicKey)}`,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    keys,
    signingAlgorithm: algorithm,
  })
  return `${certificate.toString('pem')}\n`
}
