/**
 * The doctrine: what no policy may loosen. A policy that goes beyond is rejected as it is, never clamped
 * in silence; so the meet of those in force stays within, which the policy table asserts.
 */
import type { NormalPolicy } from './lattice.js'

export const DOCTRINE = {
  targetP99MsMax: 100,
  /** 1 %. */
  maxErrorPpmMax: 10_000,
  maxConcurrencyMax: 256,
  maxParallelismMax: 64,
  /** Guards may be tightened, never relaxed. */
  guardStrictness: 'Tighten',
} as const

export interface DoctrineExcess {
  readonly field: string
  readonly value: number | string
  readonly bound: number | string
}

/** The first bound that a policy exceeds; null when it keeps to the doctrine. */
export function doctrineExcess(policy: NormalPolicy): DoctrineExcess | null {
  const { latency, failureRates, guardStrictness, capacity } = policy
  const numbers: readonly (readonly [string, number | undefined, number])[] = [
    ['targetP99Ms', latency?.targetP99Ms, DOCTRINE.targetP99MsMax],
    ...failureRates.map((rate) => ['maxErrorPpm', rate.maxErrorPpm, DOCTRINE.maxErrorPpmMax] as const),
    ['maxConcurrency', capacity?.maxConcurrency, DOCTRINE.maxConcurrencyMax],
    ['maxParallelism', capacity?.maxParallelism, DOCTRINE.maxParallelismMax],
  ]
  for (const [field, value, bound] of numbers) {
    if (value !== undefined && value > bound) return { field, value, bound }
  }
  if (guardStrictness !== null && guardStrictness !== DOCTRINE.guardStrictness) {
    return { field: 'level', value: guardStrictness, bound: DOCTRINE.guardStrictness }
  }
  return null
}
