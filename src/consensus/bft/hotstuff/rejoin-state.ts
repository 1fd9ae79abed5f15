/** What a replica knows that asks its way back: see `rejoin.ts`. */
import type { Millis, NodeId } from '../../types.js'

interface Standing {
  /** Of its highest certificate. */
  readonly round: number
  readonly committedIndex: number
}

export interface Rejoin {
  /** Answers to an earlier life count for nothing. */
  readonly nonce: number
  readonly standings: Map<NodeId, Standing>
  /** Every forgotten signature is of this round or an earlier one; null while that is not known. */
  floor: number | null
  /** When the others are asked again. */
  askAtMs: Millis
}

export function newRejoin(random: () => number, nowMs: Millis): Rejoin {
  return { nonce: 1 + Math.floor(random() * 2 ** 48), standings: new Map(), floor: null, askAtMs: nowMs }
}
