/**
 * The intake of plain Raft: the leader collects requests into batches, proposes one at a time while a
 * write is under way, and answers what it proposed itself. Everybody else refuses and names the leader.
 */
import { computeBatchDigest } from '../consensus/batch-digest.js'
import type { Effect, Input } from '../consensus/core.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import type { LogIndex, NodeId } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { AnswerContext } from '../transport/client-protocol.js'
import { Answers, type Refusal, refuse, refuseOne, sendApplied } from './answers.js'
import { type Batch, Collector, type Waiters } from './collector.js'
import type { Intake } from './intake.js'
import type { NodeLimits } from './limits.js'
import type { ClientConnection } from './ports.js'

export interface LeaderIntakeOptions {
  readonly limits: NodeLimits
  readonly sha256: Sha256
  readonly observer: Observer
  readonly leads: () => boolean
  readonly leader: () => NodeId | null
  /** No write is under way or queued. */
  readonly diskIsIdle: () => boolean
  readonly diskIsFull: () => boolean
  /** Committed entries that are not applied yet. */
  readonly applyLag: () => number
  readonly step: (input: Input) => void
}

export class LeaderIntake implements Intake {
  readonly #options: LeaderIntakeOptions
  readonly #collector: Collector
  readonly #answers = new Answers()
  readonly #proposing = new Map<number, Batch>()
  /** Who waits for the entry that is being applied, which one that is, and what its answers rest on. */
  #waiters: Waiters | undefined
  #index = 0 as LogIndex
  #context: AnswerContext | null = null
  #nextProposalId = 1

  constructor(options: LeaderIntakeOptions) {
    this.#options = options
    this.#collector = new Collector(options.limits)
  }

  request(connection: ClientConnection, requestNumber: number, request: Uint8Array, trace: Uint8Array | null): void {
    const { leader, observer } = this.#options
    if (this.#collector.isEmpty) observer.collecting()
    const refusal = this.#refusal() ?? this.#collector.add(connection, requestNumber, request, trace)
    if (refusal === null) return
    observer.rejected(1)
    refuseOne(connection, requestNumber, { code: refusal, outcomeUnknown: false, leader: leader() })
  }

  /** Proposes at once when idle; while a write is under way, requests collect for the next entry. */
  propose(): void {
    const { limits, leader, diskIsIdle, applyLag, sha256, step, observer } = this.#options
    if (this.#collector.isEmpty || !diskIsIdle()) return
    if (this.#answers.waitingEntries >= limits.entriesInFlightMax) return
    const refusal = this.#refusal() ?? (applyLag() > limits.applyLagEntriesMax ? 'ResourceExhausted' : null)
    if (refusal !== null) {
      this.#refuse(this.#collector.drain(), { code: refusal, outcomeUnknown: false, leader: leader() })
      return
    }
    const batch = this.#collector.take()
    const proposalId = this.#nextProposalId++
    this.#proposing.set(proposalId, batch)
    const batchDigest = computeBatchDigest(sha256, 'data', batch.body)
    step({ type: 'propose', proposalId, kind: 'data', body: batch.body, batchDigest })
    // What did not fit waits from now on, as far as anybody counts.
    if (!this.#collector.isEmpty) observer.collecting()
  }

  proposed({ proposalId, index, term }: Extract<Effect, { type: 'proposed' }>): void {
    const batch = this.#take(proposalId)
    if (batch === undefined) return
    const { requestNumbers, body, traces } = batch
    this.#answers.expect(index, term, batch)
    this.#options.observer.proposed(index, term, requestNumbers.length, body.length, traces)
  }

  refused({ proposalId, code, leader }: Extract<Effect, { type: 'refused' }>): void {
    const waiters = this.#take(proposalId)
    if (waiters !== undefined) this.#refuse(waiters, { code, outcomeUnknown: false, leader })
  }

  begin({ index, term }: Entry, context: AnswerContext): void {
    this.#waiters = this.#answers.take(index, term)
    this.#index = index
    this.#context = context
  }

  answer(ordinal: number, firstPosition: number, results: Uint8Array): void {
    const connection = this.#waiters?.connections[ordinal]
    const requestNumber = this.#waiters?.requestNumbers[ordinal]
    if (connection === undefined || requestNumber === undefined || this.#context === null) return
    sendApplied(connection, requestNumber, this.#context, this.#index, firstPosition, results)
  }

  roleChanged({ role, leader }: Extract<Effect, { type: 'roleChanged' }>, wasLeader: boolean): void {
    if (wasLeader && role !== 'leader') this.#options.observer.abandoned(this.#answers.abandon(leader))
  }

  /** What waits here is not proposed yet, or of an index behind the snapshot. */
  stateReplaced(): void {}

  deadline(): undefined {
    return undefined
  }

  depths(): { readonly requests: number; readonly slots: number } {
    return { requests: this.#collector.size, slots: this.#answers.waitingEntries }
  }

  stop(): void {
    refuse(this.#collector.drain(), { code: 'NotLeader', outcomeUnknown: false, leader: null })
    this.#answers.abandon(null)
  }

  /** Why this node proposes nothing right now; null where it may. */
  #refusal(): 'NoLeader' | 'NotLeader' | 'DiskFull' | null {
    const { leads, leader, diskIsFull } = this.#options
    if (!leads()) return leader() === null ? 'NoLeader' : 'NotLeader'
    return diskIsFull() ? 'DiskFull' : null
  }

  #refuse(waiters: Waiters, refusal: Refusal): void {
    this.#options.observer.rejected(waiters.requestNumbers.length)
    refuse(waiters, refusal)
  }

  #take(proposalId: number): Batch | undefined {
    const batch = this.#proposing.get(proposalId)
    this.#proposing.delete(proposalId)
    return batch
  }
}
