/**
 * Walks the requests and operations of an entry's body in place, without allocating per operation
 * (layouts: consensus/request-body.ts, consensus/request.ts). It never throws: ingress has checked what
 * arrives, but a Byzantine leader may propose anything, and every node must step over it in the same way.
 */
import { readU16, readU32 } from '../base/bytes.js'
import { REQUEST_HEADER_BYTES } from '../consensus/request.js'

const NO_BODY = new Uint8Array(0)
const REQUEST_VERSION = 1
const SIGNATURE_BYTES = 64
const CLIENT_KEY_AT = 32

export class RequestCursor {
  body: Uint8Array = NO_BODY
  /** Ordinal of the current request. */
  request = -1
  /** False when the current request cannot be read; its other fields mean nothing then. */
  wellFormed = false
  operationCount = 0
  sessionIndex = 0
  sessionOffset = 0
  firstSequence = 0
  ackedBelow = 0
  /** Where the client key of the current request starts. */
  clientKeyAt = 0
  /** Ordinal of the current operation in its request. */
  operation = -1
  operationStart = 0
  operationEnd = 0

  #requestCount = 0
  #requestEnd = 0

  open(body: Uint8Array): void {
    this.body = body
    this.request = -1
    this.#requestCount = body.length < 4 ? 0 : readU32(body, 0)
    this.#requestEnd = 4
  }

  /** Forgets the body, so that it can be freed. */
  close(): void {
    this.open(NO_BODY)
  }

  get hasMoreRequests(): boolean {
    return this.request + 1 < this.#requestCount && this.#requestEnd + 4 <= this.body.length
  }

  get hasMoreOperations(): boolean {
    return this.operation + 1 < this.operationCount
  }

  get clientKey(): Uint8Array {
    return this.body.subarray(this.clientKeyAt, this.clientKeyAt + 32)
  }

  /** Moves to the next request; only where `hasMoreRequests`. */
  nextRequest(): void {
    const start = this.#requestEnd + 4
    const length = readU32(this.body, this.#requestEnd)
    this.request++
    this.operation = -1
    this.operationEnd = start + REQUEST_HEADER_BYTES
    const overrun = length > this.body.length - start
    this.#requestEnd = overrun ? this.body.length : start + length
    this.wellFormed = !overrun && this.#readHeader(start) && this.#checkOperations(start)
  }

  /** Moves to the next operation; only where `hasMoreOperations` of a well-formed request. */
  nextOperation(): void {
    this.operation++
    this.operationStart = this.operationEnd + 4
    this.operationEnd = this.operationStart + readU32(this.body, this.operationEnd)
  }

  #readHeader(start: number): boolean {
    const { body } = this
    if (this.#requestEnd - start < REQUEST_HEADER_BYTES || body[start] !== REQUEST_VERSION) return false
    this.operationCount = readU16(body, start + 2)
    this.sessionOffset = readU32(body, start + 4)
    this.sessionIndex = readBoundedU64(body, start + 8)
    this.firstSequence = readBoundedU64(body, start + 16)
    this.ackedBelow = readBoundedU64(body, start + 24)
    this.clientKeyAt = start + CLIENT_KEY_AT
    return this.operationCount > 0 && this.sessionIndex >= 0 && this.firstSequence >= 0 && this.ackedBelow >= 0
  }

  /** True when the operations and the signature fill the request exactly. */
  #checkOperations(start: number): boolean {
    const { body } = this
    const signatureLength = body[start + 1] as number
    if (signatureLength !== 0 && signatureLength !== SIGNATURE_BYTES) return false
    const end = this.#requestEnd - signatureLength
    let at = start + REQUEST_HEADER_BYTES
    for (let left = this.operationCount; left > 0; left--) {
      if (at + 4 > end) return false
      at += 4 + readU32(body, at)
      if (at > end) return false
    }
    return at === end
  }
}

/** Eight bytes as an integer; −1 over 2^53 − 1. */
function readBoundedU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 4)
  return high > 0x1f_ffff ? -1 : high * 0x1_0000_0000 + readU32(bytes, at)
}
