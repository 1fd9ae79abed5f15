/**
 * What the core says of the cluster, told to the log of the node and to telemetry. Nothing here decides
 * anything; evidence is the one thing that is also kept, for everybody to check.
 */

import { decodeEvidence, evidenceId } from '../consensus/bft/evidence.js'
import type { Core, Effect } from '../consensus/core.js'
import type { Mode, NodeId } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { NodePorts } from './node-options.js'

type Told<T extends Effect['type']> = Extract<Effect, { type: T }>

export class Announcements {
  readonly #ports: NodePorts
  readonly #core: Core
  readonly #observer: Observer
  #mode: Mode

  constructor(ports: NodePorts, core: Core, observer: Observer) {
    this.#ports = ports
    this.#core = core
    this.#observer = observer
    this.#mode = core.status().mode
  }

  roleChanged({ role, term, leader }: Told<'roleChanged'>, leaderChanged: boolean): void {
    this.#observer.roleChanged(role, term, leader)
    this.#noteView(leaderChanged)
    this.#ports.logger.log('info', 'role changed', { role, term, leader })
  }

  /** Tells of another mode, and in Byzantine modes of another primary. */
  #noteView(leaderChanged: boolean): void {
    const { mode, view } = this.#core.status()
    if (mode !== this.#mode) this.#observer.modeChanged(mode)
    else if (mode !== 'raft' && leaderChanged) this.#observer.viewChanged(view, 'timeout')
    this.#mode = mode
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
    this.#ports.logger.log('info', 'repaired: the log is whole again, and this node votes')
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

  epochChanged({ epoch, mode, isUnderWay, reason }: Told<'epochChanged'>): void {
    const event = isUnderWay ? 'the epoch ends' : 'another epoch began'
    this.#ports.logger.log('warn', event, { epoch, mode, reason })
    this.#observer.epochChanging(isUnderWay)
    if (!isUnderWay) this.#observer.modeChanged(mode)
  }

  /** A member is proven to have lied. */
  async convict(encoded: Uint8Array): Promise<void> {
    const { evidence, logger, sha256 } = this.#ports
    const decoded = decodeEvidence(encoded)
    const { kind, culprit, epoch } = decoded
    this.#observer.evidence(kind)
    logger.log('error', 'a member lied: the evidence is kept', { culprit, kind, epoch })
    await evidence.put(evidenceId(sha256, decoded), encoded)
  }
}
