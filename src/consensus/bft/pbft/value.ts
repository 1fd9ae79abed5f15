/**
 * Values of slots: their digest, and the null request that fills a slot for which a new view knows no
 * certificate. Votes for INIT (sequence 0) bind index 0 instead of its log index: a hand-over decides
 * INIT before all replicas know where their logs end.
 */
import { computeBatchDigest } from '../../batch-digest.js'
import { type Sha256, valueDigest } from '../../entry.js'
import type { LogIndex, SequenceNumber } from '../../types.js'
import type { EpochContext } from '../epoch.js'
import type { Value } from './messages.js'

const NO_BODY = new Uint8Array(0)

/** d of a value in the slot with this sequence. */
export function digestOf(
  sha256: Sha256,
  context: EpochContext,
  sequence: SequenceNumber,
  value: Pick<Value, 'timestampMs' | 'batchDigest'>,
): Uint8Array {
  const index = sequence === 0 ? (0 as LogIndex) : context.indexOf(sequence)
  return valueDigest(sha256, { epoch: context.epoch, index, timestampMs: value.timestampMs }, value.batchDigest)
}

/** Does nothing, still takes an index and a link of the chain. */
export function nullValue(sha256: Sha256): Value {
  return { timestampMs: 0, kind: 'empty', batchDigest: computeBatchDigest(sha256, 'empty', NO_BODY), body: NO_BODY }
}
