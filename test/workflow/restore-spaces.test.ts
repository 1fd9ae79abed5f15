/**
 * Shows that a state becomes the beginning of another cluster: data and derived pairs stay byte for byte
 * and so does the data digest, sessions are gone, the clients are the new ones, and the machine goes on
 * from it at the same index with the same log time.
 */
import { expect, test } from 'vitest'
import { encodeBody } from '../../src/consensus/request-body.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { Verifier } from '../../src/crypto/verifier.js'
import { KV_HANDLERS } from '../../src/workflow/kv.js'
import { WorkflowMachine } from '../../src/workflow/machine.js'
import { RestoredSpaces } from '../../src/workflow/restore-spaces.js'
import { decodeResults } from '../../src/workflow/result-codec.js'
import type { StatePort } from '../../src/workflow/state-keys.js'
import {
  CLIENT_SPACE,
  classOfKey,
  MACHINE_SPACE,
  SESSION_SPACE,
  SYSTEM_FROM,
  SYSTEM_TO,
} from '../../src/workflow/state-keys.js'
import {
  applyEntry,
  CLUSTER_ID,
  create,
  digestsOf,
  entryOf,
  keyOf,
  MapState,
  newMachine,
  put,
  requestOf,
  START_MS,
} from './harness.js'

const NEW_CLIENTS = [
  { id: 'second', publicKey: keyOf('second'), role: 'writer' as const },
  { id: 'first', publicKey: keyOf('first'), role: 'admin' as const },
]

/** A state with cases, keys, and a session that is open. */
function origin(): MapState {
  const state = new MapState()
  const machine = newMachine(state)
  applyEntry(machine, entryOf(1, START_MS, encodeBody([requestOf([{ type: 'OpenSession', ordered: false }])])))
  const operations = [put('a', '1'), put('b', '2'), create()]
  const request = requestOf(operations, { session: { index: 1, offset: 0 } })
  applyEntry(machine, entryOf(2, START_MS + 5, encodeBody([request])))
  machine.checkpoint()
  return state
}

function restore(state: MapState): MapState {
  const spaces = new RestoredSpaces(NEW_CLIENTS)
  const given = state.range('', '\xff').flatMap((pair) => [...spaces.take(pair)])
  const all = [...given, ...spaces.end()]
  const keys = all.map(({ key }) => key)
  expect(keys).toEqual([...new Set(keys)].sort((a, b) => (a < b ? -1 : 1)))
  return new MapState(all.map(({ key, value }) => [key, value]))
}

function machineOn(state: MapState & StatePort, appliedIndex: number): WorkflowMachine {
  const system = state.range(SYSTEM_FROM, SYSTEM_TO)
  const modules = { state, handlers: KV_HANDLERS, sha256, signatures: new Verifier() }
  return new WorkflowMachine({ genesis: { clients: [], clusterId: CLUSTER_ID }, appliedIndex, system }, modules)
}

test('data stays, sessions go, the clients are the new ones', () => {
  const before = origin()
  const after = restore(before)
  expect(digestsOf(after).dataDigest).toBe(digestsOf(before).dataDigest)
  expect(digestsOf(after).stateDigest).not.toBe(digestsOf(before).stateDigest)
  const notSystem = (state: MapState) => state.range('', '\xff').filter(({ key }) => classOfKey(key) !== 'system')
  expect(notSystem(after)).toEqual(notSystem(before))
  expect(after.get(MACHINE_SPACE)).toEqual(before.get(MACHINE_SPACE))
  expect(before.range(SESSION_SPACE, '\x43').length).toBeGreaterThan(0)
  expect(after.range(SESSION_SPACE, '\x43')).toEqual([])
  expect(after.range(CLIENT_SPACE, SESSION_SPACE)).toHaveLength(NEW_CLIENTS.length)
})

test('the machine goes on from it', () => {
  const state = restore(origin())
  const machine = machineOn(state, 2)
  expect(machine.nowMs).toBe(START_MS + 5)
  expect(machine.roleOf(keyOf('first'))).toBe('admin')
  expect(machine.roleOf(keyOf('writer'))).toBeNull()
  expect(machine.sessions.size).toBe(0)
  expect(machine.cases.counts).toEqual(machineOn(origin(), 2).cases.counts)

  const open = requestOf([{ type: 'OpenSession', ordered: false }], { client: 'second' })
  const stranger = requestOf([{ type: 'OpenSession', ordered: false }], { client: 'writer' })
  const stale = requestOf([put('a', 'x')], { session: { index: 1, offset: 0 }, client: 'writer' })
  const answers = applyEntry(machine, entryOf(3, START_MS + 6, encodeBody([open, stranger, stale])))
  const results = answers.map(({ results: some, firstPosition }) => decodeResults(some, 3, firstPosition)[0])
  expect(results.map((result) => result?.outcome.ok)).toEqual([true, false, false])
})

test('an empty state gets its clients too', () => {
  expect(new RestoredSpaces(NEW_CLIENTS).end().map(({ key }) => key[0])).toEqual([CLIENT_SPACE, CLIENT_SPACE])
})
