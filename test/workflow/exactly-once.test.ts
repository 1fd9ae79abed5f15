/**
 * Shows, over random histories, what replication rests on: replay gives equal digests and equal answers;
 * duplicated and reordered retries apply once; slices and restarts change nothing.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import type { Entry } from '../../src/consensus/entry.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import type { CaseState, Operation } from '../../src/workflow/operations.js'
import {
  applyEntry,
  CASE_ID,
  CLIENTS,
  cas,
  create,
  digestsOf,
  entryOf,
  get,
  MapState,
  move,
  newMachine,
  put,
  remove,
  requestOf,
  START_MS,
} from './harness.js'

const key = fc.constantFrom('a', 'b', 'c')
const value = fc.string({ maxLength: 8 })
const caseId = fc.constantFrom(CASE_ID, CASE_ID.replace('1', '2'), CASE_ID.replace('1', '3'))
const state = fc.constantFrom<CaseState>('created', 'running', 'suspended', 'completed', 'failed', 'cancelled')
const operation: fc.Arbitrary<Operation | Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(key, value).map(([k, v]) => put(k, v)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('r1', 'r2', 'r3'), key)
      .map(([requestId, k]) => ({ type: 'Once' as const, requestId, operation: put(k, requestId) })),
  },
  { weight: 2, arbitrary: key.map(get) },
  { weight: 2, arbitrary: key.map(remove) },
  { weight: 3, arbitrary: fc.tuple(key, fc.option(value), value).map(([k, e, v]) => cas(k, e, v)) },
  { weight: 3, arbitrary: caseId.map((id) => create(id)) },
  { weight: 4, arbitrary: fc.tuple(state, caseId).map(([to, id]) => move(to, id)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.boolean().map((ordered): Operation => ({ type: 'OpenSession', ordered })) },
)

/** Sessions of the first entry: two of the writer (one ordered), one of the reader, one of the admin. */
const OPENING = [
  requestOf([
    { type: 'OpenSession', ordered: false },
    { type: 'OpenSession', ordered: true },
  ]),
  requestOf([{ type: 'OpenSession', ordered: false }], { client: 'reader' }),
  requestOf([{ type: 'OpenSession', ordered: false }], { client: 'admin' }),
]
const SESSION_CLIENTS = ['writer', 'writer', 'reader', 'admin']

const request = fc
  .record({
    offset: fc.nat({ max: 4 }),
    sequence: fc.nat({ max: 150 }),
    acked: fc.nat({ max: 100 }),
    operations: fc.array(operation, { minLength: 1, maxLength: 6 }),
  })
  .map(({ offset, sequence, acked, operations }) =>
    requestOf(operations, {
      session: { index: 1, offset },
      sequence,
      ackedBelow: Math.min(acked, sequence),
      client: SESSION_CLIENTS[offset] ?? 'writer',
    }),
  )

/** A log: random requests in random entries, time moving on, entries of other kinds between. */
const log: fc.Arbitrary<Entry[]> = fc
  .array(
    fc.record({
      requests: fc.array(request, { minLength: 1, maxLength: 5 }),
      waitMs: fc.nat({ max: 2_000_000 }),
      empty: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: 15,
    },
  )
  .map((steps) => {
    let nowMs = START_MS
    const entries = [entryOf(1, nowMs, encodeBody(OPENING))]
    for (const { requests, waitMs, empty } of steps) {
      nowMs += waitMs
      if (empty) entries.push(entryOf(entries.length + 1, nowMs, new Uint8Array(0), 'empty'))
      entries.push(entryOf(entries.length + 1, nowMs, encodeBody(requests)))
    }
    return entries
  })

interface Run {
  readonly stateDigest: string
  readonly dataDigest: string
  readonly answers: readonly string[]
}

/** Applies a log in slices, restarting (on a copy of the checkpointed state) behind the entries that `restartAfter` picks. */
function run(entries: readonly Entry[], slice = 1_000, restartAfter: (index: number) => boolean = () => false): Run {
  let state = new MapState()
  let machine = newMachine(state)
  const answers: string[] = []
  for (const entry of entries) {
    for (const { ordinal, firstPosition, results } of applyEntry(machine, entry, slice)) {
      answers.push(`${entry.index} ${ordinal} ${firstPosition} ${toHex(results)}`)
    }
    if (restartAfter(entry.index)) {
      machine.checkpoint()
      state = new MapState(state.pairs)
      machine = newMachine(state, entry.index)
    }
  }
  machine.checkpoint()
  return { ...digestsOf(state), answers }
}

test('replay gives equal digests and equal answers', () => {
  fc.assert(
    fc.property(log, (entries) => {
      expect(run(entries)).toEqual(run(entries))
    }),
    { numRuns: 40 },
  )
})

test('a sliced advance equals an unsliced one', () => {
  fc.assert(
    fc.property(log, fc.integer({ min: 1, max: 7 }), (entries, slice) => {
      expect(run(entries, slice)).toEqual(run(entries))
    }),
    { numRuns: 60 },
  )
})

test('checkpoint and restart at any entries change neither digests nor answers', () => {
  fc.assert(
    fc.property(log, fc.infiniteStream(fc.boolean()), (entries, coin) => {
      const coins = [...coin.take(entries.length)]
      expect(run(entries, 1_000, (index) => coins[index - 1] === true)).toEqual(run(entries))
    }),
    { numRuns: 80 },
  )
})

test('checkpoints on the way, without a restart, change nothing', () => {
  fc.assert(
    fc.property(log, (entries) => {
      const state = new MapState()
      const machine = newMachine(state)
      for (const entry of entries) {
        applyEntry(machine, entry)
        while (!machine.checkpoint(1));
      }
      const { stateDigest, dataDigest } = run(entries)
      expect(digestsOf(state)).toEqual({ stateDigest, dataDigest })
    }),
    { numRuns: 40 },
  )
})

test('any interleaving and duplication of retries applies each operation once', () => {
  // Every operation swaps a counter one up: run twice, or out of turn, it would be refused or count twice.
  const count = 12
  const requests = Array.from({ length: count }, (_, i) =>
    requestOf([cas('counter', i === 0 ? null : String(i - 1), String(i))], {
      session: { index: 1, offset: 1 },
      sequence: i + 1,
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat({ max: count - 1 }), { minLength: 1, maxLength: 4 }), { maxLength: 30 }),
      (plan) => {
        const state = new MapState()
        const machine = newMachine(state)
        applyEntry(machine, entryOf(1, START_MS, encodeBody(OPENING)))
        // Whatever was lost, doubled or reordered: the client sends everything once more, in order.
        for (const numbers of [...plan, requests.map((_, i) => i)]) {
          const body = encodeBody(numbers.map((number) => requests[number] as Uint8Array))
          applyEntry(machine, entryOf(machine.appliedIndex + 1, START_MS, body))
        }
        expect(Buffer.from(state.get('\x12counter')?.subarray(8) ?? []).toString()).toBe(String(count - 1))
      },
    ),
    { numRuns: 100 },
  )
})

test('the data digest leaves out sessions and clients, the state digest does not', () => {
  const plain = run([entryOf(1, START_MS, encodeBody(OPENING))])
  const more = run([entryOf(1, START_MS, encodeBody([...OPENING, ...OPENING]))])
  expect(more.dataDigest).toBe(plain.dataDigest)
  expect(more.stateDigest).not.toBe(plain.stateDigest)
  const state = new MapState()
  expect(digestsOf(state).dataDigest).toBe(plain.dataDigest)
  newMachine(state)
  expect(state.pairs.size).toBe(CLIENTS.length)
})
