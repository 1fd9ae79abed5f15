/** Builds entries and drives a `WorkflowMachine` over a state in memory: what the tests of this room share. */

import { toHex } from '../../src/base/bytes.js'
import type { ClientRole } from '../../src/consensus/configuration.js'
import { type Entry, type EntryKind, makeEntry } from '../../src/consensus/entry.js'
import { encodeRequest, NO_SESSION, type SessionId } from '../../src/consensus/request.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { epoch, logIndex, term } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { Verifier } from '../../src/crypto/verifier.js'
import { DigestTree } from '../../src/workflow/digest.js'
import { KV_HANDLERS } from '../../src/workflow/kv.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { WorkflowMachine } from '../../src/workflow/machine.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import type { CaseState, Operation } from '../../src/workflow/operations.js'
import { startQuery } from '../../src/workflow/queries.js'
import { decodeResults, type PlacedResult } from '../../src/workflow/result-codec.js'
import { decodeSessionId } from '../../src/workflow/session-id.js'
import { type StatePort, SYSTEM_FROM, SYSTEM_TO } from '../../src/workflow/state-keys.js'

export const START_MS = 1_700_000_000_000
const HASH = new Uint8Array(32)

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array): string => Buffer.from(value).toString('utf8')
export const keyOf = (name: string): Uint8Array => sha256(bytes(`client ${name}`))

/** One client of each role; `stranger` is not among them. */
export const CLIENTS = (['reader', 'writer', 'operator', 'admin'] as const).map((role: ClientRole) => ({
  id: `the-${role}`,
  publicKey: keyOf(role),
  role,
}))

export const CLUSTER_ID: Uint8Array = HASH.subarray(16)
const GENESIS = { clients: CLIENTS, clusterId: CLUSTER_ID }

export const CASE_ID = '11111111-2222-4333-8444-555555555555'
export const SPEC_ID = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'

export const put = (key: string, value: string): Operation =>
  kvOperation({ operation: 'kv.put', key: bytes(key), value: bytes(value) })
export const get = (key: string): Operation => kvOperation({ operation: 'kv.get', key: bytes(key) })
export const remove = (key: string): Operation => kvOperation({ operation: 'kv.delete', key: bytes(key) })
export const cas = (key: string, expected: string | null, value: string): Operation =>
  kvOperation({
    operation: 'kv.cas',
    key: bytes(key),
    expected: expected === null ? null : bytes(expected),
    value: bytes(value),
  })
export const create = (caseId = CASE_ID, data = '{"a":1}', specId = SPEC_ID): Operation => ({
  type: 'CreateCase',
  caseId,
  specId,
  data: bytes(data),
})
export const move = (newState: CaseState, caseId = CASE_ID, error: string | null = null): Operation => ({
  type: 'UpdateCaseState',
  caseId,
  newState,
  error,
})

export class MapState implements StatePort {
  readonly pairs: Map<string, Uint8Array>

  constructor(pairs: Iterable<readonly [string, Uint8Array]> = []) {
    this.pairs = new Map(pairs)
  }

  get(key: string): Uint8Array | undefined {
    return this.pairs.get(key)
  }

  put(key: string, value: Uint8Array): void {
    this.pairs.set(key, value)
  }

  delete(key: string): void {
    this.pairs.delete(key)
  }

  range(from: string, to: string): { key: string; value: Uint8Array }[] {
    const found = [...this.pairs].filter(([key]) => key >= from && key < to)
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key, value }))
  }
}

export interface RequestFields {
  readonly session?: SessionId
  readonly sequence?: number
  readonly ackedBelow?: number
  /** A name, or the key itself. */
  readonly client?: string | Uint8Array
}

function keyFor(client: string | Uint8Array): Uint8Array {
  return typeof client === 'string' ? keyOf(client) : client
}

export function requestOf(operations: readonly (Operation | Uint8Array)[], fields: RequestFields = {}): Uint8Array {
  const { session = NO_SESSION, sequence = 1, ackedBelow = 1, client = 'writer' } = fields
  const encoded = operations.map((operation) =>
    operation instanceof Uint8Array ? operation : encodeOperation(operation),
  )
  return encodeRequest({ session, firstSequence: sequence, ackedBelow, clientKey: keyFor(client) }, encoded)
}

export function entryOf(index: number, timestampMs: number, body: Uint8Array, kind: EntryKind = 'data'): Entry {
  const position = { epoch: epoch(0), term: term(1), index: logIndex(index), timestampMs, kind }
  const hashes = { clusterId: HASH.subarray(16), configHash: HASH, batchDigest: HASH, previousChain: HASH }
  return makeEntry(sha256, { ...position, ...hashes }, body)
}

