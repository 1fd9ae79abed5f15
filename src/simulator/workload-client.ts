/**
 * A simulated client that does what an application would do to a few keys that others use too, and
 * records it: puts, deletes, compare-and-sets and linearizable gets, one after the other. Writes have a
 * session and a sequence number and are sent again until answered; after a while the client gives up
 * and the outcome is unknown.
 */
import { requestSignBytes, signedRequest } from '../consensus/bft/client-request.js'
import { encodeRequest, NO_SESSION, type RequestFields, type SessionId } from '../consensus/request.js'
import type { NodeId } from '../consensus/types.js'
import {
  CLIENT_FRAME,
  decodeApplied,
  decodeQueryAnswer,
  encodeQuery,
  PROPOSE_HEADER_BYTES,
  writeProposeHeader,
} from '../transport/client-protocol.js'
import { kvValue } from '../workflow/kv.js'
import { kvOperation } from '../workflow/kv-codec.js'
import { encodeOperation } from '../workflow/operation-codec.js'
import type { KvOperation, Operation } from '../workflow/operations.js'
import { decodeResults, type PlacedResult } from '../workflow/result-codec.js'
import type { SimulatedCluster } from './cluster.js'
import { UNREAD_KEYS } from './damage.js'
import { Exchange, type Exchanged, type RequestExchange } from './exchange.js'
import type { Call, HistoryRecorder, OpenCall } from './history-recorder.js'
import type { SimulatedNode } from './node.js'
import { QuorumExchange } from './quorum-exchange.js'
import type { SeededRandom } from './random.js'
import type { Trace } from './trace.js'

const QUIET_LOOK_MS = 5

export interface WorkloadOptions {
  readonly cluster: SimulatedCluster
  readonly recorder: HistoryRecorder
  readonly random: SeededRandom
  readonly name: string
  readonly keys: readonly string[]
  /** Longest pause between two operations. */
  readonly thinkMaxMs: number
  /** Does gets and nothing else. */
  readonly onlyReads: boolean
  /** Asks for reads that a lease is enough for, half of the time. */
  readonly hasLeases: boolean
  /** Begins nothing while this is so. */
  readonly isQuiet: () => boolean
  /** Whom its requests go to while that node is up; null: whoever leads. */
  readonly prefers: () => SimulatedNode | null
  /** Called as a read begins; gets the index of the state that answered it. */
  readonly onRead: () => (index: number) => void
  /** Sees every operation begin and end. */
  readonly trace: Trace | null
  /** A write was acknowledged at this log index. */
  readonly onAcknowledged: (index: number) => void
  /** A request was signed and may be ordered from now on. */
  readonly onSigned?: (request: Uint8Array) => void
  /** A member answered a request, which is named by its session and sequence. */
  readonly onAnswer?: (by: NodeId, request: string, payload: Uint8Array) => void
  /** The cluster answered what it must never answer. */
  readonly onNonsense: (detail: string) => void
}

/** A client of a Byzantine cluster waits for changes of view. */
const PATIENCE = { raft: { minMs: 800, spanMs: 3000 }, byzantine: { minMs: 4000, spanMs: 8000 } } as const

export class WorkloadClient {
  readonly exchange: RequestExchange
  /** Operations that were answered. */
  completed = 0
  readonly #options: WorkloadOptions
  readonly #known = new Map<string, string | null>()
  #session: SessionId | null = null
  #sequence = 1
  #values = 0
  /** Session and sequence of the open request. */
  #asked = ''
  #running = false
  #busy = false

  constructor(options: WorkloadOptions) {
    this.#options = options
    const { cluster, random, prefers } = options
    if (!this.#isByzantine) {
      this.exchange = new Exchange(cluster, random, prefers)
      return
    }
    const exchange = new QuorumExchange(cluster, random)
    exchange.onAnswer = (by, payload) => options.onAnswer?.(by, this.#asked, payload)
    this.exchange = exchange
  }

  /** Members may lie: requests are signed, and reads are ordered like writes. */
  get #isByzantine(): boolean {
    return this.#options.cluster.configuration.protocol !== 'raft'
  }

  get isIdle(): boolean {
    return !this.#busy
  }

