/**
 * The client of a cluster: follows the leader, opens sessions, asks queries, and reports status.
 */
import { KnhkError } from '../base/error.js'
import { NO_SESSION } from '../consensus/request.js'
import type { Mode } from '../consensus/types.js'
import { encodeOperation } from '../workflow/operation-codec.js'
import type { Operation } from '../workflow/operations.js'
import { decodeResults } from '../workflow/result-codec.js'
import type { CallOptions, Client, ClusterStatus, QueryAnswer, QueryOptions, Session, SettledOperation } from './api.js'
import type { Channel } from './channel.js'
import { proposePayload } from './propose-payload.js'
import { ClientSession, settle } from './session.js'
import { assembleStatus, type MemberReport } from './status.js'

export interface ClientCoreOptions {
  readonly clientKey: Uint8Array
  readonly protocol: string
  readonly timeoutMs: number
}

const STATUS_TIMEOUT_MS = 2000

export class ClusterClient implements Client {
  readonly #channel: Channel
  readonly #options: ClientCoreOptions

  constructor(channel: Channel, options: ClientCoreOptions) {
    this.#channel = channel
    this.#options = options
  }

  async openSession(options: CallOptions & { readonly ordered?: boolean } = {}): Promise<Session> {
    return this.openRawSession(options)
  }

  /** As `openSession`, with the hot path of `ClientSession` in reach. */
  async openRawSession(options: CallOptions & { readonly ordered?: boolean } = {}): Promise<ClientSession> {
    const ordered = options.ordered ?? false
    const { outcome, index, position } = await this.#submitBare({ type: 'OpenSession', ordered }, options)
    if (!outcome.ok) throw new KnhkError(outcome.code, outcome.message, { details: outcome.details })
    return new ClientSession(this.#channel, {
      // The id of a session is the place of the operation that opened it.
      id: { index, offset: position },
      ordered,
      clientKey: this.#options.clientKey,
      timeoutMs: this.#options.timeoutMs,
    })
  }

  async submitOnce(operation: Operation, options: CallOptions = {}): Promise<SettledOperation> {
    const session = await this.openSession(options)
    const [settled] = await session.submit([operation], options)
    // The answer is what the caller came for; a session that stays open expires by itself.
    await session.close(options).catch(() => undefined)
    return settled as SettledOperation
  }

  async query(name: string, args: Readonly<Record<string, unknown>>, options: QueryOptions = {}): Promise<QueryAnswer> {
    options.signal?.throwIfAborted()
    return new Promise((resolve, reject) => {
      const query = { name, args, read: options.read ?? 'linearizable', member: options.node ?? null } as const
      const number = this.#channel.query(query, options.timeoutMs ?? this.#options.timeoutMs, (answer, error, node) => {
        options.signal?.removeEventListener('abort', abort)
        if (answer === null) reject(error)
        else {
          const { value, index, epoch, mode, assurance, staleMs } = answer
          resolve({ value, index, epoch, mode, assurance, staleMs, node })
        }
      })
      const abort = () => this.#channel.abort(number)
      options.signal?.addEventListener('abort', abort, { once: true })
    })
  }

  async clusterStatus(options: CallOptions = {}): Promise<ClusterStatus> {
    const timeoutMs = Math.min(options.timeoutMs ?? STATUS_TIMEOUT_MS, STATUS_TIMEOUT_MS)
    const reports = await Promise.all(
      this.#channel.links.members.map(async (member): Promise<MemberReport> => {
        try {
          const answer = await this.query('node.status', {}, { ...options, timeoutMs, read: 'local', node: member.id })
          return { member, value: answer.value as Record<string, unknown>, error: null }
        } catch (error) {
          if (!(error instanceof KnhkError)) throw error
          return { member, value: null, error }
        }
      }),
    )
    return assembleStatus(this.#options.protocol as Mode, reports)
  }

  async close(): Promise<void> {
    this.#channel.close()
  }

  /** An operation outside any session: only opening one is. */
  #submitBare(operation: Operation, options: CallOptions): Promise<SettledOperation> {
    options.signal?.throwIfAborted()
    const payload = proposePayload(
      { session: NO_SESSION, firstSequence: 0, ackedBelow: 0, clientKey: this.#options.clientKey },
      [encodeOperation(operation)],
    )
    return new Promise((resolve, reject) => {
      const number = this.#channel.propose(payload, options.timeoutMs ?? this.#options.timeoutMs, (frame, error) => {
        options.signal?.removeEventListener('abort', abort)
        const result = frame === null ? undefined : decodeResults(frame.results, frame.index, frame.firstPosition)[0]
        if (frame === null || result === undefined) reject(error)
        else resolve(settle(frame, result))
      })
      const abort = () => this.#channel.abort(number)
      options.signal?.addEventListener('abort', abort, { once: true })
    })
  }
}
