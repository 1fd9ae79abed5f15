/**
 * The intake under a Byzantine protocol: every replica takes signed requests from clients, verifies each
 * once, keeps it until it is executed, and answers it itself. Whoever may propose does so from its own
 * pool. A replica that sees requests wait passes them on to the primary first, and tells its core since
 * when they wait, so that it can accuse.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import { computeBatchDigest } from '../consensus/batch-digest.js'
import { bodyChecks, requestCheck } from '../consensus/bft/client-request.js'
import { proposedBody } from '../consensus/bft/wire.js'
import type { Core, Effect, Input, ProtocolMessage } from '../consensus/core.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import { encodeBody, forEachRequest, requestsIn } from '../consensus/request-body.js'
import type { LogIndex, Millis, NodeId } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { AnswerContext } from '../transport/client-protocol.js'
import { refuse, refuseOne, sendApplied } from './answers.js'
import type { Intake } from './intake.js'
import type { NodeLimits } from './limits.js'
import type { ClientConnection, Clock, PeerLinks } from './ports.js'
import { type RecentAnswer, RecentAnswers } from './recent-answers.js'
import { namesOf, RequestPool, requestName, type Waiter } from './request-pool.js'
import type { Verification } from './verification.js'

export interface PoolIntakeOptions {
  readonly self: NodeId
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly limits: NodeLimits
  readonly sha256: Sha256
  readonly clock: Clock
  readonly observer: Observer
  readonly core: Pick<Core, 'mayPropose' | 'status'>
  readonly peers: Pick<PeerLinks, 'send'>
  readonly verification: Verification
  readonly members: () => readonly NodeId[]
  readonly diskIsFull: () => boolean
  /** Committed entries that are not applied yet. */
  readonly applyLag: () => number
  readonly step: (input: Input) => void
  /** A request was verified outside of a turn. */
  readonly wake: () => void
}

/** A proposal of this replica on its way. */
interface Slot {
  readonly requests: number
  readonly bytes: number
  readonly traces: readonly Uint8Array[]
  readonly startedMs: Millis
}

/** So many of one message are ordered a second time: a replica that is far behind passes on what it only has to catch up with. */
const ORDERED_AGAIN_MAX = 256

/** Contexts kept for one proposal: more requests may be traced than anybody looks at. */
const TRACES_MAX = 32

export class PoolIntake implements Intake {
  readonly #options: PoolIntakeOptions
  readonly #pool: RequestPool
  readonly #recent: RecentAnswers
  #nextProposalId = 1
  /** A proposal of this turn was refused. */
  #isRefused = false
  /** Proposals of this replica that have no place yet, by their number … */
  readonly #proposing = new Map<number, Slot>()
  /** … and those that are not executed yet, by index. */
  readonly #inFlight = new Map<number, Slot>()
  /** Contexts that came with requests since the last proposal. */
  #traces: Uint8Array[] = []
  /** The entry that is being applied: its requests, which one it is, what its answers rest on, since when. */
  #names: readonly string[] = []
  #index = 0 as LogIndex
  #context: AnswerContext | null = null
  #atMs: Millis = 0
  #toldWaitingSinceMs: Millis | null = null
  #lookAtMs: Millis = 0
  #stopped = false

  constructor(options: PoolIntakeOptions) {
    this.#options = options
    this.#pool = new RequestPool(options.limits)
    this.#recent = new RecentAnswers(options.limits)
    // What its client sent comes back in a proposal: comparing it costs a tenth of hashing it again.
    options.verification.isVerified = (request) => this.#pool.holds(request)
  }