  start(): void {
    this.#running = true
    if (!this.#busy) this.#next()
  }

  /** Finishes what is under way and starts nothing more. */
  stop(): void {
    this.#running = false
  }

  /** Reads one key, once, whatever else is going on is over; for the end of a run. */
  readOnce(key: string, done: () => void): void {
    this.#run({ op: 'get', key, value: null, expected: null }, done)
  }

  /** An administrator's operation, whatever comes of it; nothing while another one is open. */
  administer(operation: Operation): void {
    if (this.#busy) return
    this.#busy = true
    this.#propose(NO_SESSION, this.#options.random.between(1, 2 ** 40), operation, () => {
      this.#busy = false
    })
  }

  #next(): void {
    if (!this.#running) return
    const { random, thinkMaxMs, cluster, isQuiet } = this.#options
    if (isQuiet()) {
      cluster.queue.after(QUIET_LOOK_MS, () => this.#next())
      return
    }
    this.#run(this.#invent(), () => cluster.queue.after(random.next() * thinkMaxMs, () => this.#next()))
  }

  #run(call: Call, then: () => void): void {
    this.#busy = true
    const done = () => {
      this.#busy = false
      then()
    }
    if ((call.op !== 'get' || this.#isByzantine) && this.#session === null) {
      this.#openSession(() => this.#run(call, then), done)
      return
    }
    const open = this.#options.recorder.call(this.#options.name, call)
    this.#options.trace?.emit('call', this.#options.name, { ...call })
    if (call.op !== 'get') this.#write(open, done)
    else if (this.#isByzantine) this.#orderedGet(open, done)
    else this.#get(open, done)
  }

  #invent(): Call {
    const { random, keys, name } = this.#options
    const key = random.pick(keys)
    const choice = this.#options.onlyReads ? 0 : random.next()
    if (choice < 0.35) return { op: 'get', key, value: null, expected: null }
    if (choice < 0.45) return { op: 'delete', key, value: null, expected: null }
    const value = `${name}-${++this.#values}`
    if (choice < 0.5) return { op: 'put', key: `${UNREAD_KEYS}${value}`, value, expected: null }
    if (choice < 0.75) return { op: 'put', key, value, expected: null }
    return { op: 'cas', key, value, expected: this.#known.get(key) ?? null }
  }

  #openSession(opened: () => void, gaveUp: () => void): void {
    const operation: Operation = { type: 'OpenSession', ordered: false }
    // Outside any session the number is all that tells one client's request from another's.
    const sequence = this.#isByzantine ? this.#options.random.between(1, 2 ** 40) : 0
    this.#propose(NO_SESSION, sequence, operation, (outcome) => {
      const result = this.#resultOf(outcome)
      if (result === null) {
        // Whether there is a session now that nobody knows of does not matter: it expires.
        this.#options.cluster.queue.after(1 + this.#options.random.next() * 50, gaveUp)
        return
      }
      this.#session = { index: result.index, offset: result.position }
      this.#sequence = 1
      opened()
    })
  }

  #write(open: OpenCall, done: () => void): void {
    const sequence = this.#sequence++
    this.#propose(this.#session as SessionId, sequence, kvOperation(kvOf(open)), (outcome) => {
      const result = this.#resultOf(outcome)
      if (result === null) this.#unanswered(open, outcome)
      else {
        const matched = result.outcome.ok
        if (matched) this.#known.set(open.key, open.op === 'delete' ? null : open.value)
        else this.#known.delete(open.key)
        this.#completed(open, open.op === 'cas' ? matched : null)
      }
      done()
    })
  }

  /** No member is believed alone: the read takes its place in the log. */
  #orderedGet(open: OpenCall, done: () => void): void {
    const sequence = this.#sequence++
    const answered = this.#options.onRead()
    const operation = kvOperation({ operation: 'kv.get', key: Buffer.from(open.key) })
    this.#propose(this.#session as SessionId, sequence, operation, (outcome) => {
      const result = this.#resultOf(outcome)
      if (result === null || !result.outcome.ok) this.#unanswered(open, outcome)
      else {
        const { payload } = result.outcome
        const text = payload.length === 0 ? null : Buffer.from(kvValue(payload)).toString()
        answered(result.index)
        this.#known.set(open.key, text)
        this.#completed(open, text)
      }
      done()
    })
  }

  #get(open: OpenCall, done: () => void): void {
    const args = { key: Buffer.from(open.key) }
    const answered = this.#options.onRead()
    const { hasLeases, random } = this.#options
    const read = hasLeases && random.chance(0.6) ? 'lease' : 'linearizable'
    const encode = (requestNumber: number) => encodeQuery({ requestNumber, read, name: 'kv.get', args })
    this.exchange.request(CLIENT_FRAME.query, encode, this.#patienceMs(), (outcome) => {
      if (outcome.kind === 'answered' && outcome.type === CLIENT_FRAME.answer) {
        const answer = decodeQueryAnswer(outcome.payload)
        answered(answer.index)
        const { value } = answer.value as { value: Uint8Array | null }
        const text = value === null ? null : Buffer.from(value).toString()
        this.#known.set(open.key, text)
        this.#completed(open, text)
      } else this.#unanswered(open, outcome)
      done()
    })
  }

  #completed(open: OpenCall, result: string | boolean | null): void {
    this.completed++
    this.#returned(open, 'ok', result)
  }

  #unanswered(open: OpenCall, outcome: Exchanged): void {
    const isOver = outcome.kind === 'gaveUp' && !outcome.possible
    this.#returned(open, isOver ? 'failed' : 'unknown', null)
    if (outcome.kind === 'refused') this.#options.onNonsense(`${open.op} was refused with ${outcome.code}`)
  }

  #returned(open: OpenCall, outcome: 'ok' | 'failed' | 'unknown', result: string | boolean | null): void {
    this.#options.recorder.return(open, outcome, result)
    this.#options.trace?.emit('return', this.#options.name, { op: open.op, key: open.key, outcome, result })
  }

  /** The result of a write; null when there is none. Reports what no write of ours can come to. */
  #resultOf(outcome: Exchanged): PlacedResult | null {
    if (outcome.kind !== 'answered') return null
    const frame = decodeApplied(outcome.payload)
    const [result] = decodeResults(frame.results, frame.index, frame.firstPosition)
    if (result === undefined) return null
    this.#options.onAcknowledged(result.index)
    if (result.outcome.ok || result.outcome.code === 'CompareMismatch') return result
    this.#options.onNonsense(`a write was rejected with ${result.outcome.code}: ${result.outcome.message}`)
    return null
  }

  #propose(session: SessionId, sequence: number, operation: Operation, done: (outcome: Exchanged) => void): void {
    const header = {
      session,
      firstSequence: sequence,
      ackedBelow: sequence,
      clientKey: this.#options.cluster.clientKey,
    }
    const request = this.#encode(header, encodeOperation(operation))
    this.#asked = `${session.index}/${session.offset}/${sequence}`
    const encode = (requestNumber: number) => {
      const payload = new Uint8Array(PROPOSE_HEADER_BYTES + request.length)
      payload.set(request, PROPOSE_HEADER_BYTES)
      writeProposeHeader(payload, requestNumber)
      return payload
    }
    this.exchange.request(CLIENT_FRAME.propose, encode, this.#patienceMs(), done)
  }

  #encode(header: RequestFields, operation: Uint8Array): Uint8Array {
    const unsigned = encodeRequest(header, [operation])
    if (!this.#isByzantine) return unsigned
    const { sha256, configuration, signatures } = this.#options.cluster
    const sign = signatures.signerOf(header.clientKey)
    const request = signedRequest(unsigned, sign(requestSignBytes(sha256, configuration.clusterId, unsigned)))
    this.#options.onSigned?.(request)
    return request
  }

  #patienceMs(): number {
    const { minMs, spanMs } = this.#isByzantine ? PATIENCE.byzantine : PATIENCE.raft
    return minMs + this.#options.random.next() * spanMs
  }
}

function kvOf({ op, key: keyText, value: valueText, expected }: Call): KvOperation {
  const key = Buffer.from(keyText)
  const value = Buffer.from(valueText ?? '')
  if (op === 'delete') return { operation: 'kv.delete', key }
  if (op === 'put') return { operation: 'kv.put', key, value }
  return { operation: 'kv.cas', key, expected: expected === null ? null : Buffer.from(expected), value }
}
