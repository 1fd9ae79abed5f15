/**
 * A session: sequence numbers, the window, and retries that are safe because the replicated state
 * applies each number at most once (Ongaro's thesis, section 6.3).
 */
import { KnhkError } from '../base/error.js'
import type { SessionId } from '../consensus/request.js'
import type { AnswerContext } from '../transport/client-protocol.js'
import { SESSION_WINDOW } from '../workflow/limits.js'
import { encodeOperation } from '../workflow/operation-codec.js'
import type { Operation } from '../workflow/operations.js'
import type { PlacedResult } from '../workflow/result-codec.js'
import type { CallOptions, Session, SettledOperation } from './api.js'
import { proposePayload } from './propose-payload.js'
import type { RequestCallback, RequestChannel } from './request-channel.js'
import { SequenceWindow } from './sequence-window.js'
import { traceBytes } from './trace-bytes.js'

const GAP_RETRY_MS = 10
/** Requests of an ordered session whose outcome is not known; with more, nothing new is taken. */
const LOST_REQUESTS_MAX = 1_024
const LOST_BYTES_MAX = 64 * 1024 * 1024

export interface SessionOptions {
  readonly id: SessionId
  readonly ordered: boolean
  readonly clientKey: Uint8Array
  readonly timeoutMs: number
  /** The trace context of calls that name none. */
  readonly trace: Uint8Array
}

/** One request on its way, over all of its sendings. */
interface Attempt {
  readonly operations: readonly Uint8Array[]
  readonly first: number
  readonly expiresAtMs: number
  readonly callback: RequestCallback
  readonly trace: Uint8Array
  /** Of the sending under way. */
  number: number
  /** Runs between two sendings. */
  pause: NodeJS.Timeout | null
}

export class ClientSession implements Session {
  readonly id: SessionId
  readonly ordered: boolean
  readonly #channel: RequestChannel
  readonly #clientKey: Uint8Array
  readonly #timeoutMs: number
  readonly #trace: Uint8Array
  readonly #window = new SequenceWindow()
  readonly #lost = new LostRequests()

  constructor(channel: RequestChannel, options: SessionOptions) {
    this.#channel = channel
    this.id = options.id
    this.ordered = options.ordered
    this.#clientKey = options.clientKey
    this.#timeoutMs = options.timeoutMs
    this.#trace = options.trace
  }

  async submit(operations: readonly Operation[], options: CallOptions = {}): Promise<SettledOperation[]> {
    const encoded = operations.map(encodeOperation)
    options.signal?.throwIfAborted()
    const trace = options.traceparent === undefined ? this.#trace : traceBytes(options.traceparent)
    return new Promise((resolve, reject) => {
      const answered: RequestCallback = (context, results, error) => {
        options.signal?.removeEventListener('abort', cancel)
        if (context === null || results === null) reject(error)
        else resolve(results.map((result) => settle(context, result)))
      }
      const cancel = this.submitEncoded(encoded, options.timeoutMs ?? this.#timeoutMs, answered, trace)
      options.signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  /**
   * The hot path: operations that are encoded already, one request, no promise. Returns what cancels
   * it. Throws `SequenceTooFar` when the window is full.
   */
  submitEncoded(
    operations: readonly Uint8Array[],
    timeoutMs: number,
    callback: RequestCallback,
    trace = this.#trace,
  ): () => void {
    const { next, ackedBelow } = this.#window
    if (next + operations.length - ackedBelow > SESSION_WINDOW) {
      throw new KnhkError('SequenceTooFar', 'the session window is full: wait for answers first')
    }
    if (this.#lost.isFull) {
      throw new KnhkError('SequenceTooFar', 'too many requests of this session have no known outcome: open another one')
    }
    const expiresAtMs = performance.now() + timeoutMs
    const attempt: Attempt = { operations, first: next, expiresAtMs, callback, trace, number: 0, pause: null }
    const payload = this.#payload(operations, next, trace)
    this.#window.open(operations.length)
    this.#send(attempt, payload)
    return () => this.#cancel(attempt)
  }

  async close(options: CallOptions = {}): Promise<void> {
    await this.submit([{ type: 'CloseSession' }], options)
  }

  /** What is acknowledged is read anew for every sending: it can have moved past a number that was given up. */
  #payload(operations: readonly Uint8Array[], first: number, trace = this.#trace): Uint8Array {
    const { ackedBelow } = this.#window
    const header = { session: this.id, firstSequence: first, ackedBelow, clientKey: this.#clientKey }
    return proposePayload(header, operations, trace)
  }

  #send(attempt: Attempt, payload: Uint8Array): void {
    const timeoutMs = attempt.expiresAtMs - performance.now()
    attempt.number = this.#channel.propose(payload, timeoutMs, (context, results, error) => {
      if (results === null) {
        this.#unanswered(attempt, error)
        return
      }
      if (isGap(results) && performance.now() + GAP_RETRY_MS < attempt.expiresAtMs) {
        this.#resendLost(attempt.expiresAtMs)
        // An earlier request of this session is being sent again; this one follows it.
        attempt.pause = setTimeout(() => {
          attempt.pause = null
          this.#send(attempt, this.#payload(attempt.operations, attempt.first, attempt.trace))
        }, GAP_RETRY_MS)
        return
      }
      this.#window.close(attempt.first)
      attempt.callback(context, results, null)
    })
  }

  #cancel(attempt: Attempt): void {
    if (attempt.pause === null) {
      this.#channel.abort(attempt.number)
      return
    }
    clearTimeout(attempt.pause)
    attempt.pause = null
    const details = { outcomeUnknown: true }
    this.#unanswered(attempt, new KnhkError('Aborted', 'cancelled; the operation may still be applied', { details }))
  }

