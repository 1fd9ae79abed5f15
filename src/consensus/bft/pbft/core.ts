/**
 * PBFT behind the contract of all protocols (Castro and Liskov, "Practical Byzantine Fault Tolerance").
 * This file only distributes: each input to the file that is named after the decision.
 */
import { assert, unreachable } from '../../../base/assert.js'
import { bytesEqual } from '../../../base/bytes.js'
import type { CoreStatus, Effect, Input, Now, PeerStatus, ProtocolMessage } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { MembershipRecord } from '../../membership.js'
import type { LogIndex, Millis, NodeId, Term, ViewNumber } from '../../types.js'
import type { SignatureCheck } from '../checks.js'
import type { EpochStep } from '../epoch.js'
import type { Wedge, WedgedCore } from '../mode-change.js'
import { handleOwnDigest } from './checkpoint-rules.js'
import { checksOf } from './checks.js'
import { isPbft } from './codec.js'
import type { PbftModules, PbftOptions } from './config.js'
import { executeReady } from './decisions.js'
import { handleLoaded, hasOwnCertificates } from './help.js'
import { interestIn } from './interest.js'
import { acceptOrdered, advance } from './normal-case.js'
import { handleOrder } from './orders.js'
import { handlePropose, mayPropose } from './own-proposals.js'
import { receive } from './receive.js'
import { beginRepair, finishRepair } from './repair.js'
import { restoreState } from './restore.js'
import type { PbftState } from './state.js'
import { nextDeadline, settle, tick } from './timers.js'
import { handleFetched, handleRejected, handleSnapshotTaken } from './transfer.js'

const NO_PEERS: readonly PeerStatus[] = []

export class PbftCore implements WedgedCore {
  readonly #state: PbftState
  /** The first step continues what the restored slots were in the middle of. */
  #resumed = false

  /** Continues from `modules.restored`. Throws where options or what is stored contradict themselves. */
  constructor(options: PbftOptions, modules: PbftModules) {
    this.#state = restoreState(options, modules)
  }

