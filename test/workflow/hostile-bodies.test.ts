/** Shows that no body, however broken, makes apply throw or two nodes differ: a Byzantine leader may propose anything. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeBody } from '../../src/consensus/request-body.js'
import { decodeOperation, encodeOperation } from '../../src/workflow/operation-codec.js'
import { MACHINE_SPACE, RESULT_SPACE } from '../../src/workflow/state-keys.js'
import { GOVERNING } from './governance-harness.js'
import {
  applyEntry,
  cas,
  codeOf,
  codesOf,
  create,
  digestsOf,
  entryOf,
  get,
  MapState,
  move,
  newMachine,
  put,
  requestOf,
  START_MS,
  Story,
} from './harness.js'

const OPENING = encodeBody([requestOf([{ type: 'OpenSession', ordered: false }])])
const session = { index: 1, offset: 0 }
const GOOD = encodeBody([
  requestOf([put('k', 'v'), cas('k', 'v', 'w'), get('k')], { session, sequence: 1 }),
  requestOf([create(), move('running'), move('failed', undefined, 'why')], { session, sequence: 4 }),
  requestOf([{ type: 'CloseSession' }], { session, sequence: 7 }),
])

function outcome(body: Uint8Array, slice: number) {
  const state = new MapState()
  const machine = newMachine(state)
  applyEntry(machine, entryOf(1, START_MS, OPENING))
  const answers = applyEntry(machine, entryOf(2, START_MS, body), slice)
  machine.checkpoint()
  // What the entry came to is kept, whatever it was; nothing else may differ.
  const besideResults = [...state.pairs].filter(([key]) => key !== MACHINE_SPACE && key[0] !== RESULT_SPACE)
  const digests = { all: digestsOf(state), besideResults: digestsOf(new MapState(besideResults)) }
  return { answers, digests, appliedIndex: machine.appliedIndex }
}

test('a body with any bytes changed is applied alike everywhere, and the machine goes on', () => {
  const change = fc.record({ at: fc.nat({ max: GOOD.length - 1 }), to: fc.nat({ max: 255 }) })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat({ max: GOOD.length }), (changes, cut) => {
      const body = GOOD.slice()
      for (const { at, to } of changes) body[at] = to
      expect(outcome(body, 1)).toEqual(outcome(body, 1_000))
      expect(outcome(body.subarray(0, cut), 1)).toEqual(outcome(body.subarray(0, cut), 1_000))
    }),
    { numRuns: 300 },
  )
})

test('random bytes as a body change nothing', () => {
  const { besideResults } = outcome(new Uint8Array(0), 1).digests
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      expect(outcome(body, 3).digests.besideResults).toEqual(besideResults)
    }),
    { numRuns: 100 },
  )
})

test('a request that cannot be read is one InvalidOperation, and the requests beside it are applied', () => {
  const story = new Story()
  const opened = story.open()
  const broken = requestOf([put('k', 'v')], { session: opened })
  broken[2] = 9
  const results = story.apply(broken, requestOf([put('k', 'v')], { session: opened }))
  expect(results.map(codesOf)).toEqual([['InvalidOperation'], ['ok']])
  expect(results[1]?.[0]).toMatchObject({ position: 1 })
})

test('a request with bytes behind its last operation is not applied', () => {
  const story = new Story()
  const opened = story.open()
  const request = requestOf([put('k', 'v')], { session: opened })
  expect(story.apply(Uint8Array.from([...request, 0])).map(codesOf)).toEqual([['InvalidOperation']])
  expect(story.apply(request).map(codesOf)).toEqual([['ok']])
})

test('numbers over 2^53 are refused, not rounded', () => {
  const story = new Story()
  const opened = story.open()
  for (const at of [8, 16, 24]) {
    const request = requestOf([put('k', 'v')], { session: opened })
    request.fill(0xff, at, at + 8)
    expect(story.apply(request).map(codesOf)).toEqual([['InvalidOperation']])
    const high = requestOf([put('k', 'v')], { session: opened })
    high.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0], at)
    expect(story.apply(high).map(codesOf)[0]?.[0]).not.toBe('ok')
  }
})

test('apply and the strict codec agree on what an operation is', () => {
  const samples = [
    put('k', 'v'),
    cas('k', null, 'w'),
    get('k'),
    create(),
    move('running'),
    move('failed', undefined, 'wählt'),
    ...GOVERNING,
  ]
  const mutated = fc
    .record({ sample: fc.constantFrom(...samples), at: fc.nat(), to: fc.nat({ max: 255 }), cut: fc.option(fc.nat()) })
    .map(({ sample, at, to, cut }) => {
      const bytes = encodeOperation(sample)
      bytes[at % bytes.length] = to
      return cut === null ? bytes : bytes.slice(0, cut % (bytes.length + 1))
    })
  fc.assert(
    fc.property(mutated, (bytes) => {
      const story = new Story()
      // The admin, because who may do nothing is told so before anything is read.
      const [result] = story.submit(story.open('admin'), [bytes], 'admin')
      let decodes = true
      try {
        expect(encodeOperation(decodeOperation(bytes))).toEqual(bytes)
      } catch {
        decodes = false
      }
      if (!decodes) expect(codeOf(result)).toBe('InvalidOperation')
    }),
    { numRuns: 500 },
  )
})
