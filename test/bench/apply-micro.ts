/**
 * What applying costs, without disk and network: nanoseconds per operation of the state machine alone,
 * for the shapes that matter. Build, then `node dist/test/bench/apply-micro.js`; the target is under
 * 5 µs for a kv.put of 256 B in a request of its own (docs/performance.md).
 */
import { pathToFileURL } from 'node:url'
import { type Entry, makeEntry } from '../../src/consensus/entry.js'
import { encodeRequest, type SessionId } from '../../src/consensus/request.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { epoch, logIndex, term } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { Verifier } from '../../src/crypto/verifier.js'
import { DigestTree } from '../../src/workflow/digest.js'
import { KV_HANDLERS } from '../../src/workflow/kv.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { WorkflowMachine } from '../../src/workflow/machine.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import type { Operation } from '../../src/workflow/operations.js'
import type { StatePort } from '../../src/workflow/state-keys.js'

const CLIENT_KEY = new Uint8Array(32).fill(7)
const OPERATIONS = 200_000
const REQUESTS_PER_ENTRY = 64
const SESSIONS = 256
const SLICE_OPERATIONS = 512
const HASH = new Uint8Array(32)

class MapState implements StatePort {
  readonly pairs = new Map<string, Uint8Array>()
  get(key: string): Uint8Array | undefined {
    return this.pairs.get(key)
  }
  put(key: string, value: Uint8Array): void {
    this.pairs.set(key, value)
  }
  delete(key: string): void {
    this.pairs.delete(key)
  }
}

function entryOf(index: number, requests: readonly Uint8Array[]): Entry {
  const fields = {
    epoch: epoch(0),
    term: term(1),
    index: logIndex(index),
    timestampMs: 1_700_000_000_000 + index,
    kind: 'data' as const,
    clusterId: HASH.subarray(0, 16),
    configHash: HASH,
    batchDigest: HASH,
    previousChain: HASH,
  }
  return makeEntry(sha256, fields, encodeBody(requests))
}

interface Shape {
  readonly name: string
  readonly batch: number
  readonly operation: (number: number) => Operation
}

/** Entries of one shape: the sessions take turns, each acknowledges what it sent before. */
function makeEntries(shape: Shape): Entry[] {
  const open = encodeOperation({ type: 'OpenSession', ordered: false })
  const opening = Array.from({ length: SESSIONS }, () =>
    encodeRequest({ session: { index: 0, offset: 0 }, firstSequence: 0, ackedBelow: 0, clientKey: CLIENT_KEY }, [open]),
  )
  const entries = [entryOf(1, opening)]
  const next = new Array<number>(SESSIONS).fill(1)
  let requests: Uint8Array[] = []
  for (let number = 0; number < OPERATIONS; ) {
    const offset = (number / shape.batch) % SESSIONS
    const session: SessionId = { index: 1, offset }
    const operations: Uint8Array[] = []
    for (let i = 0; i < shape.batch; i++) operations.push(encodeOperation(shape.operation(number++)))
    const firstSequence = next[offset] as number
    next[offset] = firstSequence + shape.batch
    requests.push(
      encodeRequest({ session, firstSequence, ackedBelow: firstSequence, clientKey: CLIENT_KEY }, operations),
    )
    if (requests.length === REQUESTS_PER_ENTRY || number >= OPERATIONS) {
      entries.push(entryOf(entries.length + 1, requests))
      requests = []
    }
  }
  return entries
}

function nanosecondsPer(count: number, work: () => void): number {
  const start = process.hrtime.bigint()
  work()
  return Math.round(Number(process.hrtime.bigint() - start) / count)
}

function applyAll(entries: readonly Entry[]): { readonly machine: WorkflowMachine; readonly state: MapState } {
  const state = new MapState()
  const clients = [{ id: 'bench', publicKey: CLIENT_KEY, role: 'writer' as const }]
  const genesis = { clients, clusterId: new Uint8Array(16) }
  const modules = { state, handlers: KV_HANDLERS, sha256, signatures: new Verifier() }
  const machine = new WorkflowMachine({ genesis, appliedIndex: 0, system: [] }, modules)
  let answered = 0
  const onRequest = (_ordinal: number, _firstPosition: number, results: Uint8Array) => {
    answered += results.length
  }
  for (const entry of entries) {
    machine.begin(entry)
    while (!machine.advance(SLICE_OPERATIONS, onRequest));
  }
  if (answered === 0) throw new Error('nothing was answered')
  return { machine, state }
}

const encoder = new TextEncoder()
const keyOf = (number: number) => encoder.encode(`bench/key-${number % 50_000}`)
const uuidOf = (number: number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`
const VALUE = new Uint8Array(256).fill(97)
const CASE_DATA = encoder.encode(JSON.stringify({ customer: 'c-1', amount: 12, note: 'x'.repeat(260) }))

const SHAPES: readonly Shape[] = [
  {
    name: 'kv.put 256 B',
    batch: 1,
    operation: (n) => kvOperation({ operation: 'kv.put', key: keyOf(n), value: VALUE }),
  },
  {
    name: 'kv.put 256 B',
    batch: 64,
    operation: (n) => kvOperation({ operation: 'kv.put', key: keyOf(n), value: VALUE }),
  },
  { name: 'kv.get', batch: 1, operation: (n) => kvOperation({ operation: 'kv.get', key: keyOf(n) }) },
  ...[1, 64].map((batch) => ({
    name: 'CreateCase 300 B',
    batch,
    operation: (n: number): Operation => ({
      type: 'CreateCase',
      caseId: uuidOf(n),
      specId: uuidOf(0),
      data: CASE_DATA,
    }),
  })),
]

export function main(): void {
  for (const shape of SHAPES) {
    const entries = makeEntries(shape)
    let best = Number.POSITIVE_INFINITY
    for (let run = 0; run < 3; run++)
      best = Math.min(
        best,
        nanosecondsPer(OPERATIONS, () => applyAll(entries)),
      )
    const { machine, state } = applyAll(entries)
    const checkpoint = nanosecondsPer(SESSIONS, () => machine.checkpoint())
    const tree = new DigestTree(sha256)
    const digest = nanosecondsPer(state.pairs.size, () => {
      for (const [key, value] of state.pairs) tree.update(key, value)
      tree.settle(Number.POSITIVE_INFINITY)
    })
    const { name, batch } = shape
    console.log(
      `${name}, ${batch} per request: ${best} ns per operation, checkpoint ${checkpoint} ns per session, digest ${digest} ns per key`,
    )
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main()
