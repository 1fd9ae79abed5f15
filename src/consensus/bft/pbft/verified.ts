/**
 * Certificates whose signatures were verified before, by the hash of all their bytes: view changes and
 * new views carry the same ones again and again. Bounded; the oldest is forgotten first, which costs a
 * second verification and nothing else.
 */
import { toHex } from '../../../base/bytes.js'
import type { Sha256 } from '../../entry.js'
import { type Certificate, encodeCertificate } from '../certificate.js'

export class VerifiedCertificates {
  readonly #sha256: Sha256
  readonly #max: number
  readonly #keys = new Set<string>()

  constructor(sha256: Sha256, max: number) {
    this.#sha256 = sha256
    this.#max = max
  }

  has(certificate: Certificate): boolean {
    return this.#keys.has(this.#key(certificate))
  }

  add(certificate: Certificate): void {
    this.#keys.add(this.#key(certificate))
    if (this.#keys.size > this.#max) this.#keys.delete(this.#keys.values().next().value as string)
  }

  #key(certificate: Certificate): string {
    return toHex(this.#sha256(encodeCertificate(certificate)))
  }
}