  request(connection: ClientConnection, requestNumber: number, request: Uint8Array, trace: Uint8Array | null): void {
    const { sha256, clusterId, verification, wake, observer } = this.#options
    const check = requestCheck(sha256, clusterId, request)
    if (check === null) throw new KnhkError('ProtocolViolation', 'requests of this cluster are signed by their clients')
    const refused = (code: ErrorCode) => {
      observer.rejected(1)
      refuseOne(connection, requestNumber, { code, outcomeUnknown: false, leader: null })
    }
    if (!bytesEqual(check.publicKey, connection.clientKey)) {
      refused('NotPermitted')
      return
    }
    verification.checkAll([check], (valid) => {
      if (this.#stopped) return
      if (!valid) {
        connection.close('the signature of a request does not hold')
        return
      }
      // A proposal can be faster than the client's own frame: then it is executed already.
      const known = this.#recent.get(requestName(request, 0))
      if (this.#pool.isEmpty) observer.collecting()
      if (trace !== null && this.#traces.length < TRACES_MAX) this.#traces.push(trace)
      const refusal = known === undefined ? this.#take(request, { connection, requestNumber }) : null
      if (known !== undefined) send(connection, requestNumber, known)
      else if (refusal !== null) refused(refusal)
      wake()
    })
  }

  /**
   * What another replica passed on: verified like a client's own, answered by nobody here. Where it was executed here
   * some time ago, that replica has forgotten the answer, by a restart or under a snapshot, and would wait for it for
   * ever: it is ordered once more, which changes nothing but answers it. All replicas together fill half of the pool at
   * most: a liar that passes on old requests leaves clients their place.
   */
  forwarded(from: NodeId, body: Uint8Array): void {
    const { sha256, clusterId, verification, clock, members, wake, limits } = this.#options
    const { forwardAfterMs } = limits
    const checks = bodyChecks(sha256, clusterId, body)
    if (checks === null) return
    verification.checkAll(checks, (valid) => {
      if (!valid || this.#stopped) return
      const nowMs = clock.monotonicMs()
      const bytesMax = limits.pendingBytesMax / (2 * Math.max(1, members().length))
      let again = 0
      forEachRequest(body, (start, end) => {
        const known = this.#recent.get(requestName(body, start))
        if (known !== undefined && (nowMs - known.atMs < forwardAfterMs || ++again > ORDERED_AGAIN_MAX)) return
        this.#pool.addForwarded(new Uint8Array(body.subarray(start, end)), nowMs, { from, bytesMax })
      })
      wake()
    })
  }

  /**
   * Why a client's request is not taken; null where it is. A full disk takes none. What another replica took goes its
   * way, whoever leads: it will be stored here in any case, and who leaves it out would be accused.
   */
  #take(request: Uint8Array, waiter: Waiter): ErrorCode | null {
    const { diskIsFull, clock } = this.#options
    if (diskIsFull() && !this.#pool.has(request)) return 'DiskFull'
    return this.#pool.add(request, clock.monotonicMs(), waiter)
  }

  /** The requests in a proposal that was received are on their way, and need no second one. */
  noteProposal(message: ProtocolMessage): void {
    const body = proposedBody(message)
    if (body !== null) this.#pool.noteProposed(body, this.#options.clock.monotonicMs())
  }

  propose(): void {
    const { core, limits, applyLag, sha256, step, clock } = this.#options
    this.#isRefused = false
    this.#look()
    while (!this.#pool.isEmpty && this.#inFlight.size < limits.slotsInFlightMax && core.mayPropose()) {
      // What was refused is back in the pool: asked for again in this turn it would be refused again.
      if (this.#isRefused || applyLag() > limits.applyLagEntriesMax) break
      const body = this.#pool.take(clock.monotonicMs())
      const batchDigest = computeBatchDigest(sha256, 'data', body)
      const proposalId = this.#nextProposalId++
      const slot = {
        requests: requestsIn(body),
        bytes: body.length,
        traces: this.#traces,
        startedMs: clock.monotonicMs(),
      }
      this.#traces = []
      this.#proposing.set(proposalId, slot)
      step({ type: 'propose', proposalId, kind: 'data', body, batchDigest })
    }
    this.#tellDemand()
  }

  proposed({ proposalId, index, term }: Extract<Effect, { type: 'proposed' }>): void {
    const slot = this.#proposing.get(proposalId)
    if (slot === undefined) return
    this.#proposing.delete(proposalId)
    this.#inFlight.set(index, slot)
    this.#options.observer.proposed(index, term, slot.requests, slot.bytes, slot.traces)
  }

  /** What was refused stays in the pool, and is proposed by whoever leads next. */
  refused({ proposalId }: Extract<Effect, { type: 'refused' }>): void {
    this.#isRefused = true
    this.#proposing.delete(proposalId)
    this.#pool.forgetProposals()
  }

  begin({ index, kind, body }: Entry, context: AnswerContext): void {
    this.#decided(index)
    this.#index = index
    this.#context = context
    this.#atMs = this.#options.clock.monotonicMs()
    this.#names = kind === 'data' ? namesOf(body) : []
  }

  answer(ordinal: number, firstPosition: number, results: Uint8Array): void {
    const name = this.#names[ordinal]
    if (name === undefined || this.#context === null) return
    const answer = { context: this.#context, index: this.#index, firstPosition, results, atMs: this.#atMs }
    this.#recent.note(name, answer)
    const waiter = this.#pool.executed(name)
    if (waiter !== null) send(waiter.connection, waiter.requestNumber, answer)
  }

  roleChanged(): void {
    if (this.#inFlight.size > 0) this.#options.observer.abandoned(this.#requestsInFlight())
    this.#proposing.clear()
    this.#inFlight.clear()
    this.#pool.forgetProposals()
  }

  /** What the snapshot covers is executed, and nobody proposes it: whoever leads is asked for it again. */
  stateReplaced(): void {
    this.#pool.forgetProposals()
  }

  depths(): { readonly requests: number; readonly slots: number } {
    return { requests: this.#pool.size, slots: this.#inFlight.size }
  }

  deadline(): Millis | undefined {
    return this.#pool.size === 0 ? undefined : this.#lookAtMs
  }

  stop(): void {
    this.#stopped = true
    refuse(this.#pool.drain(), { code: 'NotLeader', outcomeUnknown: true, leader: null })
  }

  /** A proposal of this replica came through. */
  #decided(index: number): void {
    const slot = this.#inFlight.get(index)
    if (slot === undefined) return
    this.#inFlight.delete(index)
    const { core, observer } = this.#options
    const { mode, view, round } = core.status()
    observer.decided(mode, view ?? round ?? 0, index, slot.requests, slot.startedMs)
  }

  #requestsInFlight(): number {
    let requests = 0
    for (const slot of this.#inFlight.values()) requests += slot.requests
    return requests
  }

  /** Now and then: what waits for long is passed on to whoever leads, or proposed anew. */
  #look(): void {
    const { clock, limits, core, members, self, peers } = this.#options
    const nowMs = clock.monotonicMs()
    if (this.#pool.size === 0 || nowMs < this.#lookAtMs) return
    this.#lookAtMs = nowMs + limits.forwardAfterMs / 4
    this.#pool.forgetOldProposals(nowMs)
    // Not whoever was announced last: in HotStuff the one who leads changes with every round.
    const to = core.status().leader
    if (to === self) return
    const requests = this.#pool.toForward(nowMs)
    if (requests.length === 0) return
    const message = { type: 'forwardRequests', body: encodeBody(requests) } as const
    // Between two views nobody leads; whoever does next has it then.
    for (const member of to === null ? members() : [to]) if (member !== self) peers.send(member, message)
  }

  #tellDemand(): void {
    const { waitingSinceMs } = this.#pool
    if (waitingSinceMs === this.#toldWaitingSinceMs) return
    this.#toldWaitingSinceMs = waitingSinceMs
    this.#options.step({ type: 'demand', waitingSinceMs })
  }
}

function send(
  connection: ClientConnection,
  requestNumber: number,
  { context, index, firstPosition, results }: RecentAnswer,
): void {
  sendApplied(connection, requestNumber, context, index, firstPosition, results)
}