  step(input: Input, now: Now): Effect[] {
    const state = this.#state
    assert(now.monotonicMs >= state.now.monotonicMs, 'monotonic time never goes back')
    const { view, context, commitIndex } = state
    state.now = now
    if (!this.#resumed) this.#resume()
    this.#apply(input)
    settle(state)
    finishRepair(state)
    assert(state.context.epoch > context.epoch || state.view >= view, 'the view never decreases within an epoch')
    assert(state.commitIndex >= commitIndex, 'the commit index never decreases')
    return state.finish()
  }

  deadline(): Millis | undefined {
    const { now } = this.#state
    return this.#resumed ? nextDeadline(this.#state) : now.monotonicMs
  }

  status(): CoreStatus {
    const state = this.#state
    const { context, view, log, commitIndex, active, memberships, self } = state
    const isMember = context.replicas.has(self)
    return {
      mode: 'pbft',
      role: state.isPrimary ? 'leader' : isMember ? 'follower' : 'learner',
      epoch: context.epoch,
      term: 0 as Term,
      view: view as ViewNumber,
      round: null,
      leader: active ? state.primary : null,
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      commitIndex,
      peers: NO_PEERS,
      membership: memberships.current,
      membershipCommitted: true,
      mayVote: state.rules.maySign,
      threat: null,
    }
  }

  /** What ended this core's last epoch in favour of another protocol; null while it goes on. */
  get wedge(): Wedge | null {
    const { ending, epochDue, log } = this.#state
    if (ending === null || !ending.isWedge || epochDue === null) return null
    const entry = log.entry(ending.index)
    assert(entry !== undefined, 'what ends an epoch is the last entry of it')
    return { entry, checkpoint: epochDue }
  }

  get steps(): readonly EpochStep[] {
    return this.#state.steps
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#state.log.entry(index)
  }

  /** A snapshot can be taken behind the change that ends an epoch before the next one begins. */
  membershipAt(index: LogIndex): MembershipRecord {
    const { ending, memberships } = this.#state
    return ending !== null && !ending.isWedge && index >= ending.index ? ending.record : memberships.at(index)
  }

  mayPropose(): boolean {
    return this.#resumed && mayPropose(this.#state)
  }

  /** PBFT has no leases: a primary may be replaced without knowing. */
  holdsLease(_now: Now): boolean {
    return false
  }

  configHash(): Uint8Array {
    return this.#state.context.sign.configHash
  }

  interest(from: NodeId, message: ProtocolMessage): 'verify' | 'keep' | 'drop' {
    return isPbft(message) ? interestIn(this.#state, from, message) : 'drop'
  }

  checks(from: NodeId, message: ProtocolMessage): readonly SignatureCheck[] | null {
    return isPbft(message) ? checksOf(this.#state, from, message) : null
  }

  #apply(input: Input): void {
    const state = this.#state
    switch (input.type) {
      case 'message':
        return this.#message(input)
      case 'propose':
        return handlePropose(state, input)
      case 'read':
        return this.#read(input)
      case 'tick':
        return tick(state)
      case 'stored':
        return this.#stored(input)
      case 'loaded':
        return handleLoaded(state, input)
      case 'snapshotTaken':
        return handleSnapshotTaken(state, input)
      case 'snapshotGone':
        return this.#snapshotGone(input.id)
      case 'snapshotFetched':
        return handleFetched(state, input.snapshot)
      case 'snapshotRejected':
        return handleRejected(state, input.from, input.id)
      case 'demand':
        state.demandMs = input.waitingSinceMs
        return
      case 'order':
        return handleOrder(state, input.orderId, input.order)
      case 'executed':
        return this.#executed(input.upTo, input.stateDigest)
      case 'paused':
        // Timers restart: what waited during the pause did not wait for the primary.
        state.viewBeganMs = state.now.monotonicMs
        if (state.newViewDueMs !== null) state.newViewDueMs += input.pausedMs
        return
      // The hybrid's, which contains this core.
      case 'invalid':
      case 'clear':
        return
      default:
        unreachable(input, 'input')
    }
  }

  /** The link says who speaks; statements say who signed. */
  #message({ from, configHash, message }: Extract<Input, { type: 'message' }>): void {
    const state = this.#state
    if (from === state.self || !isPbft(message)) return
    if (bytesEqual(configHash, state.context.sign.configHash)) receive(state, from, message)
  }

  #read({ readId }: Extract<Input, { type: 'read' }>): void {
    const { isPrimary, initDone, commitIndex, active, primary } = this.#state
    if (isPrimary && initDone) this.#state.emit({ type: 'readReady', readId, index: commitIndex })
    else
      this.#state.emit({
        type: 'readRefused',
        readId,
        code: active && !isPrimary ? 'NotLeader' : 'NoLeader',
        leader: active && !isPrimary ? primary : null,
      })
  }

  #stored(input: Extract<Input, { type: 'stored' }>): void {
    const state = this.#state
    if (state.outbox.complete(input)) this.#evict()
  }

  #executed(upTo: LogIndex, stateDigest: Uint8Array | null): void {
    const state = this.#state
    if (stateDigest !== null) return handleOwnDigest(state, upTo, stateDigest)
    if (upTo <= state.executedIndex) return
    state.executedIndex = upTo
    this.#evict()
  }

  #evict(): void {
    const { log, outbox, executedIndex, options } = this.#state
    log.evict(Math.min(outbox.durableIndex, executedIndex), options.limits)
  }

  #snapshotGone(id: Uint8Array): void {
    this.#state.snapshots.gone(id)
  }

  /** Votes that were under way before the restart carry on; what was said is said again. */
  #resume(): void {
    const state = this.#state
    this.#resumed = true
    state.viewBeganMs = state.now.monotonicMs
    // From the first write on a replica without a safety record is one that forgot.
    if (state.modules.restored.safety === null) beginRecord(state)
    if (state.repairing) state.silentWrite = beginRepair(state)
    hasOwnCertificates(state)
    for (const { sequence, digest } of state.active ? (state.newView?.order ?? []) : []) {
      const index = state.context.indexOf(sequence)
      if (state.slots.get(index)?.accepted == null) acceptOrdered(state, index, digest)
    }
    for (const slot of state.slots.all()) advance(state, slot)
    executeReady(state)
    if (state.ownViewChange !== null) state.broadcast(state.ownViewChange)
    for (const vote of state.rules.ownCheckpoints()) state.broadcast({ type: 'pbftVote', vote })
  }
}

function beginRecord(state: PbftState): void {
  const { epoch } = state.context
  state.store({ kind: 'hardState', hardState: { epoch, term: 0 as Term, votedFor: null } })
  state.storeSafety()
}
