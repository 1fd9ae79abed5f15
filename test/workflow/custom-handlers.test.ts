/**
 * Shows the handlers and rule types of embedding programs: a state of their own, nothing half written,
 * rejections by code, roles, rules that govern them, and the hash that keeps different sets apart.
 */
import { expect, test } from 'vitest'
import { readU32, toHex, writeU32 } from '../../src/base/bytes.js'
import { KnhkError } from '../../src/base/error.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { Verifier } from '../../src/crypto/verifier.js'
import { type CustomOperation, customHandler, reject } from '../../src/workflow/custom-handlers.js'
import { hashHandlers } from '../../src/workflow/handlers.js'
import { KV_HANDLERS } from '../../src/workflow/kv.js'
import { WorkflowMachine } from '../../src/workflow/machine.js'
import type { Operation } from '../../src/workflow/operations.js'
import type { RuleType } from '../../src/workflow/policies/rule-types.js'
import { decodeResults } from '../../src/workflow/result-codec.js'
import { HANDLER_SPACE } from '../../src/workflow/state-keys.js'
import { apply, rule } from './governance-harness.js'
import {
  applyEntry,
  bytes,
  CLIENTS,
  CLUSTER_ID,
  codesOf,
  entryOf,
  MapState,
  put,
  requestOf,
  START_MS,
  text,
} from './harness.js'

/** Counts up; 13 is never reached, and everything over it neither. */
const counter: CustomOperation = {
  name: 'counter.add',
  version: 1,
  namespace: 'counter',
  role: 'writer',
  readOnly: false,
  apply({ data, state }) {
    const sum = (state.get('sum')?.[0] ?? 0) + (data[0] ?? 0)
    state.put('sum', Uint8Array.of(sum))
    if (sum >= 13) throw reject('CompareMismatch', 'thirteen', { sum })
    return Uint8Array.of(sum)
  },
}
const read: CustomOperation = {
  ...counter,
  name: 'counter.get',
  role: 'reader',
  readOnly: true,
  apply: ({ state }) => state.get('sum') ?? new Uint8Array(0),
}
const even: RuleType = {
  name: 'even',
  version: 1,
  check: ({ data }, params) => (((data?.[0] ?? 0) % 2 === 0) === (params.wanted ?? true) ? null : 'it is odd'),
}

const custom = (operation: string, ...data: number[]): Operation => ({
  type: 'Custom',
  operation,
  data: Uint8Array.from(data),
})

function world(...more: CustomOperation[]) {
  const state = new MapState()
  const handlers = [...KV_HANDLERS, ...[counter, read, ...more].map(customHandler)]
  const genesis = { clients: CLIENTS, clusterId: CLUSTER_ID }
  const modules = { state, handlers, sha256, signatures: new Verifier(), ruleTypes: [even] }
  const machine = new WorkflowMachine({ genesis, appliedIndex: 0, system: [] }, modules)
  const submit = (client: string, ...operations: Operation[]) => {
    const opening = requestOf([{ type: 'OpenSession', ordered: false }], { client })
    const at = machine.appliedIndex + 1
    applyEntry(machine, entryOf(at, START_MS, encodeBody([opening])))
    const request = requestOf(operations, { session: { index: at, offset: 0 }, client })
    const [answer] = applyEntry(machine, entryOf(at + 1, START_MS, encodeBody([request])))
    return decodeResults(answer?.results as Uint8Array, at + 1, 0)
  }
  return { state, submit }
}

test('an operation works on the state of its namespace, and on nothing else', () => {
  const { state, submit } = world()
  const results = submit('writer', custom('counter.add', 5), custom('counter.add', 6), custom('counter.get'))
  expect(results.map(({ outcome }) => (outcome.ok ? [...outcome.payload] : outcome.code))).toEqual([[5], [11], [11]])
  const own = state.range(HANDLER_SPACE, '\x16')
  expect(own.map(({ key, value }) => [key.slice(1), ...value])).toEqual([['counter\0sum', 11]])
})

