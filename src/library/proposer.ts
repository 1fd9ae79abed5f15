/**
 * How a program's proposals reach the cluster: through one session that stays open, so that each is applied exactly
 * once however often it has to be sent (Ongaro's thesis, section 6.3).
 */
import { hasCode, KnhkError } from '../base/error.js'
import type { CallOptions, Client, Session, SettledOperation } from '../client/api.js'
import type { Assurance, Epoch, LogIndex, Mode } from '../consensus/types.js'
import { epoch, logIndex } from '../consensus/types.js'
import { SESSION_TTL_MS } from '../workflow/limits.js'
import { decodeResult, type ResultData } from '../workflow/result-data.js'
import type { StateMachineOp } from './state-machine.js'

/** A session that was not used for so long may be gone: another is opened before it is needed. */
const IDLE_MS_MAX = SESSION_TTL_MS / 2

/** What became of a proposal that was applied. */
export interface ConsensusResult {
  /** Of the entry; with `position`, the operation's offset in it, its place in the log. */
  readonly index: LogIndex
  readonly position: number
  readonly epoch: Epoch
  /** The protocol that decided it. */
  readonly mode: Mode
  readonly assurance: Assurance
  /**
   * What the operation says of itself, as plain data: `{ key }` for kv.put, `{ payload }` (bytes) for an operation of
   * the program's own.
   */
  readonly result: ResultData
}

export class Proposer {
  readonly #client: Client
  #session: Promise<Session> | null = null
  #usedAtMs = 0

  constructor(client: Client) {
    this.#client = client
  }

  /** Throws the code of the rejection, with its place in the details, or what `Session.submit` documents. */
  async propose(operation: StateMachineOp, options: CallOptions): Promise<ConsensusResult> {
    const session = await this.#openSession(options)
    try {
      const [settled] = await session.submit([operation], options)
      return resultOf(operation, settled as SettledOperation)
    } catch (error) {
      if (hasCode(error, 'SessionExpired')) this.#session = null
      throw error
    }
  }

  async close(options: CallOptions): Promise<void> {
    // A session that stays open expires by itself.
    const session = await this.#session?.catch(() => null)
    await session?.close(options).catch(() => undefined)
  }

  #openSession(options: CallOptions): Promise<Session> {
    const nowMs = performance.now()
    if (nowMs - this.#usedAtMs > IDLE_MS_MAX) this.#session = null
    this.#usedAtMs = nowMs
    if (this.#session !== null) return this.#session
    const opening = this.#client.openSession(options)
    this.#session = opening
    opening.catch(() => {
      if (this.#session === opening) this.#session = null
    })
    return opening
  }
}

function resultOf(operation: StateMachineOp, settled: SettledOperation): ConsensusResult {
  const { index, position, mode, assurance, outcome } = settled
  const result = decodeResult(operation, outcome)
  if (outcome.ok && result !== null)
    return { index: logIndex(index), position, epoch: epoch(settled.epoch), mode, assurance, result }
  if (outcome.ok) throw new KnhkError('Bug', 'an operation that was applied has a result')
  throw new KnhkError(outcome.code, outcome.message, { details: { ...outcome.details, index, position } })
}
