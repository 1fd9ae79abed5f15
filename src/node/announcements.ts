/**
 * What the core says of the cluster, told to the log of the node and to telemetry. Nothing here decides
 * anything; evidence is the one thing that is also kept, for everybody to check.
 */

import { decodeEvidence, evidenceId } from '../consensus/bft/evidence.js'
import type { Core, Effect } from '../consensus/core.js'
import type { Epoch, LogIndex, Millis, Mode, NodeId } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { NodePorts } from './node-options.js'

type Told<T extends Effect['type']> = Extract<Effect, { type: T }>

export class Announcements {
  readonly #ports: NodePorts
  readonly #core: Core
  readonly #observer: Observer
  /** What was told last. */
  #mode: Mode
  #epoch: Epoch
  #view: number | null
  #leader: NodeId | null = null
  /** When the message that the core looks at arrived, and when its signatures were checked; null for other inputs. */
  #message: { readonly arrivedMs: Millis; readonly checkedMs: Millis } | null = null
  /** On the way to another epoch: since when, and whether that has begun. */
  #switching: { readonly sinceMs: Millis; hasBegun: boolean } | null = null

  constructor(ports: NodePorts, core: Core, observer: Observer) {
    this.#ports = ports
    this.#core = core
    this.#observer = observer
    const { mode, epoch, view } = core.status()
    this.#mode = mode
    this.#epoch = epoch
    this.#view = view
  }

  /** Has the core look at a message that came in then. */
  hear(arrivedMs: Millis, step: () => void): void {
    this.#message = { arrivedMs, checkedMs: this.#ports.clock.monotonicMs() }
    step()
    this.#message = null
  }

  roleChanged({ role, term, leader }: Told<'roleChanged'>): void {
    this.#observer.roleChanged(role, term, leader)
    this.#noteView()
    this.#ports.logger.log('info', 'role changed', { role, term, leader })
  }

  /** Tells of a view or round with another primary; an epoch begins with one that nobody chose. */
  #noteView(): void {
    const { mode, epoch, view, leader } = this.#core.status()
    if (leader === null || mode === 'raft') return
    const isAnother = mode === 'pbft' ? view !== this.#view : this.#leader !== null && leader !== this.#leader
    if (epoch === this.#epoch && isAnother) this.#observer.viewChanged(view, 'timeout')
    this.#epoch = epoch
    this.#view = view
    this.#leader = leader
  }

  membershipChanged({ record, committed }: Told<'membershipChanged'>): void {
    const { index, membership } = record
    const members = membership.members.map(({ id, role }) => `${id}:${role}`).join(' ')
    this.#ports.logger.log('info', 'members changed', { index, committed, joint: membership.joint, members })
  }

  damaged({ lastIndex }: Told<'damaged'>): void {
    this.#ports.logger.log('error', 'this node lost what it had acknowledged: it neither votes nor leads', {
      lastIndex,
    })
  }

  repaired(): void {
    const { mayVote } = this.#core.status()
    const next = mayVote ? 'and this node votes' : 'and this node votes from the next epoch on'
    this.#ports.logger.log('info', `repaired: the log is whole again, ${next}`)
  }

  diverged({ index, agreedIndex }: Told<'diverged'>): void {
    this.#observer.diverged()
    const message = 'the state of this node differs from that of the majority'
    this.#ports.logger.log('error', message, { index, agreedIndex })
  }

  invalid(from: NodeId, message: string, reason: string): void {
    this.#ports.logger.log('warn', 'a member sent what does not hold', { from, message, reason })
  }

  /** What this node holds against others changed. */
  threatened({ level, causes, nodes }: Told<'threat'>): void {
    const against = nodes.map((node) => `${node.id}:${node.level}`).join(' ')
    this.#ports.logger.log('warn', 'the threat level changed', { level, causes: causes.join(' '), against })
    this.#observer.threat(level, this.#core.status().mode)
  }

  panicked({ epoch }: Told<'panicked'>): void {
    this.#ports.logger.log('warn', 'this node says that the epoch has to end', { epoch })
    this.#switching ??= { sinceMs: this.#ports.clock.monotonicMs(), hasBegun: false }
  }

  epochChanged({ epoch, mode, isUnderWay, reason }: Told<'epochChanged'>): void {
    const { logger, clock } = this.#ports
    logger.log('warn', isUnderWay ? 'the epoch ends' : 'another epoch began', { epoch, mode, reason })
    this.#observer.epochChanging(isUnderWay)
    if (isUnderWay) {
      this.#switching ??= { sinceMs: clock.monotonicMs(), hasBegun: false }
      return
    }
    if (this.#switching !== null) this.#switching.hasBegun = true
    if (mode !== this.#mode) this.#observer.modeChanged(mode)
    this.#mode = mode
    this.#epoch = epoch
    this.#view = this.#core.status().view
    this.#leader = null
  }

  /** The first decision of a new epoch ends the switch. */
  committed(index: LogIndex): void {
    const switching = this.#switching
    if (switching === null || !switching.hasBegun) return
    this.#switching = null
    const { logger, clock } = this.#ports
    const tookMs = clock.monotonicMs() - switching.sinceMs
    this.#observer.switched(tookMs)
    const { mode, epoch } = this.#core.status()
    logger.log('info', 'the first decision of the epoch', { epoch, mode, index, tookMs: rounded(tookMs) })
  }

  /** A member is proven to have lied. */
  async convict(encoded: Uint8Array): Promise<void> {
    const { evidence, logger, sha256, clock } = this.#ports
    const [provenMs, message] = [clock.monotonicMs(), this.#message]
    const detectedInMs = message === null ? null : provenMs - message.arrivedMs
    const decoded = decodeEvidence(encoded)
    const { kind, culprit, epoch } = decoded
    this.#observer.evidence(kind, detectedInMs)
    const times =
      message === null
        ? {}
        : { detectedInMs: rounded(provenMs - message.arrivedMs), judgedInMs: rounded(provenMs - message.checkedMs) }
    logger.log('error', 'a member lied: the evidence is kept', { culprit, kind, epoch, ...times })
    await evidence.put(evidenceId(sha256, decoded), encoded)
    const tookMs = clock.monotonicMs() - provenMs
    this.#observer.evidenceStored(tookMs)
    logger.log('info', 'the evidence is on the disk', { culprit, kind, epoch, tookMs: rounded(tookMs) })
  }
}

/** Milliseconds with three digits behind the point. */
function rounded(ms: Millis): number {
  return Math.round(ms * 1000) / 1000
}
