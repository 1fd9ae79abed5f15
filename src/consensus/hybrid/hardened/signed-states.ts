/** What a member knows of signed states in a hybrid Raft epoch (R9): its own checkpoints, those of a quorum, and what waits for them. */
import type { Certificate } from '../../bft/certificate.js'
import { CheckpointBook } from '../../bft/checkpoints.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { Input } from '../../core.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { LogIndex, Millis, NodeId } from '../../types.js'
import type { RaftEpoch } from '../positions.js'

/** What must be there again after a crash. */
export interface StoredStates {
  /** The newest of this node, ascending. */
  readonly own: readonly SignedStatement[]
  readonly stable: Certificate | null
}

/** The snapshot that is on its way here, as it was offered: `transfer.ts` takes less of it. */
export interface Awaited {
  readonly from: NodeId
  readonly snapshot: SnapshotOffer
  readonly certificate: Certificate
}

export class SignedStates {
  readonly book: CheckpointBook
  own: SignedStatement[]
  readonly digests = new Map<number, Uint8Array>()
  /** Up to here the own state is what a quorum signed. */
  agreedIndex = 0 as LogIndex
  hasDiverged = false
  compactTo: Extract<Input, { type: 'snapshotTaken' }>['compactTo'] = null
  awaited: Awaited | null = null
  repeatMs: Millis = Number.NEGATIVE_INFINITY

  constructor({ replicas }: RaftEpoch, stored: StoredStates | null) {
    this.book = new CheckpointBook(replicas, stored?.stable ?? null)
    this.own = [...(stored?.own ?? [])]
  }
}
