/**
 * A simulated client: one session, one request at a time to whoever leads, sent again with the same
 * bytes until it is answered. Knows what was acknowledged.
 */
import { KnhkError } from '../base/error.js'
import { NO_SESSION, requestLength, type SessionId, writeRequest } from '../consensus/request.js'
import {
  CLIENT_FRAME,
  decodeApplied,
  PROPOSE_HEADER_BYTES,
  requestNumberOf,
  writeProposeHeader,
} from '../transport/client-protocol.js'
import { encodeOperation } from '../workflow/operation-codec.js'
import type { Operation } from '../workflow/operations.js'
import { decodeResults, type PlacedResult } from '../workflow/result-codec.js'
import type { SimulatedConnection, SimulatedListener } from './clients.js'
import { SIMULATED_CLIENT_KEY, type SimulatedCluster } from './cluster.js'

const RETRY_MS = 40
const ANSWER_TIMEOUT_MS = 400

export class SimulatedClient {
  readonly #cluster: SimulatedCluster
  #session: SessionId = NO_SESSION
  #sequence = 1
  #number = 0
  #connection: SimulatedConnection | null = null
  #listener: SimulatedListener | null = null
  #waiting: { number: number; payload: Uint8Array; done: (results: PlacedResult[]) => void } | null = null

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  async open(): Promise<void> {
    const [opened] = await this.#submit(NO_SESSION, 0, 0, { type: 'OpenSession', ordered: false })
    if (opened === undefined || !opened.outcome.ok) throw new KnhkError('Bug', 'the session was not opened')
    this.#session = { index: opened.index, offset: opened.position }
  }

  /** Resolves when the operation is answered, however often it had to be sent. */
  async submit(operation: Operation): Promise<PlacedResult> {
    const sequence = this.#sequence++
    const [result] = await this.#submit(this.#session, sequence, sequence, operation)
    return result as PlacedResult
  }

  #submit(
    session: SessionId,
    firstSequence: number,
    ackedBelow: number,
    operation: Operation,
  ): Promise<PlacedResult[]> {
    const header = { session, firstSequence, ackedBelow, clientKey: SIMULATED_CLIENT_KEY }
    const operations = [encodeOperation(operation)]
    const payload = new Uint8Array(PROPOSE_HEADER_BYTES + requestLength(operations))
    writeRequest(payload, PROPOSE_HEADER_BYTES, header, operations)
    return new Promise((done) => {
      const number = ++this.#number
      writeProposeHeader(payload, number)
      this.#waiting = { number, payload, done }
      this.#send()
    })
  }

  #send(): void {
    const waiting = this.#waiting
    if (waiting === null) return
    const listener = this.#cluster.leader()?.listener ?? null
    if (listener === null) {
      this.#later(waiting.number, RETRY_MS)
      return
    }
    if (listener !== this.#listener || this.#connection === null || !this.#connection.open) {
      this.#listener = listener
      this.#connection = listener.connect(SIMULATED_CLIENT_KEY, {
        onAnswer: (type, payload) => this.#answered(type, payload),
        onClose: () => {},
      })
    }
    this.#connection.transmit(CLIENT_FRAME.propose, waiting.payload)
    this.#later(waiting.number, ANSWER_TIMEOUT_MS)
  }

  #later(number: number, delayMs: number): void {
    this.#cluster.queue.after(delayMs, () => {
      if (this.#waiting?.number === number) this.#send()
    })
  }

  #answered(type: number, payload: Uint8Array): void {
    const waiting = this.#waiting
    if (waiting === null || type === CLIENT_FRAME.leader || requestNumberOf(payload) !== waiting.number) return
    if (type !== CLIENT_FRAME.applied) {
      this.#later(waiting.number, RETRY_MS)
      return
    }
    const frame = decodeApplied(payload)
    this.#waiting = null
    waiting.done(decodeResults(frame.results, frame.index, frame.firstPosition))
  }
}