  #unanswered(attempt: Attempt, error: KnhkError | null): void {
    const isUnknown = error?.code === 'OutcomeUnknown' || error?.details.outcomeUnknown === true
    // The number stays open: whether it was used is not known, so the window must not pass it by.
    if (!isUnknown) this.#window.close(attempt.first)
    else if (this.ordered) this.#lost.add(attempt.first, attempt.operations)
    attempt.callback(null, null, error)
  }

  /**
   * An ordered session applies nothing behind a missing number. A request without a known outcome is
   * therefore sent again, with its own numbers: if it was applied this brings back the kept result, if
   * not it is applied now, before what follows it. Another session instead would give up both: the lost
   * request could still arrive, after operations that were ordered behind it.
   */
  #resendLost(expiresAtMs: number): void {
    for (const { first, operations } of this.#lost.take()) {
      const timeoutMs = expiresAtMs - performance.now()
      this.#channel.propose(this.#payload(operations, first), timeoutMs, (_, results) => {
        const isSettled = results !== null && !isGap(results)
        this.#lost.returned(first, isSettled)
        if (isSettled) this.#window.close(first)
      })
    }
  }
}

function isGap(results: readonly PlacedResult[]): boolean {
  const head = results[0]?.outcome
  return head !== undefined && !head.ok && head.code === 'SequenceGap'
}

/** Requests whose outcome is not known, by first sequence number. */
class LostRequests {
  readonly #requests = new Map<number, { readonly operations: readonly Uint8Array[]; underWay: boolean }>()
  #bytes = 0

  get isFull(): boolean {
    return this.#requests.size >= LOST_REQUESTS_MAX || this.#bytes >= LOST_BYTES_MAX
  }

  add(first: number, operations: readonly Uint8Array[]): void {
    this.#requests.set(first, { operations, underWay: false })
    this.#bytes += bytesOf(operations)
  }

  /** Those that are not under way again, in order; they are from now on. */
  take(): { readonly first: number; readonly operations: readonly Uint8Array[] }[] {
    const taken: { readonly first: number; readonly operations: readonly Uint8Array[] }[] = []
    for (const [first, request] of this.#requests) {
      if (request.underWay) continue
      request.underWay = true
      taken.push({ first, operations: request.operations })
    }
    return taken.sort((a, b) => a.first - b.first)
  }

  returned(first: number, isSettled: boolean): void {
    const request = this.#requests.get(first)
    if (request === undefined) return
    request.underWay = false
    if (!isSettled) return
    this.#requests.delete(first)
    this.#bytes -= bytesOf(request.operations)
  }
}

function bytesOf(operations: readonly Uint8Array[]): number {
  return operations.reduce((sum, operation) => sum + operation.length, 0)
}

/** One result with what the whole answer rests on. */
export function settle({ epoch, mode, assurance }: AnswerContext, result: PlacedResult): SettledOperation {
  return { ...result, epoch, mode, assurance }
}
