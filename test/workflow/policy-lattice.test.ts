/**
 * Shows that the policies form a lattice: the meet is commutative, associative, idempotent and absorbed
 * by Bottom, ids follow from the content, the order is the one of strictness, and the doctrine bounds
 * what may be applied, so that it bounds every meet.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DOCTRINE, doctrineExcess } from '../../src/workflow/policies/doctrine.js'
import {
  BOTTOM,
  idOfPolicy,
  isAtLeastAsStrict,
  meet,
  type NormalPolicy,
  normalPolicy,
  TOP,
} from '../../src/workflow/policies/lattice.js'
import type { PolicyElement } from '../../src/workflow/policies/policy.js'
import { decodePolicy, encodePolicy, readPolicy } from '../../src/workflow/policies/policy-json.js'

const leaf: fc.Arbitrary<PolicyElement> = fc.oneof(
  fc.record({
    type: fc.constant('Latency' as const),
    targetP99Ms: fc.integer({ min: 1, max: 200 }),
    strictness: fc.constantFrom('Soft' as const, 'Hard' as const),
  }),
  fc.record({
    type: fc.constant('FailureRate' as const),
    maxErrorPpm: fc.integer({ min: 0, max: 20_000 }),
    window: fc.constantFrom(10, 100, 1_000),
    coolDownMs: fc.nat({ max: 1_000 }),
  }),
  fc.record({
    type: fc.constant('GuardStrictness' as const),
    level: fc.constantFrom('Relax' as const, 'Tighten' as const),
  }),
  fc.record({
    type: fc.constant('Capacity' as const),
    maxConcurrency: fc.integer({ min: 1, max: 300 }),
    maxParallelism: fc.integer({ min: 1, max: 100 }),
  }),
  { weight: 1, arbitrary: fc.constant({ type: 'Bottom' as const }) },
)
const element: fc.Arbitrary<PolicyElement> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  {
    weight: 1,
    arbitrary: fc
      .array(leaf, { minLength: 1, maxLength: 4 })
      .map((policies) => ({ type: 'Conjunction' as const, policies })),
  },
)
const normal: fc.Arbitrary<NormalPolicy> = fc
  .array(element, { maxLength: 4 })
  .map((all) => all.map(normalPolicy).reduce(meet, TOP))

test('the meet is commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(normal, normal, normal, (a, b, c) => {
      expect(meet(a, b)).toEqual(meet(b, a))
      expect(meet(meet(a, b), c)).toEqual(meet(a, meet(b, c)))
      expect(meet(a, a)).toEqual(a)
    }),
    { numRuns: 500 },
  )
})

test('Bottom absorbs, and what demands nothing changes nothing', () => {
  fc.assert(
    fc.property(normal, (a) => {
      expect(meet(a, BOTTOM)).toEqual(BOTTOM)
      expect(meet(a, TOP)).toEqual(a)
      expect(isAtLeastAsStrict(a, TOP)).toBe(true)
      expect(isAtLeastAsStrict(BOTTOM, a)).toBe(true)
    }),
  )
})

test('the meet is the greatest lower bound', () => {
  fc.assert(
    fc.property(normal, normal, normal, (a, b, c) => {
      const both = meet(a, b)
      expect(isAtLeastAsStrict(both, a) && isAtLeastAsStrict(both, b)).toBe(true)
      if (isAtLeastAsStrict(c, a) && isAtLeastAsStrict(c, b)) expect(isAtLeastAsStrict(c, both)).toBe(true)
    }),
    { numRuns: 300 },
  )
})

test('ids name the content: equal ones are equal policies', () => {
  fc.assert(
    fc.property(normal, normal, (a, b) => {
      if (idOfPolicy(a) === idOfPolicy(b)) expect(a).toEqual(b)
      else expect(a).not.toEqual(b)
    }),
    { numRuns: 300 },
  )
  expect(idOfPolicy(TOP)).toBe('top')
  expect(idOfPolicy(BOTTOM)).toBe('bottom')
})

test('a conjunction is the meet of its parts, in any order and nesting', () => {
  fc.assert(
    fc.property(fc.array(leaf, { minLength: 1, maxLength: 6 }), (parts) => {
      const flat = normalPolicy({ type: 'Conjunction', policies: parts })
      const nested = normalPolicy({
        type: 'Conjunction',
        policies: [{ type: 'Conjunction', policies: [...parts].reverse() }, parts[0] as PolicyElement],
      })
      expect(nested).toEqual(flat)
    }),
  )
})

test('the meet takes the minimum of each bound and the stricter of each level', () => {
  const policies: PolicyElement[] = [
    { type: 'Latency', targetP99Ms: 80, strictness: 'Hard' },
    { type: 'Latency', targetP99Ms: 50, strictness: 'Soft' },
    { type: 'FailureRate', maxErrorPpm: 5_000, window: 100, coolDownMs: 10 },
    { type: 'FailureRate', maxErrorPpm: 9_000, window: 100, coolDownMs: 30 },
    { type: 'FailureRate', maxErrorPpm: 1_000, window: 1_000, coolDownMs: 5 },
    { type: 'Capacity', maxConcurrency: 10, maxParallelism: 9 },
    { type: 'Capacity', maxConcurrency: 20, maxParallelism: 4 },
    { type: 'GuardStrictness', level: 'Tighten' },
  ]
  const effective = normalPolicy({ type: 'Conjunction', policies })
  expect(effective).toEqual({
    bottom: false,
    latency: { targetP99Ms: 50, strictness: 'Hard' },
    failureRates: [
      { maxErrorPpm: 5_000, window: 100, coolDownMs: 30 },
      { maxErrorPpm: 1_000, window: 1_000, coolDownMs: 5 },
    ],
    guardStrictness: 'Tighten',
    capacity: { maxConcurrency: 10, maxParallelism: 4 },
  })
  expect(idOfPolicy(effective)).toBe(
    'latency:50:hard+failure-rate:100:5000:30+failure-rate:1000:1000:5+guards:tighten+capacity:10:4',
  )
})

test('whatever keeps to the doctrine meets within it', () => {
  fc.assert(
    fc.property(fc.array(element, { maxLength: 6 }), (all) => {
      const allowed = all.map(normalPolicy).filter((one) => doctrineExcess(one) === null)
      expect(doctrineExcess(allowed.reduce(meet, TOP))).toBeNull()
    }),
  )
})

test.each([
  [{ type: 'Latency', targetP99Ms: DOCTRINE.targetP99MsMax + 1, strictness: 'Soft' }, 'targetP99Ms'],
  [{ type: 'FailureRate', maxErrorPpm: DOCTRINE.maxErrorPpmMax + 1, window: 1, coolDownMs: 0 }, 'maxErrorPpm'],
  [{ type: 'Capacity', maxConcurrency: DOCTRINE.maxConcurrencyMax + 1, maxParallelism: 1 }, 'maxConcurrency'],
  [{ type: 'Capacity', maxConcurrency: 1, maxParallelism: DOCTRINE.maxParallelismMax + 1 }, 'maxParallelism'],
  [{ type: 'GuardStrictness', level: 'Relax' }, 'level'],
] satisfies [PolicyElement, string][])('%j exceeds the doctrine', (policy, field) => {
  expect(doctrineExcess(normalPolicy(policy))?.field).toBe(field)
})

test('policies survive the way through bytes, and have one form', () => {
  fc.assert(
    fc.property(element, (policy) => {
      expect(decodePolicy(encodePolicy(policy))).toEqual(policy)
      const shuffled = Object.fromEntries(Object.entries(policy).reverse())
      expect(encodePolicy(readPolicy(shuffled))).toEqual(encodePolicy(policy))
    }),
  )
})

test.each([
  ['0.01', 10_000],
  [0.01, 10_000],
  [0.000001, 1],
  [0.0000001, null],
  ['0.000001', 1],
  [1, 1_000_000],
  ['1.000001', null],
  ['0.0000001', null],
  [-0.1, null],
  ['.5', null],
])('the rate %s is %s parts per million', (maxErrorRate, ppm) => {
  const read = () => readPolicy({ type: 'FailureRate', maxErrorRate })
  if (ppm === null) expect(read).toThrow(/maxErrorRate/)
  else expect(read()).toMatchObject({ maxErrorPpm: ppm })
})
