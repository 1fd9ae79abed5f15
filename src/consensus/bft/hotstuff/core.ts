/**
 * Chained HotStuff behind the contract of all protocols (Yin, Malkhi, Reiter, Golan Gueta, Abraham,
 * "HotStuff: BFT Consensus in the Lens of Blockchain", with the pacemaker of DiemBFT). This file only
 * distributes: each input to the file that is named after the decision.
 */
import { assert, unreachable } from '../../../base/assert.js'
import { bytesEqual } from '../../../base/bytes.js'
import type { CoreStatus, Effect, Input, Now, ProtocolMessage } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { MembershipRecord } from '../../membership.js'
import type { LogIndex, Millis, NodeId, Term } from '../../types.js'
import type { SignatureCheck } from '../checks.js'
import type { EpochStep } from '../epoch.js'
import type { Wedge, WedgedCore } from '../mode-change.js'
import { handleEvidence, watch } from './accusations.js'
import { handleProposal } from './blocks.js'
import { onQc, onTc } from './certified.js'
import { handleDigest, onCheckpoint, onEpochEnd, resendCheckpoint } from './checkpointing.js'
import { isHotStuff } from './codec.js'
import { checkOptions, type HotStuffModules, type HotStuffOptions } from './config.js'
import { checksOf, interestIn } from './ingress.js'
import { renewBlocks } from './insert.js'
import type { HotStuffMessage } from './messages.js'
import { handleOrder } from './orders.js'
import { handlePropose, mayPropose, proposeOwn, waitingSince, wantsTick } from './proposals.js'
import { askAgain } from './questions.js'
import { askToRejoin, finishRejoin, handleRejoin, handleStanding } from './rejoin.js'
import { followLog, restoreBlocks, start } from './restart.js'
import { HotStuffState } from './state.js'
import { handleBlocks, handleFetchBlocks } from './sync.js'
import { giveUpRound, handleTimeout } from './timeouts.js'
import {
  entriesEnd,
  handleEntries,
  handleFetchEntries,
  handleLoaded,
  handleSnapshot,
  handleSnapshotFetched,
  handleSnapshotRejected,
  handleSnapshotTaken,
  handleStatus,
} from './transfer.js'
import { onVote } from './voting.js'

export class HotStuffCore implements WedgedCore {
  readonly #hs: HotStuffState

