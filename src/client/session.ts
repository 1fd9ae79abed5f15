/**
 * A session: sequence numbers, the window, and retries that are safe because the replicated state
 * applies each number at most once (Ongaro's thesis, section 6.3).
 */
import { KnhkError } from '../base/error.js'
import type { SessionId } from '../consensus/request.js'
import type { AppliedFrame } from '../transport/client-protocol.js'
import { SESSION_WINDOW } from '../workflow/limits.js'
import { encodeOperation } from '../workflow/operation-codec.js'
import type { Operation } from '../workflow/operations.js'
import { decodeResults, type PlacedResult } from '../workflow/result-codec.js'
import type { CallOptions, Session, SettledOperation } from './api.js'
import type { Channel } from './channel.js'
import { proposePayload } from './propose-payload.js'
import { SequenceWindow } from './sequence-window.js'

const GAP_RETRY_MS = 10

export interface SessionOptions {
  readonly id: SessionId
  readonly ordered: boolean
  readonly clientKey: Uint8Array
  readonly timeoutMs: number
}

/** Told once: the frame and its results, or an error. */
export type RawCallback = (
  frame: AppliedFrame | null,
  results: readonly PlacedResult[] | null,
  error: KnhkError | null,
) => void

export class ClientSession implements Session {
  readonly id: SessionId
  readonly ordered: boolean
  readonly #channel: Channel
  readonly #clientKey: Uint8Array
  readonly #timeoutMs: number
  readonly #window = new SequenceWindow()

  constructor(channel: Channel, options: SessionOptions) {
    this.#channel = channel
    this.id = options.id
    this.ordered = options.ordered
    this.#clientKey = options.clientKey
    this.#timeoutMs = options.timeoutMs
  }

  async submit(operations: readonly Operation[], options: CallOptions = {}): Promise<SettledOperation[]> {
    const encoded = operations.map(encodeOperation)
    options.signal?.throwIfAborted()
    return new Promise((resolve, reject) => {
      const number = this.submitEncoded(encoded, options.timeoutMs ?? this.#timeoutMs, (frame, results, error) => {
        options.signal?.removeEventListener('abort', abort)
        if (frame === null || results === null) reject(error)
        else resolve(results.map((result) => settle(frame, result)))
      })
      const abort = () => this.#channel.abort(number)
      options.signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /**
   * The hot path: operations that are encoded already, one request, no promise. Returns the number to
   * cancel it by. Throws `SequenceTooFar` when the window is full.
   */
  submitEncoded(operations: readonly Uint8Array[], timeoutMs: number, callback: RawCallback): number {
    const { next, ackedBelow } = this.#window
    if (next + operations.length - ackedBelow > SESSION_WINDOW) {
      throw new KnhkError('SequenceTooFar', 'the session window is full: wait for answers first')
    }
    const header = { session: this.id, firstSequence: next, ackedBelow, clientKey: this.#clientKey }
    const payload = proposePayload(header, operations)
    const first = this.#window.open(operations.length)
    return this.#propose(payload, first, performance.now() + timeoutMs, callback)
  }

  async close(options: CallOptions = {}): Promise<void> {
    await this.submit([{ type: 'CloseSession' }], options)
  }

  #propose(payload: Uint8Array, first: number, expiresAtMs: number, callback: RawCallback): number {
    return this.#channel.propose(payload, expiresAtMs - performance.now(), (frame, error) => {
      if (frame === null) {
        // The number stays open: whether it was used is not known, so the window must not pass it by.
        if (error?.code !== 'OutcomeUnknown' && error?.code !== 'Aborted') this.#window.close(first)
        callback(null, null, error)
        return
      }
      const results = decodeResults(frame.results, frame.index, frame.firstPosition)
      const head = results[0]?.outcome
      if (
        head !== undefined &&
        !head.ok &&
        head.code === 'SequenceGap' &&
        performance.now() + GAP_RETRY_MS < expiresAtMs
      ) {
        // An earlier request of this session is being sent again; this one follows it.
        setTimeout(() => this.#propose(payload, first, expiresAtMs, callback), GAP_RETRY_MS)
        return
      }
      this.#window.close(first)
      callback(frame, results, null)
    })
  }
}

/** One result with what the whole answer rests on. */
export function settle(frame: AppliedFrame, result: PlacedResult): SettledOperation {
  return { ...result, epoch: frame.epoch, mode: frame.mode, assurance: frame.assurance }
}
