/**
 * Carries requests to one member each: to the leader, to any, or to a named one; sends them again after a
 * lost link, a passing refusal or a change of leader, and tells three outcomes apart: answered, certainly
 * not applied, unknown.
 *
 * Sending again is safe: a request's bytes do not change, and the session table in the replicated
 * state applies each sequence number at most once.
 */
import { KnhkError } from '../base/error.js'
import { CLIENT_FRAME, decodeRefused } from '../transport/client-protocol.js'
import type { Links } from './links.js'
import type { Outstanding } from './outstanding.js'
import {
  type Carrier,
  isChange,
  LEADER_IS_BUSY,
  Pending,
  RETRYABLE,
  unknownAtDeadline,
  unknownBehind,
} from './pending.js'
import type { LinkListener } from './request-channel.js'
import { Seeker } from './seeker.js'

const RETRY_DELAY_MS = 20

export class ToOne implements Carrier, LinkListener {
  readonly #outstanding: Outstanding
  readonly #links: Links
  readonly #seeker: Seeker
  #unsent: Pending[] = []
  #retry: NodeJS.Timeout | undefined
  #closed = false

  constructor(outstanding: Outstanding, links: Links) {
    this.#outstanding = outstanding
    this.#links = links
    this.#seeker = new Seeker(links, () => this.#unsent.length > 0 && !this.#closed)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#seeker.stop()
  }

  send(pending: Pending): void {
    const target = this.#target(pending)
    const link = target === null ? undefined : this.#links.link(target)
    if (target === null || link === undefined) {
      pending.sentTo = null
      this.#unsent.push(pending)
      if (pending.member === null) this.#seeker.seek()
      // It lets us in and closes, again and again: not without a pause.
      else if (this.#links.mayDial(pending.member)) this.#openFor(pending, pending.member)
      else this.#resendLater()
      return
    }
    // A full queue did not take the frame: nothing of it has left.
    if (link.send(pending.type, pending.payload)) pending.sentTo = target
    else this.#sendLater(pending)
  }

  receive(pending: Pending, member: string, type: number, payload: Uint8Array): void {
    if (type === CLIENT_FRAME.refused) {
      this.#refused(member, pending, payload)
      return
    }
    this.#outstanding.take(pending)
    try {
      pending.onAnswer(payload, member)
    } catch (error) {
      // An answer that cannot be read counts as none: it costs the link, and the request is sent again.
      this.#outstanding.putBack(pending)
      throw error
    }
    this.#outstanding.restIfIdle()
  }

  expiry(pending: Pending): KnhkError {
    if (pending.outcomeUnknown) return unknownAtDeadline()
    if (pending.lastRefusal !== null) return pending.lastRefusal
    if (!this.#links.anyUp) return this.#links.failure()
    if (isChange(pending)) {
      return new KnhkError('NoLeader', 'no member led before the deadline; the operation was not sent')
    }
    return new KnhkError('DeadlineExceeded', 'the answer did not come before the deadline')
  }

  forget(pending: Pending): void {
    this.#unsent = this.#unsent.filter((other) => other !== pending)
  }

  shutOut(error: KnhkError): void {
    for (const pending of [...this.#unsent]) {
      this.#outstanding.fail(pending, pending.maybeApplied ? unknownBehind(error) : error)
    }
  }

  /** Queries need no leader: any member answers them, or says why it cannot. */
  up(): void {
    if (this.#unsent.some((pending) => !pending.toLeader)) this.#resend()
  }

  leaderChanged(leader: string | null): void {
    if (leader === null) {
      if (this.#unsent.length > 0) this.#seeker.seek()
      return
    }
    this.#links.open(leader).then(
      () => this.#resend(),
      () => {
        this.#links.doubt(leader)
        this.#seeker.seek()
      },
    )
  }

  down(member: string): void {
    for (const pending of this.#outstanding.all()) {
      if (!(pending instanceof Pending) || pending.sentTo !== member) continue
      if (pending.once) {
        this.#outstanding.fail(pending, new KnhkError('Unreachable', `the link to ${member} was lost`))
        continue
      }
      pending.sentTo = null
      pending.maybeApplied = true
      this.#unsent.push(pending)
    }
    if (this.#unsent.length > 0) this.#resend()
  }

  #target(pending: Pending): string | null {
    if (pending.member !== null) return pending.member
    if (pending.toLeader) return this.#links.leader
    return this.#links.any()?.member ?? null
  }

  #openFor(pending: Pending, member: string): void {
    this.#links.open(member).then(
      () => this.#resend(),
      (error: KnhkError) => this.#outstanding.fail(pending, error),
    )
  }

  #sendLater(pending: Pending): void {
    pending.sentTo = null
    this.#unsent.push(pending)
    this.#resendLater()
  }

  #resendLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#resend()
    }, RETRY_DELAY_MS)
  }

  /** Sends everything that waits, in the order in which it was submitted. */
  #resend(): void {
    const unsent = this.#unsent
    this.#unsent = []
    unsent.sort((a, b) => a.number - b.number)
    for (const pending of unsent) if (this.#outstanding.has(pending)) this.send(pending)
  }

  #refused(member: string, pending: Pending, payload: Uint8Array): void {
    const refusal = decodeRefused(payload)
    const error = new KnhkError(refusal.code, refusal.message, { details: refusal.details })
    pending.maybeApplied ||= refusal.outcomeUnknown
    pending.lastRefusal = error
    if (!RETRYABLE.has(refusal.code) || pending.member !== null) {
      this.#outstanding.fail(pending, isChange(pending) && pending.maybeApplied ? unknownBehind(error) : error)
      return
    }
    pending.sentTo = null
    if (!LEADER_IS_BUSY.has(refusal.code) && pending.toLeader) {
      this.#links.doubt(member)
      if (refusal.leader !== null && refusal.leader !== member) this.#links.hint(refusal.leader)
    }
    this.#sendLater(pending)
  }
}
