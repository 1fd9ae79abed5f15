/**
 * How we use TLS: version 1.3 only, Ed25519 certificates on both sides, no certificate authority. The
 * certificate proves possession of a key; whether that key is the right one is decided by us, so Node's
 * own verdict on the chain and its dates is not asked for. Sessions are never resumed: a resumed one
 * shows no certificate. `SSL_OP_NO_TICKET` keeps the server from accepting old ones.
 */
import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { publicKeyOfCertificate } from '../crypto/key-encoding.js'

/** What TLS needs of a key pair. */
export interface TlsKey {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** PKCS#8 PEM. */
  readonly privateKeyPem: string
  /** X.509 certificate of the key, PEM. */
  readonly certificatePem: string
}

export function secureContext(key: TlsKey): SecureContext {
  return createSecureContext({
    key: key.privateKeyPem,
    cert: key.certificatePem,
    // An empty list: otherwise Node parses its 140 built-in authorities, which nobody here consults.
    ca: [],
    minVersion: 'TLSv1.3',
    // The first is the fastest with AES instructions; the second serves machines without them.
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256',
    sigalgs: 'ed25519',
    ecdhCurve: 'X25519',
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
}

/** The raw key that the other side proved to hold; null without a certificate, or in a resumed session. */
export function provenKey(socket: TLSSocket): Uint8Array | null {
  if (socket.isSessionReused()) return null
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? null : publicKeyOfCertificate(certificate)
}
