/**
 * Carries ballots to all members: to everybody who is linked at once, to the others when their link is
 * there, again to those that refuse for now or lose their link. Ends one when f + 1 members gave equal
 * answers, or refused with one code: at least one of them is honest (Castro & Liskov, section 4.1).
 *
 * When so many have answered that no more need to come, and they do not agree, they are asked again: under
 * concurrent writes honest members may look at different states.
 */
import { KnhkError } from '../base/error.js'
import { byzantineFaults } from '../consensus/quorum.js'
import { CLIENT_FRAME, decodeRefused } from '../transport/client-protocol.js'
import type { Ballot, BallotCarrier } from './ballot.js'
import { Connector } from './connector.js'
import type { Links } from './links.js'
import type { Outstanding } from './outstanding.js'
import { RETRYABLE, unknownAtDeadline, unknownBehind } from './pending.js'
import type { LinkListener } from './request-channel.js'

const RETRY_MIN_MS = 20
const RETRY_MAX_MS = 500

export class ToAll implements BallotCarrier, LinkListener {
  readonly #outstanding: Outstanding
  readonly #links: Links
  readonly #connector: Connector
  readonly #ballots = new Set<Ballot>()

  constructor(outstanding: Outstanding, links: Links) {
    this.#outstanding = outstanding
    this.#links = links
    this.#connector = new Connector(links, () => this.#ballots.size > 0)
  }

  close(): void {
    this.#connector.stop()
  }

  send(ballot: Ballot): void {
    this.#ballots.add(ballot)
    const { members, needed, size } = this.#links
    if (ballot.only === null && members.length < needed) {
      const message = `equal answers of ${needed} of the ${size} members are needed; the endpoints name ${members.length}`
      queueMicrotask(() => this.#outstanding.fail(ballot, new KnhkError('InvalidArgument', message)))
      return
    }
    this.#connector.connect()
    this.#ask(ballot, () => true)
  }

  receive(ballot: Ballot, member: string, type: number, payload: Uint8Array): void {
    if (!this.#isAsked(ballot, member)) return
    ballot.asking.delete(member)
    const needed = this.#needed(ballot)
    if (type === CLIENT_FRAME.refused) {
      this.#refused(ballot, member, payload, needed)
      return
    }
    const vote = ballot.vote(member, ballot.read(member, payload), needed)
    if (vote === null) {
      if (this.#isSplit(ballot)) this.#askLater(ballot)
      return
    }
    if (!this.#outstanding.take(ballot)) return
    ballot.purpose.agreed(vote, member)
    this.#outstanding.restIfIdle()
  }

  expiry(ballot: Ballot): KnhkError {
    if (ballot.outcomeUnknown) return unknownAtDeadline()
    if (ballot.lastRefusal !== null) return ballot.lastRefusal
    if (!this.#links.anyUp) return this.#links.failure()
    const needed = this.#needed(ballot)
    const message = `no answer that ${needed} members give came before the deadline; ${ballot.votes.size} answered`
    return new KnhkError('DeadlineExceeded', message, { details: { needed, answers: ballot.votes.size } })
  }

  forget(ballot: Ballot): void {
    this.#ballots.delete(ballot)
  }

  up(member: string): void {
    for (const ballot of this.#ballots) this.#ask(ballot, (id) => id === member && !hasVoted(ballot, id))
  }

  /** Sends again all that this member has not answered, once it is linked. */
  down(member: string): void {
    for (const ballot of this.#ballots) ballot.asking.delete(member)
  }

  shutOut(error: KnhkError): void {
    for (const ballot of [...this.#ballots]) {
      this.#outstanding.fail(ballot, ballot.outcomeUnknown ? unknownBehind(error) : error)
    }
  }

  #needed(ballot: Ballot): number {
    return ballot.only === null ? this.#links.needed : 1
  }

  #isAsked(ballot: Ballot, member: string): boolean {
    return ballot.only === null ? this.#links.isMember(member) : ballot.only === member
  }

  #ask(ballot: Ballot, isMeant: (member: string) => boolean): void {
    if (!ballot.isReady) return
    for (const { id } of this.#links.members) {
      if (!this.#isAsked(ballot, id) || ballot.asking.has(id) || !isMeant(id)) continue
      const link = this.#links.link(id)
      if (link === undefined) continue
      if (link.send(ballot.type, ballot.payload)) {
        ballot.asking.add(id)
        ballot.wasSent = true
      } else this.#askLater(ballot)
    }
  }

  /** Those who neither have it nor answered; all that answered too where they do not agree. */
  #askLater(ballot: Ballot): void {
    if (ballot.retry !== undefined) return
    const delayMs = Math.min(RETRY_MIN_MS * 2 ** ballot.retries, RETRY_MAX_MS)
    ballot.retries++
    ballot.retry = setTimeout(() => {
      ballot.retry = undefined
      const isSplit = this.#isSplit(ballot)
      this.#ask(ballot, (member) => isSplit || !hasVoted(ballot, member))
    }, delayMs)
  }

  /** All that need to answer have: f more may never do. */
  #isSplit({ votes, refusals, only }: Ballot): boolean {
    const { size } = this.#links
    return only !== null || votes.size + refusals.size >= size - byzantineFaults(size)
  }

  #refused(ballot: Ballot, member: string, payload: Uint8Array, needed: number): void {
    const refusal = decodeRefused(payload)
    const passes = RETRYABLE.has(refusal.code) || (!ballot.changes && refusal.code === 'DeadlineExceeded')
    if (passes) {
      ballot.lastRefusal = new KnhkError(refusal.code, refusal.message, { details: refusal.details })
      this.#askLater(ballot)
      return
    }
    const error = ballot.refuse(member, refusal, needed)
    if (error === null) {
      if (this.#isSplit(ballot)) this.#askLater(ballot)
      return
    }
    const isUnknown = [...ballot.refusals.values()].some(
      ({ code, outcomeUnknown }) => code === error.code && outcomeUnknown,
    )
    this.#outstanding.fail(ballot, ballot.changes && isUnknown ? unknownBehind(error) : error)
  }
}

function hasVoted({ votes, refusals }: Ballot, member: string): boolean {
  return votes.has(member) || refusals.has(member)
}
