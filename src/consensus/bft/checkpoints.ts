/**
 * Checkpoints of the Byzantine protocols (Castro and Liskov, section 4.3): at every multiple of the
 * interval each replica signs the digest of its state and the chain up to there; a quorum of equal ones
 * is a stable checkpoint, on which state transfer, snapshots and compaction rest. Both protocols share
 * the statement and this book.
 */
import { assert } from '../../base/assert.js'
import type { Epoch, LogIndex, Mode, NodeId } from '../types.js'
import { type Certificate, makeCertificate } from './certificate.js'
import type { Replicas } from './replicas.js'
import { type SignedStatement, type Statement, sameStatement } from './statement.js'

/** A checkpoint is taken at every multiple of this log index. */
export const CHECKPOINT_INTERVAL = 128

/** Statement of the state after the entry at `index`: its digest, bound to the chain up to there. */
export function checkpointStatement(
  position: { readonly mode: Mode; readonly epoch: Epoch; readonly index: LogIndex },
  stateDigest: Uint8Array,
  chain: Uint8Array,
): Statement {
  const { mode, epoch, index } = position
  return { mode, type: 'checkpoint', epoch, view: 0, sequence: index, digest: stateDigest, extra: chain }
}

/** Collects the signed checkpoints of all replicas: of each the newest few, so that a liar fills nothing. */
export class CheckpointBook {
  readonly #replicas: Replicas
  /** How many indexes are remembered per signer. */
  readonly #perSigner: number
  readonly #bySigner = new Map<NodeId, SignedStatement[]>()
  #stable: Certificate | null

  constructor(replicas: Replicas, stable: Certificate | null = null, perSigner = 4) {
    this.#replicas = replicas
    this.#stable = stable
    this.#perSigner = perSigner
  }

  /** The newest checkpoint that a quorum signed; null before the first. */
  get stable(): Certificate | null {
    return this.#stable
  }

  get stableIndex(): LogIndex {
    return (this.#stable?.statement.sequence ?? 0) as LogIndex
  }

  /**
   * Notes a checkpoint whose signature holds. Returns the certificate when a quorum now says the same of
   * an index above the stable one; null otherwise.
   */
  note(vote: SignedStatement): Certificate | null {
    assert(vote.type === 'checkpoint', 'the book holds checkpoints')
    if (!this.#replicas.has(vote.signer) || vote.sequence <= this.stableIndex) return null
    const votes = this.#bySigner.get(vote.signer) ?? []
    if (votes.some((known) => known.sequence === vote.sequence)) return null
    votes.push(vote)
    votes.sort((a, b) => a.sequence - b.sequence)
    if (votes.length > this.#perSigner) votes.shift()
    this.#bySigner.set(vote.signer, votes)
    const equal = this.#equalTo(vote)
    return equal.length < this.#replicas.quorum ? null : this.adopt(makeCertificate(this.#replicas, vote, equal))
  }

  /** Takes a verified certificate of a checkpoint above the stable one; null where it is not newer. */
  adopt(certificate: Certificate): Certificate | null {
    if (certificate.statement.sequence <= this.stableIndex) return null
    this.#stable = certificate
    for (const [signer, votes] of this.#bySigner) {
      this.#bySigner.set(
        signer,
        votes.filter((vote) => vote.sequence > certificate.statement.sequence),
      )
    }
    return certificate
  }

  /** The highest index of which at least one honest replica says that it got there: f + 1 claim as much. */
  get claimedIndex(): LogIndex {
    const newest = [...this.#bySigner.values()].map((votes) => votes.at(-1)?.sequence ?? 0).sort((a, b) => b - a)
    return Math.max(newest[this.#replicas.f] ?? 0, this.stableIndex) as LogIndex
  }

  #equalTo(vote: SignedStatement): SignedStatement[] {
    const equal: SignedStatement[] = []
    for (const votes of this.#bySigner.values()) {
      const same = votes.find((other) => sameStatement(other, vote))
      if (same !== undefined) equal.push(same)
    }
    return equal
  }
}
