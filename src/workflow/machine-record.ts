/**
 * The one record of the machine space: log time and counters. u8 version, u64 log time, u8 number of
 * counters, u64 each (cases by state, in the order of their codes), then how the last cases ended, then the chain over all results.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { CASE_STATES } from './case-states.js'
import type { FinishedCases } from './policies/finished-cases.js'

const VERSION = 2

export interface MachineRecord {
  readonly nowMs: number
  readonly caseCounts: readonly number[]
  readonly finished: FinishedCases
  /** Over the results of all entries, 32 bytes. */
  readonly resultChain: Uint8Array
}

export function encodeMachineRecord(record: MachineRecord): Uint8Array {
  const out = new ByteWriter(64).u8(VERSION).u64(record.nowMs).u8(record.caseCounts.length)
  for (const count of record.caseCounts) out.u64(count)
  record.finished.write(out)
  out.raw(record.resultChain)
  return out.finish()
}

/** Fills `finished`. Throws `Corrupt`. */
export function decodeMachineRecord(bytes: Uint8Array, finished: FinishedCases): MachineRecord {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  if (version !== VERSION) throw new KnhkError('Corrupt', 'the machine record has an unknown version')
  const nowMs = reader.u64()
  const caseCounts = Array.from({ length: reader.u8() }, () => reader.u64())
  finished.read(reader)
  const resultChain = reader.raw(32)
  reader.end()
  if (caseCounts.length !== CASE_STATES.length) throw new KnhkError('Corrupt', 'the machine record is malformed')
  return { nowMs, caseCounts, finished, resultChain }
}