test('what is rejected has written nothing', () => {
  const { submit } = world()
  const results = submit('writer', custom('counter.add', 5), custom('counter.add', 8), custom('counter.get'))
  expect(results[1]?.outcome).toEqual({ ok: false, code: 'CompareMismatch', message: 'thirteen', details: { sum: 13 } })
  expect(results[2]?.outcome).toMatchObject({ payload: Uint8Array.of(5) })
})

test('keys, values, results and the number of writes are bounded', () => {
  const bound = (name: string, work: CustomOperation['apply']): CustomOperation => ({ ...counter, name, apply: work })
  const { state, submit } = world(
    bound('empty', ({ state: own }) => own.get('') ?? new Uint8Array(0)),
    bound('large', ({ state: own }) => {
      own.put('k', new Uint8Array(2 ** 20 + 1))
      return new Uint8Array(0)
    }),
    bound('talkative', ({ state: own }) => {
      own.put('k', new Uint8Array(1))
      return new Uint8Array(156)
    }),
    bound('many', ({ state: own }) => {
      for (let n = 0; n <= 1_000; n++) own.put(`k${n}`, new Uint8Array(0))
      return new Uint8Array(0)
    }),
  )
  const results = submit('writer', ...['empty', 'large', 'talkative', 'many'].map((name) => custom(name)))
  expect(new Set(codesOf(results))).toEqual(new Set(['InvalidOperation']))
  expect(state.range(HANDLER_SPACE, '\x16')).toEqual([])
})

test('roles are checked, and a defect does not pass for a result', () => {
  const sly: CustomOperation['apply'] = ({ state }) => {
    state.put('k', bytes('v'))
    return bytes('')
  }
  const { submit } = world({ ...read, name: 'sly', apply: sly })
  expect(codesOf(submit('reader', custom('counter.add', 1), custom('counter.get'), custom('none')))).toEqual([
    'NotPermitted',
    'ok',
    'UnknownOperation',
  ])
  expect(() => submit('reader', custom('sly'))).toThrow(KnhkError)
})

test('a registered type of rule governs', () => {
  const { submit } = world()
  const custom7 = custom('counter.add', 7)
  const policy = rule({ type: 'Custom', ruleType: 'even', params: {} }, { operations: ['Custom:counter.add'] })
  expect(codesOf(submit('admin', apply('r', policy), custom7, custom('counter.add', 2), put('k', 'v')))).toEqual([
    'ok',
    'PolicyViolation',
    'ok',
    'ok',
  ])
  const other = rule({ type: 'Custom', ruleType: 'even', params: { wanted: false } })
  const [, result] = submit('admin', apply('r', other), custom7)
  expect(codesOf([result as never])).toEqual(['ok'])
})

test('names and versions of handlers and rule types are part of the hash', () => {
  const hash = (handlers: typeof KV_HANDLERS, rules?: readonly RuleType[]) =>
    toHex(hashHandlers(sha256, handlers, rules))
  const sets = [
    hash(KV_HANDLERS),
    hash([...KV_HANDLERS, customHandler(counter)]),
    hash([...KV_HANDLERS, customHandler({ ...counter, version: 2 })]),
    hash(KV_HANDLERS, [even]),
    hash(KV_HANDLERS, [{ ...even, version: 2 }]),
  ]
  expect(new Set(sets).size).toBe(sets.length)
  expect(hash(KV_HANDLERS, [])).toBe(sets[0])
})

test('keys are texts or bytes, values are copies', () => {
  const mixed: CustomOperation = {
    ...counter,
    name: 'mixed',
    apply({ state }) {
      const value = new Uint8Array(4)
      writeU32(value, 0, 7)
      state.put(bytes('key'), value)
      value.fill(0)
      const back = state.get('key') as Uint8Array
      state.delete('gone')
      return bytes(String(readU32(back, 0)))
    },
  }
  const [result] = world(mixed).submit('writer', custom('mixed'))
  expect(result?.outcome.ok === true && text(result.outcome.payload)).toBe('7')
})
