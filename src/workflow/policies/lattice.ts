/**
 * The lattice of policies: an order by strictness whose meet joins all policies in force into one.
 * A policy is kept in normal form, one entry per kind, so that the meet works kind by kind (the minimum
 * of bounds, the stricter of levels): it is commutative, associative and idempotent because minimum and
 * maximum are, and Bottom absorbs. Davey and Priestley, Introduction to Lattices and Order, chapter 2.
 *
 * A failure rate belongs to its window: 1 % of 100 cases says nothing about 1,000, so bounds of different
 * windows stand side by side and each is enforced. Ids are made from the content: a meet has the same id
 * on every node and in every order.
 */
import type { CapacityBound, FailureRateBound, GuardLevel, LatencyBound, PolicyElement } from './policy.js'

export interface NormalPolicy {
  readonly bottom: boolean
  readonly latency: LatencyBound | null
  /** At most one for each window, in order of the windows. */
  readonly failureRates: readonly FailureRateBound[]
  readonly guardStrictness: GuardLevel | null
  readonly capacity: CapacityBound | null
}

/** Demands nothing. */
export const TOP: NormalPolicy = {
  bottom: false,
  latency: null,
  failureRates: [],
  guardStrictness: null,
  capacity: null,
}
/** Allows nothing. */
export const BOTTOM: NormalPolicy = { ...TOP, bottom: true }

export function normalPolicy(element: PolicyElement): NormalPolicy {
  switch (element.type) {
    case 'Bottom':
      return BOTTOM
    case 'Latency':
      return { ...TOP, latency: { targetP99Ms: element.targetP99Ms, strictness: element.strictness } }
    case 'FailureRate': {
      const { maxErrorPpm, window, coolDownMs } = element
      return { ...TOP, failureRates: [{ maxErrorPpm, window, coolDownMs }] }
    }
    case 'GuardStrictness':
      return { ...TOP, guardStrictness: element.level }
    case 'Capacity': {
      const { maxConcurrency, maxParallelism } = element
      return { ...TOP, capacity: { maxConcurrency, maxParallelism } }
    }
    case 'Conjunction':
      return element.policies.map(normalPolicy).reduce(meet, TOP)
  }
}

/** The loosest policy that is at least as strict as both. */
export function meet(a: NormalPolicy, b: NormalPolicy): NormalPolicy {
  if (a.bottom || b.bottom) return BOTTOM
  return {
    bottom: false,
    latency: both(a.latency, b.latency, (x, y) => ({
      targetP99Ms: Math.min(x.targetP99Ms, y.targetP99Ms),
      strictness: x.strictness === 'Hard' ? x.strictness : y.strictness,
    })),
    failureRates: meetRates(a.failureRates, b.failureRates),
    guardStrictness: both(a.guardStrictness, b.guardStrictness, (x, y) => (x === 'Tighten' ? x : y)),
    capacity: both(a.capacity, b.capacity, (x, y) => ({
      maxConcurrency: Math.min(x.maxConcurrency, y.maxConcurrency),
      maxParallelism: Math.min(x.maxParallelism, y.maxParallelism),
    })),
  }
}

/** `a` demands everything that `b` does: a ⊓ b = a. */
export function isAtLeastAsStrict(a: NormalPolicy, b: NormalPolicy): boolean {
  return idOfPolicy(meet(a, b)) === idOfPolicy(a)
}

/** Names the content: equal policies have equal ids, different ones different ids. */
export function idOfPolicy(policy: NormalPolicy): string {
  if (policy.bottom) return 'bottom'
  const { latency, failureRates, guardStrictness, capacity } = policy
  const parts = [
    ...(latency === null ? [] : [`latency:${latency.targetP99Ms}:${latency.strictness.toLowerCase()}`]),
    ...failureRates.map((rate) => `failure-rate:${rate.window}:${rate.maxErrorPpm}:${rate.coolDownMs}`),
    ...(guardStrictness === null ? [] : [`guards:${guardStrictness.toLowerCase()}`]),
    ...(capacity === null ? [] : [`capacity:${capacity.maxConcurrency}:${capacity.maxParallelism}`]),
  ]
  return parts.length === 0 ? 'top' : parts.join('+')
}

function both<T>(a: T | null, b: T | null, stricter: (a: T, b: T) => T): T | null {
  if (a === null) return b
  return b === null ? a : stricter(a, b)
}

function meetRates(a: readonly FailureRateBound[], b: readonly FailureRateBound[]): readonly FailureRateBound[] {
  const byWindow = new Map(a.map((rate) => [rate.window, rate]))
  for (const rate of b) {
    const other = byWindow.get(rate.window)
    byWindow.set(rate.window, {
      window: rate.window,
      maxErrorPpm: Math.min(rate.maxErrorPpm, other?.maxErrorPpm ?? rate.maxErrorPpm),
      coolDownMs: Math.max(rate.coolDownMs, other?.coolDownMs ?? rate.coolDownMs),
    })
  }
  return [...byWindow.values()].sort((x, y) => x.window - y.window)
}
