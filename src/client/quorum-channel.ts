/**
 * The channel to a Byzantine cluster: every request is signed by the client and goes to all members, and an
 * answer counts when f + 1 of them gave it. A linearizable read first has a fence ordered, then asks all
 * members for what they see behind it; reads of the levels `leader` and `local`, and orders, are one
 * member's word.
 */
import { randomBytes } from 'node:crypto'
import { concatBytes, readU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { changeSignBytes, targetMembership } from '../consensus/bft/change-authority.js'
import { requestSignBytes, signedRequest } from '../consensus/bft/client-request.js'
import type { Epoch } from '../consensus/types.js'
import { sha256 } from '../crypto/sha256.js'
import type { ClientOrder } from '../transport/client-orders.js'
import {
  CLIENT_FRAME,
  encodeQuery,
  requestOf,
  writeMinIndex,
  writeProposeHeader,
} from '../transport/client-protocol.js'
import { appliedVote, Ballot, queryAnswerOf, queryVote } from './ballot.js'
import { Channel, type MakeLinks } from './channel.js'
import { Fences } from './fences.js'
import type { Links } from './links.js'
import { barePayload } from './propose-payload.js'
import type {
  ChannelQuery,
  LinkListener,
  MemberOrder,
  OrderCallback,
  QueryCallback,
  RequestCallback,
  RequestChannel,
} from './request-channel.js'
import { ToAll } from './to-all.js'

export interface QuorumIdentity {
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** 32 bytes. */
  readonly clientKey: Uint8Array
  /** Signs with the client's key, 64 bytes. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
}

export class QuorumChannel implements RequestChannel {
  readonly #identity: QuorumIdentity
  /** For what one member is asked. */
  readonly #channel: Channel
  readonly #toAll: ToAll
  readonly #fences = new Fences((timeoutMs, callback) => {
    const payload = barePayload({ type: 'Fence' }, this.bareSequence(), this.#identity.clientKey)
    this.propose(payload, timeoutMs, (_, results, error) => {
      const fence = results?.[0]
      if (fence === undefined) callback(null, error)
      else if (fence.outcome.ok) callback(fence.index, null)
      else callback(null, new KnhkError(fence.outcome.code, fence.outcome.message, { details: fence.outcome.details }))
    })
  })

  /** The links are made for a Byzantine cluster. */
  constructor(makeLinks: MakeLinks, identity: QuorumIdentity) {
    this.#identity = identity
    this.#channel = new Channel(makeLinks)
    this.#toAll = new ToAll(this.#channel.outstanding, this.#channel.links)
    this.listen(this.#toAll)
  }

  get links(): Links {
    return this.#channel.links
  }

  listen(listener: LinkListener): void {
    this.#channel.listen(listener)
  }

  /** Replicas know a request by key, session and number: two processes with one key must not name two alike. */
  bareSequence(): number {
    const random = randomBytes(8)
    return (readU32(random, 0) % 2 ** 21) * 2 ** 32 + readU32(random, 4)
  }

  propose(payload: Uint8Array, timeoutMs: number, callback: RequestCallback): number {
    const { outstanding } = this.#channel
    const number = outstanding.number()
    const signed = this.#signed(payload)
    writeProposeHeader(signed, number)
    const frame = { number, type: CLIENT_FRAME.propose, payload: signed }
    const options = {
      only: null,
      changes: true,
      purpose: {
        read: appliedVote,
        agreed: ({ mode, epoch, assurance, content }: ReturnType<typeof appliedVote>) =>
          callback({ mode, epoch, assurance }, content, null),
      },
    }
    const onError = (error: KnhkError): void => callback(null, null, error)
    outstanding.submit(new Ballot(this.#toAll, frame, options, performance.now() + timeoutMs, onError))
    return number
  }

  order(order: ClientOrder, member: string | null, timeoutMs: number, callback: OrderCallback): number {
    return this.#channel.order(order, member, timeoutMs, callback)
  }

  authorised(change: MemberOrder, epoch: Epoch): MemberOrder {
    const { clusterId, clientKey, sign } = this.#identity
    const { planned, target } = change
    const bytes = changeSignBytes(sha256, { clusterId, epoch, planned }, targetMembership(target))
    return { ...change, authority: { epoch, publicKey: clientKey, signature: sign(bytes) } }
  }

  query(query: ChannelQuery, timeoutMs: number, callback: QueryCallback): number {
    const { name, args, read, member, once = false } = query
    if (read === 'lease') throw new KnhkError('UnsupportedRead', 'only plain Raft has leases to read by')
    if (read === 'linearizable') return this.#fencedQuery(query, timeoutMs, callback)
    const direct = { name, args, level: 'local', member, once, toLeader: read === 'leader' } as const
    return this.#channel.ask(direct, timeoutMs, callback)
  }

  abort(number: number): void {
    this.#channel.abort(number)
  }

  close(): void {
    this.#toAll.close()
    this.#channel.close()
  }

  /** With a member named, that one alone is asked behind the fence: its caller takes its word. */
  #fencedQuery({ name, args, member }: ChannelQuery, timeoutMs: number, callback: QueryCallback): number {
    const { outstanding } = this.#channel
    const number = outstanding.number()
    const payload = encodeQuery({ requestNumber: number, read: 'after', minIndex: 0, name, args })
    let minIndex = 0
    const options = {
      only: member,
      changes: false,
      purpose: {
        read: (answer: Uint8Array) => queryVote(answer, minIndex),
        agreed: (vote: ReturnType<typeof queryVote>, from: string) => callback(queryAnswerOf(number, vote), null, from),
      },
    }
    const onError = (error: KnhkError, from: string): void => callback(null, error, from)
    const frame = { number, type: CLIENT_FRAME.query, payload }
    const ballot = new Ballot(this.#toAll, frame, options, performance.now() + timeoutMs, onError)
    ballot.isReady = false
    outstanding.submit(ballot)
    this.#fences.add(timeoutMs, (index, error) => {
      if (!outstanding.has(ballot)) return
      if (index === null) {
        outstanding.fail(ballot, readErrorOf(error))
        return
      }
      minIndex = index
      writeMinIndex(payload, index)
      ballot.isReady = true
      ballot.send()
    })
    return number
  }

  #signed(payload: Uint8Array): Uint8Array {
    const { clusterId, sign } = this.#identity
    const unsigned = requestOf(payload)
    const request = signedRequest(unsigned, sign(requestSignBytes(sha256, clusterId, unsigned)))
    return concatBytes([payload.subarray(0, payload.length - unsigned.length), request])
  }
}

/** That nobody knows what became of a fence says only that the read has no answer. */
function readErrorOf(error: KnhkError | null): KnhkError {
  if (error !== null && error.code !== 'OutcomeUnknown') return error
  const message = 'the answer did not come before the deadline'
  return new KnhkError('DeadlineExceeded', message, error === null ? {} : { cause: error })
}
