/** What a leader counts: acknowledgements and HELDs by place, until a quorum says the same of one. */

import { type Certificate, makeCertificate } from '../../bft/certificate.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { NodeId } from '../../types.js'
import { HEADERS_MAX } from '../headers.js'
import { type Position, positionStatement, type RaftEpoch } from '../positions.js'

export class Tally {
  readonly #epoch: RaftEpoch
  readonly #type: 'ack' | 'held'
  readonly #byIndex = new Map<number, Map<NodeId, SignedStatement>>()

  constructor(epoch: RaftEpoch, type: 'ack' | 'held') {
    this.#epoch = epoch
    this.#type = type
  }

  /** The vote is for `position`, of the present term. Returns how many say so. */
  note(position: Position, vote: SignedStatement): number {
    let votes = this.#byIndex.get(position.index)
    if (votes === undefined) {
      if (this.#byIndex.size >= HEADERS_MAX) return 0
      votes = new Map()
      this.#byIndex.set(position.index, votes)
    }
    if (!votes.has(vote.signer)) votes.set(vote.signer, vote)
    return votes.size
  }

  count(index: number): number {
    return this.#byIndex.get(index)?.size ?? 0
  }

  /** The certificate, where a quorum is there. */
  certify(position: Position): Certificate | null {
    const votes = this.#byIndex.get(position.index)
    if (votes === undefined || votes.size < this.#epoch.replicas.quorum) return null
    const statement = positionStatement(this.#type, this.#epoch.epoch, position)
    return makeCertificate(this.#epoch.replicas, statement, votes.values())
  }

  /** Highest first. */
  indexes(): number[] {
    return [...this.#byIndex.keys()].sort((a, b) => b - a)
  }

  forget(upTo: number): void {
    for (const index of this.#byIndex.keys()) if (index <= upTo) this.#byIndex.delete(index)
  }
}
