/**
 * Raft behind the contract of all protocols (Ongaro and Ousterhout, "In Search of an Understandable
 * Consensus Algorithm", and Ongaro's thesis). This file only distributes: each input to the file that
 * is named after the decision. docs/consensus/divergence.md lists where we deviate, and why.
 */
import { assert, unreachable } from '../../base/assert.js'
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { Core, CoreStatus, Effect, Input, Now, PeerStatus, ProtocolMessage } from '../core.js'
import type { Entry } from '../entry.js'
import type { LogIndex, Millis, NodeId } from '../types.js'
import { checkOptions, type RaftModules, type RaftOptions } from './config.js'
import { countOwnVote } from './election.js'
import { handlePropose } from './proposals.js'
import { handleRead } from './reads.js'
import { receive } from './receive.js'
import { handleLoaded } from './replication.js'
import { afterProgress } from './replies.js'
import { RaftState } from './state.js'
import { handlePause, nextDeadline, tick } from './timers.js'
import { startTransfer } from './transfer.js'

const NO_PEERS: readonly PeerStatus[] = []

export class RaftCore implements Core {
  readonly #raft: RaftState
  readonly #members: ReadonlySet<NodeId>

  /** Continues from `modules.restored`. Throws `Bug` where options or log contradict themselves. */
  constructor(options: RaftOptions, modules: RaftModules) {
    checkOptions(options)
    this.#raft = new RaftState(options, modules)
    this.#members = new Set(options.members.map((member) => member.id))
  }

  step(input: Input, now: Now): Effect[] {
    const raft = this.#raft
    assert(now.monotonicMs >= raft.now.monotonicMs, 'monotonic time never goes back')
    const { term, commitIndex } = raft
    raft.now = now
    this.#apply(input)
    assert(raft.term >= term, 'the term never decreases')
    assert(raft.commitIndex >= commitIndex, 'the commit index never decreases')
    assert(raft.commitIndex <= raft.log.lastIndex, 'what is committed is in the log')
    return raft.finish()
  }

  deadline(): Millis | undefined {
    return nextDeadline(this.#raft)
  }

  status(): CoreStatus {
    const { role, epoch, term, leader, log, commitIndex } = this.#raft
    return {
      mode: 'raft',
      role,
      epoch,
      term,
      view: null,
      round: null,
      leader,
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      commitIndex,
      peers: this.#peers(),
    }
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#raft.log.entry(index)
  }

  /** Plain Raft verifies nothing beyond the authenticated link and the body digest. */
  interest(_from: NodeId, _message: ProtocolMessage): 'keep' {
    return 'keep'
  }

  #apply(input: Input): void {
    const raft = this.#raft
    switch (input.type) {
      case 'message':
        if (this.#isCurrentMember(input.from, input.configHash)) receive(raft, input.from, input.message)
        return
      case 'propose':
        return handlePropose(raft, input)
      case 'read':
        return handleRead(raft, input.readId)
      case 'tick':
        return tick(raft)
      case 'stored':
        return this.#stored(input)
      case 'loaded':
        return handleLoaded(raft, raft.leading, input)
      case 'snapshotInstalled':
        throw new KnhkError('Bug', 'a snapshot was installed that this core did not ask for')
      case 'order':
        return startTransfer(raft, input.order.target)
      case 'executed':
        return this.#executed(input.upTo)
      case 'paused':
        return handlePause(raft)
      default:
        unreachable(input, 'input')
    }
  }

  #isCurrentMember(from: NodeId, configHash: Uint8Array): boolean {
    const { options, self } = this.#raft
    if (from === self || !this.#members.has(from)) return false
    return configHash === options.configHash || bytesEqual(configHash, options.configHash)
  }

  #stored(input: Extract<Input, { type: 'stored' }>): void {
    const raft = this.#raft
    if (!raft.writes.complete(input)) return
    countOwnVote(raft)
    if (raft.leading !== null) afterProgress(raft, raft.leading)
    this.#evict()
  }

  #executed(upTo: LogIndex): void {
    const raft = this.#raft
    assert(upTo <= raft.commitIndex, 'only what is committed is executed')
    if (upTo <= raft.executedIndex) return
    raft.executedIndex = upTo
    this.#evict()
  }

  #evict(): void {
    const { log, writes, executedIndex } = this.#raft
    log.evict(Math.min(writes.durableIndex, executedIndex) as LogIndex)
  }

  #peers(): readonly PeerStatus[] {
    const raft = this.#raft
    const { leading } = raft
    if (leading === null) return NO_PEERS
    return leading.peers.map((peer) => ({
      id: peer.id,
      matchIndex: peer.matchIndex,
      flow: peer.flow,
      active: leading.isActive(peer, raft),
    }))
  }
}
