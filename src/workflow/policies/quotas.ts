/**
 * Quotas: how much of the cluster its clients may take, as replicated state. The rates are counted per
 * client and minute of log time, and only while there is a quota for them, so a cluster without quotas
 * pays nothing. The counts are part of the state like everything that decides about an operation.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { binaryString, CLIENT_USAGE_SPACE, QUOTA_SPACE, type StatePort } from '../state-keys.js'
import type { Quotas } from './operation.js'

const VERSION = 1
const MINUTE_MS = 60_000

/** In the order of their encoding. */
export const QUOTA_NAMES = [
  'casesMax',
  'openCasesMax',
  'sessionsPerClientMax',
  'operationsPerMinuteMax',
  'bytesPerMinuteMax',
] as const satisfies readonly (keyof Quotas)[]

export const NO_QUOTAS: Quotas = {
  casesMax: null,
  openCasesMax: null,
  sessionsPerClientMax: null,
  operationsPerMinuteMax: null,
  bytesPerMinuteMax: null,
}

interface Usage {
  minute: number
  operations: number
  bytes: number
  dirty: boolean
}

export interface QuotaExcess {
  readonly quota: keyof Quotas
  readonly max: number
  /** When there is room again; null where time does not help. */
  readonly retryAfterMs: number | null
}

export class QuotaTable {
  readonly #state: StatePort
  readonly #usage = new Map<string, Usage>()
  #quotas: Quotas = NO_QUOTAS
  /** Asked for every operation. */
  #isSet = false

  constructor(state: StatePort) {
    this.#state = state
  }

  get quotas(): Quotas {
    return this.#quotas
  }

  /** Some quota is set. */
  get isSet(): boolean {
    return this.#isSet
  }

  get countsRates(): boolean {
    return this.#quotas.operationsPerMinuteMax !== null || this.#quotas.bytesPerMinuteMax !== null
  }

  /** Replaces all quotas; the counts of this minute start anew. */
  set(quotas: Quotas): void {
    this.#take(quotas)
    this.#state.put(QUOTA_SPACE, encodeQuotas(quotas))
    for (const key of this.#usage.keys()) this.#state.delete(CLIENT_USAGE_SPACE + key)
    this.#usage.clear()
  }

  forget(identity: Uint8Array): void {
    const key = binaryString(identity)
    if (this.#usage.delete(key)) this.#state.delete(CLIENT_USAGE_SPACE + key)
  }

  /** Counts one operation of a client; says what it exceeds, and counts nothing then. */
  count(identity: Uint8Array, bytes: number, nowMs: number): QuotaExcess | null {
    const { operationsPerMinuteMax, bytesPerMinuteMax } = this.#quotas
    const minute = Math.floor(nowMs / MINUTE_MS)
    const usage = this.#usageOf(identity, minute)
    const retryAfterMs = (minute + 1) * MINUTE_MS - nowMs
    if (operationsPerMinuteMax !== null && usage.operations + 1 > operationsPerMinuteMax) {
      return { quota: 'operationsPerMinuteMax', max: operationsPerMinuteMax, retryAfterMs }
    }
    if (bytesPerMinuteMax !== null && usage.bytes + bytes > bytesPerMinuteMax) {
      return { quota: 'bytesPerMinuteMax', max: bytesPerMinuteMax, retryAfterMs }
    }
    usage.operations++
    usage.bytes += bytes
    usage.dirty = true
    return null
  }

  /** What a client has used in this minute of log time. */
  usedBy(identity: Uint8Array, nowMs: number): { readonly operations: number; readonly bytes: number } {
    const usage = this.#usage.get(binaryString(identity))
    if (usage === undefined || usage.minute !== Math.floor(nowMs / MINUTE_MS)) return { operations: 0, bytes: 0 }
    return { operations: usage.operations, bytes: usage.bytes }
  }

  /** Writes what changed since the last call; at most one record for each client. */
  store(): void {
    for (const [key, usage] of this.#usage) {
      if (!usage.dirty) continue
      usage.dirty = false
      const out = new ByteWriter(32).u8(VERSION).u64(usage.minute).u64(usage.operations).u64(usage.bytes)
      this.#state.put(CLIENT_USAGE_SPACE + key, out.finish())
    }
  }

  loadQuotas(record: Uint8Array): void {
    const reader = new ByteReader(record)
    if (reader.u8() !== VERSION) throw new KnhkError('Corrupt', 'the quotas have an unknown version')
    this.#take(readQuotas(reader))
    reader.end()
  }

  /** Takes one pair of the usage space at a restart. Throws `Corrupt`. */
  loadUsage(key: string, record: Uint8Array): void {
    const reader = new ByteReader(record)
    if (reader.u8() !== VERSION) throw new KnhkError('Corrupt', 'the usage of a client has an unknown version')
    const usage = { minute: reader.u64(), operations: reader.u64(), bytes: reader.u64(), dirty: false }
    reader.end()
    this.#usage.set(key.slice(1), usage)
  }

  #take(quotas: Quotas): void {
    this.#quotas = quotas
    this.#isSet = QUOTA_NAMES.some((name) => quotas[name] !== null)
  }

  #usageOf(identity: Uint8Array, minute: number): Usage {
    const key = binaryString(identity)
    let usage = this.#usage.get(key)
    if (usage === undefined) {
      // Dirty also with nothing in it: whether it is stored must not depend on restarts.
      usage = { minute, operations: 0, bytes: 0, dirty: true }
      this.#usage.set(key, usage)
    } else if (usage.minute !== minute) {
      usage.minute = minute
      usage.operations = 0
      usage.bytes = 0
      usage.dirty = true
    }
    return usage
  }
}

function encodeQuotas(quotas: Quotas): Uint8Array {
  const out = new ByteWriter(64).u8(VERSION)
  writeQuotas(out, quotas)
  return out.finish()
}

/** For each quota u8 0, or u8 1 and a u64. */
export function writeQuotas(out: ByteWriter, quotas: Quotas): void {
  for (const name of QUOTA_NAMES) {
    const max = quotas[name]
    if (max === null) out.u8(0)
    else out.u8(1).u64(max)
  }
}

/** Throws `ProtocolViolation`. */
export function readQuotas(reader: ByteReader): Quotas {
  const quotas: Record<keyof Quotas, number | null> = { ...NO_QUOTAS }
  for (const name of QUOTA_NAMES) quotas[name] = reader.flag() ? reader.u64() : null
  return quotas
}
