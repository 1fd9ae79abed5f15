/**
 * Ingress of a leader: checks each client request, and collects those that arrive while a write is
 * under way into the next batch. Batches form by themselves; there is no batching delay.
 */
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import { requestProblem } from '../consensus/request.js'
import { encodeBody } from '../consensus/request-body.js'
import type { Traces } from '../telemetry/observer.js'
import type { NodeLimits } from './limits.js'
import type { ClientConnection } from './ports.js'

/** Who waits for the answers of one batch: parallel arrays, one slot per request. */
export interface Waiters {
  readonly connections: readonly ClientConnection[]
  readonly requestNumbers: readonly number[]
}

export interface Batch extends Waiters {
  readonly body: Uint8Array
  /** Contexts that came with some of the requests. */
  readonly traces: Traces
}

/** Contexts kept for one batch: more requests may be traced than anybody looks at. */
const TRACES_MAX = 32
const NO_TRACES: Traces = []

export class Collector {
  readonly #limits: NodeLimits
  #connections: ClientConnection[] = []
  #requestNumbers: number[] = []
  #requests: Uint8Array[] = []
  #bytes = 0
  /** By the place of their request among those that wait. */
  #traces: { readonly at: number; readonly trace: Uint8Array }[] = []

  constructor(limits: NodeLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#requests.length === 0
  }

  /** Requests that wait. */
  get size(): number {
    return this.#requests.length
  }

  /**
   * Takes a request, with the trace context beside it, or says why not. Throws `ProtocolViolation` for
   * malformed bytes.
   */
  add(
    connection: ClientConnection,
    requestNumber: number,
    request: Uint8Array,
    trace: Uint8Array | null,
  ): ErrorCode | null {
    const problem = requestProblem(request, connection.clientKey)
    if (problem === 'foreign') return 'NotPermitted'
    if (problem !== null) throw new KnhkError('ProtocolViolation', `a request is ${problem}`)
    if (this.#bytes + request.length > this.#limits.pendingBytesMax) return 'ResourceExhausted'
    if (trace !== null && this.#traces.length < TRACES_MAX) this.#traces.push({ at: this.#requests.length, trace })
    this.#connections.push(connection)
    this.#requestNumbers.push(requestNumber)
    this.#requests.push(request)
    this.#bytes += request.length
    return null
  }

  /** Cuts the next batch, at least one request of those waiting. */
  take(): Batch {
    let count = 0
    let bytes = 0
    while (count < this.#requests.length && count < this.#limits.batchRequestsMax) {
      const length = (this.#requests[count] as Uint8Array).length
      if (count > 0 && bytes + length > this.#limits.batchBytesMax) break
      bytes += length
      count++
    }
    this.#bytes -= bytes
    return {
      body: encodeBody(this.#requests.splice(0, count)),
      connections: this.#connections.splice(0, count),
      requestNumbers: this.#requestNumbers.splice(0, count),
      traces: this.#takeTraces(count),
    }
  }

  /** Gives back everything that was not proposed. */
  drain(): Waiters {
    const waiters = { connections: this.#connections, requestNumbers: this.#requestNumbers }
    this.#connections = []
    this.#requestNumbers = []
    this.#requests = []
    this.#traces = []
    this.#bytes = 0
    return waiters
  }

  #takeTraces(count: number): Traces {
    if (this.#traces.length === 0) return NO_TRACES
    const taken = this.#traces.filter(({ at }) => at < count).map(({ trace }) => trace)
    this.#traces = this.#traces.filter(({ at }) => at >= count).map(({ at, trace }) => ({ at: at - count, trace }))
    return taken
  }
}
