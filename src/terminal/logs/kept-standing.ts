/**
 * What a member of a hybrid cluster keeps in its log beside the entries: where it stands in the epoch that goes
 * on, and with which history it left an earlier one. Nothing of it is verified here.
 */
import { hasCode } from '../../base/error.js'
import type { AbortHistory } from '../../consensus/hybrid/abort-history.js'
import { decodeEpochRecord, decodeLeaving } from '../../consensus/hybrid/epoch-record.js'
import { decodeStanding, type StoredRaft } from '../../consensus/hybrid/hardened/standing.js'
import type { Epoch } from '../../consensus/types.js'
import type { LogView } from '../../storage/look-at-log.js'

/** A hybrid begins with Raft, and writes its first record with its first word. */
const FIRST_EPOCH = 0 as Epoch

export interface KeptStanding {
  readonly epoch: Epoch
  /** Null before the first word in the epoch. */
  readonly raft: StoredRaft | null
}

/** Null where no Raft epoch goes on, as far as the member knows. Throws `ProtocolViolation` for bytes that are no record. */
export function keptStanding({ replay }: LogView): KeptStanding | null {
  const { safety } = replay.standing
  if (safety === null) return { epoch: FIRST_EPOCH, raft: null }
  const { start, inner } = decodeEpochRecord(safety)
  if (start.mode !== 'raft') return null
  return { epoch: start.epoch, raft: inner === null ? null : decodeStanding(inner) }
}

/** How the member left this epoch; null where it did not, or keeps what is no history. */
export function keptHistory({ replay }: LogView, epoch: number): AbortHistory | null {
  const record = replay.standing.aborts.find((known) => known.epoch === epoch)
  return record === undefined ? null : readable(() => decodeLeaving(record.payload).history)
}

/** Null for bytes that make no sense: whoever lies may keep what it likes. */
export function readable<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (hasCode(error, 'ProtocolViolation')) return null
    throw error
  }
}
