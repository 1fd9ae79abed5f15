/**
 * The client of a cluster: follows the leader, opens sessions, asks queries, and reports status.
 */
import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { MemberConfiguration } from '../consensus/configuration.js'
import { epoch, type ProtocolName } from '../consensus/types.js'
import type { Operation } from '../workflow/operations.js'
import type {
  CallOptions,
  Client,
  ClientOrder,
  ClusterStatus,
  OrderAnswer,
  OrderOptions,
  QueryAnswer,
  QueryOptions,
  Session,
  SettledOperation,
} from './api.js'
import { MemberFollower } from './member-follower.js'
import { barePayload } from './propose-payload.js'
import type { RequestChannel } from './request-channel.js'
import { ClientSession, settle } from './session.js'
import { assembleStatus, type MemberReport } from './status.js'

export interface ClientCoreOptions {
  readonly clientKey: Uint8Array
  readonly protocol: ProtocolName
  readonly timeoutMs: number
  /** The trace context of calls that name none; empty for none. */
  readonly trace: Uint8Array
}

const STATUS_TIMEOUT_MS = 2000
/** Each round may bring to light members that the one before did not know. */
const STATUS_ROUNDS = 3

export class ClusterClient implements Client {
  readonly #channel: RequestChannel
  readonly #options: ClientCoreOptions
  readonly #follower: MemberFollower

  constructor(channel: RequestChannel, options: ClientCoreOptions) {
    this.#channel = channel
    this.#options = options
    this.#follower = new MemberFollower(channel)
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
      trace: this.#options.trace,
    })
  }

  async submitOnce(
    operation: Operation,
    options: CallOptions = {},
  ): Promise<SettledOperation & { readonly session: Session['id'] }> {
    const session = await this.openSession(options)
    let settled: SettledOperation | undefined
    try {
      settled = (await session.submit([operation], options))[0]
    } catch (error) {
      // Sent, not waited for, and not bound to a call that was cancelled: the caller wants to know now.
      const { timeoutMs } = this.#options
      void session.close({ timeoutMs }).catch(() => undefined)
      throw error
    }
    // The answer is what the caller came for; a session that stays open expires by itself.
    await session.close(options).catch(() => undefined)
    return { ...(settled as SettledOperation), session: session.id }
  }

  async order(order: ClientOrder, options: OrderOptions = {}): Promise<OrderAnswer> {
    const authorised = await this.#authorised(order, options)
    return this.#call(options, (timeoutMs, resolve, reject) =>
      this.#channel.order(authorised, options.node ?? null, timeoutMs, (answer, error, node) => {
        if (answer === null) reject(error)
        else resolve({ index: answer.index, detail: answer.detail, node })
      }),
    )
  }

  /** Under a Byzantine protocol the members want the word of who orders a change, for the epoch that they are in. */
  async #authorised(order: ClientOrder, options: OrderOptions): Promise<ClientOrder> {
    if (order.kind !== 'changeMembership' || this.#options.protocol === 'raft') return order
    const { node: _, ...call } = options
    const answer = await this.query('cluster.members', {}, call)
    return this.#channel.authorised(order, epoch(answer.epoch))
  }

  async query(name: string, args: Readonly<Record<string, unknown>>, options: QueryOptions = {}): Promise<QueryAnswer> {
    const query = { name, args, read: options.read ?? 'linearizable', member: options.node ?? null } as const
    return this.#call(options, (timeoutMs, resolve, reject) =>
      this.#channel.query(query, timeoutMs, (answer, error, node) => {
        if (answer === null) {
          reject(error)
          return
        }
        const { value, index, epoch, mode, assurance, staleMs } = answer
        resolve({ value, index, epoch, mode, assurance, staleMs, node })
      }),
    )
  }

  /** Those that turn out to be members while the first ones report are asked as well. */
  async clusterStatus(options: CallOptions = {}): Promise<ClusterStatus> {
    const timeoutMs = Math.min(options.timeoutMs ?? STATUS_TIMEOUT_MS, STATUS_TIMEOUT_MS)
    const { links } = this.#channel
    const reports = new Map<string, MemberReport>()
    for (let round = 0; round < STATUS_ROUNDS; round++) {
      const unasked = links.members.filter((member) => !reports.has(placeOf(member)))
      if (unasked.length === 0) break
      const told = await Promise.all(unasked.map((member) => this.#report(member, { ...options, timeoutMs })))
      for (const report of told) reports.set(placeOf(report.member), report)
    }
    const newest = links.members.flatMap((member) => reports.get(placeOf(member)) ?? [])
    return assembleStatus(this.#options.protocol, newest, links.needed)
  }

  async #report(member: MemberConfiguration, options: CallOptions): Promise<MemberReport> {
    try {
      const answer = await this.query('node.status', {}, { ...options, read: 'local', node: member.id })
      await this.#follower.ask(member.id)
      return { member, value: answer.value as Record<string, unknown>, error: null }
    } catch (error) {
      if (!(error instanceof KnhkError)) throw error
      return { member, value: null, error }
    }
  }

  async close(): Promise<void> {
    this.#follower.close()
    this.#channel.close()
  }

  /** An operation outside any session: only opening one is. */
  #submitBare(operation: Operation, options: CallOptions): Promise<SettledOperation> {
    const payload = barePayload(operation, this.#channel.bareSequence(), this.#options.clientKey)
    return this.#call(options, (timeoutMs, resolve, reject) =>
      this.#channel.propose(payload, timeoutMs, (context, results, error) => {
        const result = results?.[0]
        if (context === null || result === undefined) reject(error)
        else resolve(settle(context, result))
      }),
    )
  }

  /** `start` sends something and returns its number; the caller's signal cancels it by that. */
  async #call<T>(
    options: CallOptions,
    start: (timeoutMs: number, resolve: (value: T) => void, reject: (error: KnhkError | null) => void) => number,
  ): Promise<T> {
    const { signal } = options
    signal?.throwIfAborted()
    let abort = () => {}
    try {
      return await new Promise<T>((resolve, reject) => {
        const number = start(options.timeoutMs ?? this.#options.timeoutMs, resolve, reject)
        abort = () => this.#channel.abort(number)
        signal?.addEventListener('abort', abort, { once: true })
      })
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }
}

/** Tells a member from one of the same name that is elsewhere or has another key. */
function placeOf({ id, address, publicKey }: MemberConfiguration): string {
  return `${id} ${address} ${toHex(publicKey)}`
}