export function newMachine(state: MapState, appliedIndex = 0): WorkflowMachine {
  const system = appliedIndex === 0 ? [] : state.range(SYSTEM_FROM, SYSTEM_TO)
  const modules = { state, handlers: KV_HANDLERS, sha256, signatures: new Verifier() }
  return new WorkflowMachine({ genesis: GENESIS, appliedIndex, system }, modules)
}

export interface Answer {
  readonly ordinal: number
  readonly firstPosition: number
  readonly results: Uint8Array
}

/** Applies one entry in slices of `slice` operations; returns what was answered. */
export function applyEntry(machine: WorkflowMachine, entry: Entry, slice = 1_000_000): Answer[] {
  const answers: Answer[] = []
  machine.begin(entry)
  while (
    !machine.advance(slice, (ordinal, firstPosition, results) => answers.push({ ordinal, firstPosition, results }))
  );
  return answers
}

/** Digests of a state, from scratch. */
export function digestsOf(state: MapState): { stateDigest: string; dataDigest: string } {
  const tree = new DigestTree(sha256)
  for (const [key, value] of state.pairs) tree.update(key, value)
  while (!tree.settle(10_000));
  const { stateDigest, dataDigest } = tree.digests()
  return { stateDigest: toHex(stateDigest), dataDigest: toHex(dataDigest) }
}

/** One machine and its log, for tests that read like a story. */
export class Story {
  readonly state: MapState
  machine: WorkflowMachine
  nowMs = START_MS
  readonly entries: Entry[] = []
  #next = new Map<string, number>()

  constructor() {
    this.state = new MapState()
    this.machine = newMachine(this.state)
  }

  /** Applies requests as one entry; the decoded results of each. */
  apply(...requests: Uint8Array[]): PlacedResult[][] {
    return this.applyBody(encodeBody(requests))
  }

  applyBody(body: Uint8Array): PlacedResult[][] {
    const entry = entryOf(this.machine.appliedIndex + 1, this.nowMs, body)
    this.entries.push(entry)
    return applyEntry(this.machine, entry).map(({ results, firstPosition }) =>
      decodeResults(results, entry.index, firstPosition),
    )
  }

  /** Opens a session in an entry of its own. */
  open(client: string | Uint8Array = 'writer', ordered = false): SessionId {
    const [[opened] = []] = this.apply(requestOf([{ type: 'OpenSession', ordered }], { client }))
    if (opened?.outcome.ok !== true) throw new Error(`no session: ${JSON.stringify(opened?.outcome)}`)
    return decodeSessionId(opened.outcome.payload)
  }

  /** Submits operations in a session with the next sequence numbers, everything before acknowledged. */
  submit(
    session: SessionId,
    operations: readonly (Operation | Uint8Array)[],
    client: string | Uint8Array = 'writer',
  ): PlacedResult[] {
    const name = `${session.index}.${session.offset}`
    const sequence = this.#next.get(name) ?? 1
    this.#next.set(name, sequence + operations.length)
    const [results] = this.apply(requestOf(operations, { session, sequence, ackedBelow: sequence, client }))
    if (results === undefined) throw new Error('no answer')
    return results
  }

  /** Restarts the machine from its checkpointed state. */
  restart(): void {
    this.machine.checkpoint()
    this.machine = newMachine(this.state, this.machine.appliedIndex)
  }

  digests(): { stateDigest: string; dataDigest: string } {
    this.machine.checkpoint()
    return digestsOf(this.state)
  }

  query(name: string, args: Record<string, unknown> = {}): unknown {
    const query = startQuery(name, args, this.machine)
    let step = query.next()
    while (step.done !== true) {
      const read = step.value
      if (read.kind === 'get') step = query.next({ kind: 'get', value: this.state.get(read.key) })
      else {
        const pairs = this.state.range(read.from, read.to)
        if (read.reverse) pairs.reverse()
        step = query.next({ kind: 'range', pairs: pairs.slice(0, read.limit) })
      }
    }
    return step.value
  }
}

/** 'ok', or the code of the rejection. */
export function codeOf(result: PlacedResult | undefined): string {
  if (result === undefined) return 'no result'
  return result.outcome.ok ? 'ok' : result.outcome.code
}

export const codesOf = (results: readonly PlacedResult[] | undefined): string[] => (results ?? []).map(codeOf)
