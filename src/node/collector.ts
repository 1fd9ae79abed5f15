/**
 * Ingress of a leader: checks each client request, and collects those that arrive while a write is
 * under way into the next batch. Batches form by themselves; there is no batching delay.
 */
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import { requestProblem } from '../consensus/request.js'
import { encodeBody } from '../consensus/request-body.js'
import type { NodeLimits } from './limits.js'
import type { ClientConnection } from './ports.js'

/** Who waits for the answers of one batch: parallel arrays, one slot per request. */
export interface Waiters {
  readonly connections: readonly ClientConnection[]
  readonly requestNumbers: readonly number[]
}

export interface Batch extends Waiters {
  readonly body: Uint8Array
}

export class Collector {
  readonly #limits: NodeLimits
  #connections: ClientConnection[] = []
  #requestNumbers: number[] = []
  #requests: Uint8Array[] = []
  #bytes = 0

  constructor(limits: NodeLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#requests.length === 0
  }

  /** Takes a request, or says why not. Throws `ProtocolViolation` for malformed bytes. */
  add(connection: ClientConnection, requestNumber: number, request: Uint8Array): ErrorCode | null {
    const problem = requestProblem(request, connection.clientKey)
    if (problem === 'foreign') return 'NotPermitted'
    if (problem !== null) throw new KnhkError('ProtocolViolation', `a request is ${problem}`)
    if (this.#bytes + request.length > this.#limits.pendingBytesMax) return 'ResourceExhausted'
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
    }
  }

  /** Gives back everything that was not proposed. */
  drain(): Waiters {
    const waiters = { connections: this.#connections, requestNumbers: this.#requestNumbers }
    this.#connections = []
    this.#requestNumbers = []
    this.#requests = []
    this.#bytes = 0
    return waiters
  }
}
