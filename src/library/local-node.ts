/** The node that runs in this process: what it is, and how far it has come. */
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../base/error.js'
import type { CallOptions } from '../client/api.js'
import type { CoreStatus, Role } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import type { LogIndex, NodeId, Term, ViewNumber } from '../consensus/types.js'
import type { RunningNode } from '../node/start.js'
import type { ConsensusMetrics } from '../telemetry/consensus-metrics.js'

/**
 * Role of a node (Ongaro and Ousterhout, section 5.1; preCandidate: thesis, section 9.6; learner: 4.2.1). In a
 * Byzantine protocol the leader is who proposes: the primary of the view, the leader of the round.
 */
export type RaftRole = Role

const POLL_MS = 5

export class LocalNode {
  readonly id: NodeId
  readonly #running: RunningNode
  readonly #timeoutMs: number
  #failure: KnhkError | null = null
  #isStopped = false

  constructor(id: NodeId, running: RunningNode, timeoutMs: number) {
    this.id = id
    this.#running = running
    this.#timeoutMs = timeoutMs
    void running.stopped.then((error) => {
      this.#isStopped = true
      this.#failure = error
    })
  }

  /** Everything that its core says of itself. */
  get status(): CoreStatus {
    return this.#running.facts().status
  }

  get role(): RaftRole {
    return this.status.role
  }

  /** Whom it follows, itself where it leads; null where it knows of nobody. */
  get leader(): NodeId | null {
    return this.status.leader
  }

  /** Everything up to this index is committed, as far as this node knows. */
  get commitIndex(): LogIndex {
    return this.status.commitIndex
  }

  /** Everything up to this index is in its state. */
  get appliedIndex(): LogIndex {
    return this.#running.facts().appliedIndex
  }

  /** `http://host:port` of metrics and probes; null where none is open. */
  get httpUrl(): string | null {
    return this.#running.httpUrl
  }

  /** Resolves when it has stopped: null after a clean stop, the error that ended it otherwise. */
  get stopped(): Promise<KnhkError | null> {
    return this.#running.stopped
  }

  /** What it counted since its start. */
  metrics(): ConsensusMetrics {
    return this.#running.metrics()
  }

  /** The entry at an index, with its certificate; null where its log does not hold it, yet or any more. */
  entry(index: LogIndex): Promise<Entry | null> {
    return this.#running.entry(index)
  }

  /**
   * Resolves when this node has committed and applied everything up to `index`: what it answers locally from then on
   * includes it. Throws `DeadlineExceeded`, `Aborted` where the signal ends the wait, what ended the node, or
   * `Unreachable` where it was stopped.
   */
  async waitForCommit(index: number, options: Pick<CallOptions, 'timeoutMs' | 'signal'> = {}): Promise<void> {
    const { timeoutMs = this.#timeoutMs, signal } = options
    const expiresAtMs = performance.now() + timeoutMs
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      if (this.#isStopped)
        throw new KnhkError('Unreachable', `node ${this.id} is stopped`, { details: { node: this.id } })
      const { appliedIndex } = this
      if (appliedIndex >= index) return
      if (signal?.aborted === true) throw new KnhkError('Aborted', 'the wait was cancelled', { cause: signal.reason })
      if (performance.now() >= expiresAtMs) {
        const details = { node: this.id, appliedIndex, index }
        throw new KnhkError('DeadlineExceeded', `node ${this.id} has not applied index ${index}`, { details })
      }
      await delay(POLL_MS)
    }
  }

  /** Stops it cleanly: answers what it can, seals the log. */
  stop(): Promise<void> {
    return this.#running.stop()
  }
}

/** A node of a Raft cluster. */
export class RaftNode extends LocalNode {
  get term(): Term {
    return this.status.term
  }
}

/** A replica of a Byzantine cluster. */
export class BftNode extends LocalNode {
  /** PBFT's view (Castro and Liskov, section 4.1); null under HotStuff. */
  get view(): ViewNumber | null {
    return this.status.view
  }

  /** HotStuff's round (DiemBFT, section 3); null under PBFT. */
  get round(): number | null {
    return this.status.round
  }
}
