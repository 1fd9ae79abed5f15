/**
 * The newest snapshot of this node whose state a quorum signed, in whatever epoch: what others can be
 * given, because nobody has to believe its donor. A snapshot may come before its certificate, and the
 * certificate before it.
 */
import type { ByteReader, ByteWriter } from '../../base/bytes.js'
import { bytesEqual } from '../../base/bytes.js'
import { type Certificate, readCertificate, writeCertificate } from '../bft/certificate.js'
import type { SnapshotOffer } from '../snapshot.js'
import { readOffer, writeOffer } from '../snapshot-codec.js'

export interface SignedSnapshot {
  readonly snapshot: SnapshotOffer
  /** Of the state in it: a checkpoint of the epoch in which it was signed. */
  readonly certificate: Certificate
}

/** Snapshots that wait for a certificate. */
const WAITING_MAX = 4
/** Certificates that wait for a snapshot: enough for the slowest. */
const CERTIFICATES_MAX = 64

export class SignedSnapshots {
  #newest: SignedSnapshot | null
  #waiting: SnapshotOffer[] = []
  readonly #certificates = new Map<number, Certificate>()

  constructor(newest: SignedSnapshot | null) {
    this.#newest = newest
  }

  get newest(): SignedSnapshot | null {
    return this.#newest
  }

  /** A durable snapshot of the own state. True when it is signed and the newest. */
  taken(snapshot: SnapshotOffer): boolean {
    const certificate = this.#certificates.get(snapshot.base.index)
    if (certificate !== undefined && isOf(certificate, snapshot)) return this.#take({ snapshot, certificate })
    this.#waiting = [...this.#waiting.filter(({ base }) => base.index !== snapshot.base.index), snapshot].slice(
      -WAITING_MAX,
    )
    return false
  }

  /** A quorum signed the state at an index. True when that makes another snapshot the newest. */
  certified(certificate: Certificate): boolean {
    const index = certificate.statement.sequence
    this.#certificates.set(index, certificate)
    if (this.#certificates.size > CERTIFICATES_MAX)
      this.#certificates.delete(this.#certificates.keys().next().value as number)
    const snapshot = this.#waiting.find((waiting) => isOf(certificate, waiting))
    if (snapshot === undefined) return false
    this.#waiting = this.#waiting.filter(({ base }) => base.index > index)
    return this.#take({ snapshot, certificate })
  }

  #take(signed: SignedSnapshot): boolean {
    if (this.#newest !== null && signed.snapshot.base.index <= this.#newest.snapshot.base.index) return false
    this.#newest = signed
    return true
  }
}

/** Whether the certificate is of the state in this snapshot, as far as its place says. */
export function isOf({ statement }: Certificate, { base }: SnapshotOffer): boolean {
  const { type, sequence, extra } = statement
  return type === 'checkpoint' && sequence === base.index && bytesEqual(extra, base.chain)
}

export function writeSignedSnapshot(out: ByteWriter, { snapshot, certificate }: SignedSnapshot): void {
  writeOffer(out, snapshot)
  writeCertificate(out, certificate)
}

/** Throws `ProtocolViolation`. */
export function readSignedSnapshot(reader: ByteReader): SignedSnapshot {
  return { snapshot: readOffer(reader), certificate: readCertificate(reader) }
}
