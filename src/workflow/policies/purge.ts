/**
 * PurgeCases: removes finished cases with their histories and leaves a digest of each, so that whoever
 * kept a copy can still prove it. All or nothing: one case that cannot be purged stops the operation.
 */

import { assert } from '../../base/assert.js'
import { type ByteReader, ByteWriter, writeU32 } from '../../base/bytes.js'
import type { Sha256 } from '../../consensus/entry.js'
import {
  type CaseRecord,
  caseBySpecKey,
  caseByStateKey,
  caseByTimeKey,
  caseKey,
  decodeCaseRecord,
  decodeHistoryRecord,
  encodePurgedCase,
  historyKey,
  isPurged,
} from '../case-record.js'
import { isFinal } from '../case-states.js'
import type { CaseCounts } from '../cases.js'
import type { ApplyContext } from '../handlers.js'
import { ok, rejected } from '../result-codec.js'
import { binaryString, bytesOfBinaryString, type StatePort } from '../state-keys.js'
import { UUID_BYTES, uuidFromBytes } from '../uuid.js'
import { PURGE_CASES_MAX, PURGE_RECORDS_MAX } from './limits.js'

const MALFORMED = rejected('InvalidOperation', 'a purge names 1 to 256 cases')
const TOO_MANY_RECORDS = rejected(
  'InvalidOperation',
  'the cases have too many history records for one purge: purge fewer at a time',
  { recordsMax: PURGE_RECORDS_MAX },
)

interface Doomed {
  readonly id: string
  readonly stored: Uint8Array
  readonly record: CaseRecord
  /** Newest first. */
  readonly history: readonly { readonly key: string; readonly value: Uint8Array }[]
}

/** `reader` stands behind the type. Result: u32 cases purged now; those that were purged before count as done. */
export function applyPurge(
  context: ApplyContext,
  counts: CaseCounts,
  sha256: Sha256,
  reader: ByteReader,
): { readonly result: Uint8Array; readonly cost: number } {
  const count = reader.u16()
  const ids = Array.from({ length: Math.min(count, PURGE_CASES_MAX) }, () => binaryString(reader.raw(UUID_BYTES)))
  if (count === 0 || count > PURGE_CASES_MAX) return { result: MALFORMED, cost: 0 }
  reader.end()
  const doomed: Doomed[] = []
  let records = 0
  for (const id of new Set(ids)) {
    const found = look(context.state, id, PURGE_RECORDS_MAX - records)
    if (found instanceof Uint8Array) return { result: found, cost: records }
    if (found === null) continue
    doomed.push(found)
    records += found.history.length
  }
  for (const one of doomed) purge(context, counts, sha256, one)
  const payload = new Uint8Array(4)
  writeU32(payload, 0, doomed.length)
  return { result: ok(payload), cost: records + doomed.length }
}

/** What is to be removed of a case; null where it was purged before, a rejection where it cannot be. */
function look(state: StatePort, id: string, recordsMax: number): Doomed | Uint8Array | null {
  const caseId = uuidFromBytes(bytesOfBinaryString(id))
  const stored = state.get(caseKey(id))
  if (stored === undefined) return rejected('CaseNotFound', 'there is no case with this id', { caseId })
  if (isPurged(stored)) return null
  const record = decodeCaseRecord(stored)
  if (!isFinal(record.state)) {
    return rejected('InvalidStateTransition', 'only a finished case can be purged', {
      caseId,
      from: record.state,
      to: 'purged',
    })
  }
  const history: { key: string; value: Uint8Array }[] = []
  let place: { index: number; position: number } | null = {
    index: record.updatedIndex,
    position: record.updatedPosition,
  }
  while (place !== null) {
    if (history.length === recordsMax) return TOO_MANY_RECORDS
    const key: string = historyKey(id, place.index, place.position)
    const value = state.get(key)
    assert(value !== undefined, 'every history record leads to one that is there')
    history.push({ key, value })
    place = decodeHistoryRecord(value).previous
  }
  return { id, stored, record, history }
}

function purge(
  context: ApplyContext,
  counts: CaseCounts,
  sha256: Sha256,
  { id, stored, record, history }: Doomed,
): void {
  const { state, index, nowMs } = context
  const out = new ByteWriter(1_024).text('knhk/case/1').raw(bytesOfBinaryString(id)).bytes(stored).u32(history.length)
  for (const { key, value } of history) {
    out.raw(bytesOfBinaryString(key, 1)).bytes(value)
    state.delete(key)
  }
  state.delete(caseByStateKey(record.state, record.createdAtMs, id))
  state.delete(caseBySpecKey(record.specId, record.createdAtMs, id))
  state.delete(caseByTimeKey(record.createdAtMs, id))
  const purged = {
    state: record.state,
    completedAtMs: record.completedAtMs ?? 0,
    purgedIndex: index,
    purgedAtMs: nowMs,
    digest: sha256(out.finish()),
  }
  state.put(caseKey(id), encodePurgedCase(purged))
  counts.add(record.state, -1)
}
