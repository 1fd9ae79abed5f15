/**
 * What the requests that were executed last came to. Replicas hear of a request on two ways, from its
 * client and in a proposal; where the proposal is faster, or the client asks again because an answer was
 * lost, the answer is here, and nothing has to be ordered a second time.
 */
import { bytesEqual } from '../base/bytes.js'
import type { LogIndex, Millis } from '../consensus/types.js'
import type { AnswerContext } from '../transport/client-protocol.js'
import { SEQUENCE_GAP } from '../workflow/refusals.js'
import type { NodeLimits } from './limits.js'

/** The number of results stands before them. */
const RESULTS_HEADER_BYTES = 2

export interface RecentAnswer {
  readonly context: AnswerContext
  readonly index: LogIndex
  /** Of the request's first operation in its entry. */
  readonly firstPosition: number
  readonly results: Uint8Array
  /** When this node executed it. */
  readonly atMs: Millis
}

export class RecentAnswers {
  readonly #limits: NodeLimits
  /** Oldest first. */
  readonly #answers = new Map<string, RecentAnswer>()
  #bytes = 0

  constructor(limits: NodeLimits) {
    this.#limits = limits
  }

  get(name: string): RecentAnswer | undefined {
    return this.#answers.get(name)
  }

  note(name: string, answer: RecentAnswer): void {
    this.#forget(name)
    if (isGap(answer.results)) return
    this.#answers.set(name, { ...answer, results: new Uint8Array(answer.results) })
    this.#bytes += answer.results.length
    while (this.#answers.size > this.#limits.recentAnswersMax || this.#bytes > this.#limits.recentAnswerBytesMax) {
      this.#forget(this.#answers.keys().next().value as string)
    }
  }

  #forget(name: string): void {
    const known = this.#answers.get(name)
    if (known === undefined) return
    this.#bytes -= known.results.length
    this.#answers.delete(name)
  }
}

/** Refused for now, not for good: the same request is applied once the one before it is. */
function isGap(results: Uint8Array): boolean {
  return bytesEqual(results.subarray(RESULTS_HEADER_BYTES, RESULTS_HEADER_BYTES + SEQUENCE_GAP.length), SEQUENCE_GAP)
}
