/**
 * What this node is fetching: at most one block with its ancestors, one run of entries, or one snapshot
 * at a time. An unanswered question goes to the next peer after a while.
 */

import type { SnapshotOffer } from '../../snapshot.js'
import type { Millis, NodeId } from '../../types.js'
import type { Certificate } from '../certificate.js'
import type { EpochStep } from '../epoch.js'
import type { BlockParts } from './messages.js'

export interface WantedBlock {
  /** The certified block that is missing. */
  readonly hash: Uint8Array
  readonly round: number
  /** What came so far, from the wanted block downwards. */
  blocks: BlockParts[]
  /** The hash that is asked for next: the wanted block, or the parent of the last that came. */
  next: Uint8Array
}

export interface WantedSnapshot {
  readonly from: NodeId
  readonly snapshot: SnapshotOffer
  readonly checkpoint: Certificate
  readonly proof: Uint8Array
  readonly steps: readonly EpochStep[]
  readonly sinceMs: Millis
}

export class SyncState {
  wanted: WantedBlock | null = null
  /** Entries are asked for instead: the blocks reach too far back, or nobody knows yet how far behind this node is. */
  needsEntries = false
  /** Peers that have no later entries: one of f + 1 is honest. */
  readonly ended = new Set<NodeId>()
  snapshot: WantedSnapshot | null = null
  /** Peers that were asked, and have not offered a snapshot since. */
  readonly mayOffer = new Set<NodeId>()
  /** Donor and id of snapshots that did not hold what was certified. */
  readonly badOffers = new Set<string>()
  /** The applied state is lost: a certified snapshot has to give it again. */
  needsState = false
  /** When the open question is asked again; null while none is open. */
  retryAtMs: Millis | null = null
  /** Whose turn it is to be asked. */
  turn = 0
  /** Who was asked for entries last, until it answers: nothing else leads to the next question. */
  asked: NodeId | null = null
  /** Questions in a row without an answer that helped: the pauses between them grow. */
  unanswered = 0
  /** Proposals that wait for their parent, the newest of each proposer. */
  readonly waiting = new Map<NodeId, BlockParts>()

  wantEntries(): void {
    this.needsEntries = true
    this.ended.clear()
  }

  get isOpen(): boolean {
    return this.wanted !== null || this.needsEntries || this.needsState || this.snapshot !== null
  }

  clear(): void {
    this.wanted = null
    this.needsEntries = false
    this.ended.clear()
    this.unanswered = 0
    this.asked = null
    this.mayOffer.clear()
    this.snapshot = null
    this.retryAtMs = null
    this.waiting.clear()
  }
}