  /** Continues from `modules.restored`. Throws `Bug` where options or log contradict themselves. */
  constructor(options: HotStuffOptions, modules: HotStuffModules) {
    checkOptions(options)
    this.#hs = new HotStuffState(options, modules)
    followLog(this.#hs)
    restoreBlocks(this.#hs, modules.restored.pending)
  }

  step(input: Input, now: Now): Effect[] {
    const hs = this.#hs
    assert(now.monotonicMs >= hs.now.monotonicMs, 'monotonic time never goes back')
    const { epoch, round, commitIndex } = hs
    hs.now = now
    if (!hs.hasStarted) start(hs)
    this.#apply(input)
    finishRejoin(hs)
    renewBlocks(hs)
    hs.pacemaker.wait(waitingSince(hs))
    assert(hs.epoch > epoch || hs.round >= round, 'the round never decreases within an epoch')
    assert(hs.commitIndex >= commitIndex, 'the commit index never decreases')
    return hs.finish()
  }

  deadline(): Millis | undefined {
    const hs = this.#hs
    if (!hs.hasStarted || wantsTick(hs)) return hs.now.monotonicMs
    const times = [hs.pacemaker.deadlineMs, hs.sync.retryAtMs ?? undefined, hs.rejoin?.askAtMs].filter(
      (time) => time !== undefined,
    )
    return times.length === 0 ? undefined : Math.min(...times)
  }

  status(): CoreStatus {
    const hs = this.#hs
    return {
      mode: 'hotstuff',
      role: hs.isLeader ? 'leader' : hs.replicas.has(hs.self) ? 'follower' : 'learner',
      epoch: hs.epoch,
      term: 0 as Term,
      view: null,
      round: hs.round,
      leader: hs.leader,
      firstIndex: (hs.log.base.index + 1) as LogIndex,
      lastIndex: hs.log.last.index,
      commitIndex: hs.commitIndex,
      peers: [],
      membership: hs.memberships.current,
      // Until the state at its end is certified, the epoch before goes on.
      membershipCommitted: hs.ending === null,
      mayVote: hs.safety.maySign,
      threat: null,
    }
  }

  get wedge(): Wedge | null {
    return this.#hs.wedge
  }

  get steps(): readonly EpochStep[] {
    return this.#hs.steps
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#hs.log.entry(index)
  }

  membershipAt(index: LogIndex): MembershipRecord {
    return this.#hs.memberships.at(index)
  }

  mayPropose(): boolean {
    return mayPropose(this.#hs)
  }

  holdsLease(_now: Now): boolean {
    return false
  }

  configHash(): Uint8Array {
    return this.#hs.context.configHash
  }

  interest(from: NodeId, message: ProtocolMessage): 'verify' | 'keep' | 'drop' {
    return isHotStuff(message) ? interestIn(this.#hs, from, message) : 'drop'
  }

  checks(from: NodeId, message: ProtocolMessage): readonly SignatureCheck[] | null {
    return isHotStuff(message) ? checksOf(this.#hs, from, message) : null
  }

  #apply(input: Input): void {
    const hs = this.#hs
    switch (input.type) {
      case 'message':
        if (isHotStuff(input.message) && bytesEqual(input.configHash, hs.context.configHash))
          this.#receive(input.from, input.message)
        return
      case 'propose':
        return handlePropose(hs, input)
      case 'tick':
        return this.#tick()
      case 'stored':
        return hs.journal.complete(input)
      case 'loaded':
        return handleLoaded(hs, input)
      case 'snapshotTaken':
        return handleSnapshotTaken(hs, input)
      case 'snapshotGone':
        if (hs.snapshot !== null && bytesEqual(hs.snapshot.id, input.id)) hs.snapshot = null
        return
      case 'snapshotFetched':
        return handleSnapshotFetched(hs, input.snapshot)
      case 'snapshotRejected':
        return handleSnapshotRejected(hs, input.from, input.id)
      case 'demand':
        hs.demandSinceMs = input.waitingSinceMs
        return
      case 'order':
        return handleOrder(hs, input)
      case 'executed':
        return this.#executed(input.upTo, input.stateDigest)
      // The hybrid's, which contains this core.
      case 'invalid':
      case 'clear':
        return
      case 'paused':
        return hs.pacemaker.restartTimer(hs.now.monotonicMs)
      case 'read':
        // A single replica proves nothing about the others: linearizable reads go through the log.
        hs.emit({ type: 'readRefused', readId: input.readId, code: 'UnsupportedRead', leader: hs.leader })
        return
      default:
        unreachable(input, 'input')
    }
  }

  #receive(from: NodeId, message: HotStuffMessage): void {
    const hs = this.#hs
    watch(hs, message)
    switch (message.type) {
      case 'hsProposal':
        return handleProposal(hs, from, message)
      case 'hsVote':
        return onVote(hs, message.vote)
      case 'hsTimeout':
        return handleTimeout(hs, from, message)
      case 'hsAdvance':
        onQc(hs, message.qc)
        if (message.tc !== null) onTc(hs, message.tc)
        return
      case 'hsFetchBlocks':
        return handleFetchBlocks(hs, from, message)
      case 'hsBlocks':
        return handleBlocks(hs, from, message)
      case 'hsStatus':
        entriesEnd(hs, from, message)
        return handleStatus(hs, from, message)
      case 'hsRejoin':
        return handleRejoin(hs, from, message)
      case 'hsStanding':
        return handleStanding(hs, from, message)
      case 'hsFetchEntries':
        return handleFetchEntries(hs, from, message)
      case 'hsEntries':
        return handleEntries(hs, from, message)
      case 'hsSnapshot':
        return handleSnapshot(hs, from, message)
      case 'hsCheckpoint':
        return onCheckpoint(hs, message.checkpoint)
      case 'hsEpochEnd':
        return onEpochEnd(hs, message.checkpoint)
      case 'hsEvidence':
        return handleEvidence(hs, message)
      default:
        unreachable(message, 'message')
    }
  }

  #tick(): void {
    const hs = this.#hs
    const nowMs = hs.now.monotonicMs
    proposeOwn(hs)
    askToRejoin(hs)
    if (hs.sync.retryAtMs !== null && hs.sync.retryAtMs <= nowMs) askAgain(hs)
    if ((hs.pacemaker.deadlineMs ?? Number.POSITIVE_INFINITY) > nowMs) return
    giveUpRound(hs)
    if (hs.ending !== null) resendCheckpoint(hs)
  }

  #executed(upTo: LogIndex, stateDigest: Uint8Array | null): void {
    const hs = this.#hs
    if (stateDigest !== null) return handleDigest(hs, upTo, stateDigest)
    assert(upTo <= hs.commitIndex, 'only what is committed is executed')
    if (upTo <= hs.executedIndex) return
    hs.executedIndex = upTo
    hs.log.evict(upTo)
  }
}
