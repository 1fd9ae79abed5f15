/**
 * The newest snapshot of this node whose state a quorum signed, in whatever epoch: what others can be
 * given, because nobody has to believe its donor. A snapshot may come before its certificate, and the
 * certificate before it.
 */
import { bytesEqual } from '../../base/bytes.js'
import type { SnapshotOffer } from '../snapshot.js'
import type { Certificate } from './certificate.js'

export interface SignedSnapshot {
  readonly snapshot: SnapshotOffer
  /** Of the state in it: a checkpoint of the epoch in which it was signed. */
  readonly certificate: Certificate
  /** HotStuff: the commit proof of the entry at its index, without which no replica begins there; null elsewhere. */
  readonly proof: Uint8Array | null
}

type Signed = Omit<SignedSnapshot, 'snapshot'>

/** Snapshots that wait for a certificate. */
const WAITING_MAX = 4
/** Certificates that wait for a snapshot: enough for the slowest. */
const CERTIFICATES_MAX = 64

export class SignedSnapshots {
  #newest: SignedSnapshot | null
  #waiting: SnapshotOffer[] = []
  readonly #certificates = new Map<number, Signed>()

  constructor(newest: SignedSnapshot | null) {
    this.#newest = newest
  }

  get newest(): SignedSnapshot | null {
    return this.#newest
  }

  /** The file is gone: it can be offered to nobody. True when it was the newest. */
  gone(id: Uint8Array): boolean {
    this.#waiting = this.#waiting.filter((waiting) => !bytesEqual(waiting.id, id))
    if (this.#newest === null || !bytesEqual(this.#newest.snapshot.id, id)) return false
    this.#newest = null
    return true
  }

  /** What takes the place of the state, even where a newer one was known. */
  restored(signed: SignedSnapshot): void {
    this.#newest = signed
    this.#waiting = []
  }

  /** A durable snapshot of the own state. True when it is signed and the newest. */
  taken(snapshot: SnapshotOffer): boolean {
    const signed = this.#certificates.get(snapshot.base.index)
    if (signed !== undefined && isOf(signed.certificate, snapshot)) return this.#take({ snapshot, ...signed })
    this.#waiting = [...this.#waiting.filter(({ base }) => base.index !== snapshot.base.index), snapshot].slice(
      -WAITING_MAX,
    )
    return false
  }

  /** A quorum signed the state at an index. True when that makes another snapshot the newest. */
  certified(certificate: Certificate, proof: Uint8Array | null = null): boolean {
    const index = certificate.statement.sequence
    this.#certificates.set(index, { certificate, proof })
    if (this.#certificates.size > CERTIFICATES_MAX)
      this.#certificates.delete(this.#certificates.keys().next().value as number)
    const snapshot = this.#waiting.find((waiting) => isOf(certificate, waiting))
    if (snapshot === undefined) return false
    this.#waiting = this.#waiting.filter(({ base }) => base.index > index)
    return this.#take({ snapshot, certificate, proof })
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
