/**
 * The invariants of a hybrid run: those of every Byzantine run, and those of docs/consensus/hybrid.md. Each rule
 * has a file; this one asks them all.
 */
import { toHex } from '../../base/bytes.js'
import type { SignedStatement } from '../../consensus/bft/statement.js'
import type { Core, Effect, Input, ProtocolMessage } from '../../consensus/core.js'
import { genesisMembership } from '../../consensus/membership.js'
import type { Mode, NodeId } from '../../consensus/types.js'
import { ByzantineInvariants } from '../byzantine/invariants.js'
import type { SimulatedCluster } from '../cluster.js'
import type { SimulatedNode } from '../node.js'
import { ChangeRules } from './change-rules.js'
import { EpochStarts } from './epoch-starts.js'
import { LeavingRules } from './leaving-rules.js'
import { RaftEpochRules } from './raft-epoch-rules.js'
import { ReplyRules } from './reply-rules.js'
import { comparedIn } from './statements.js'
import { SwitchRules } from './switch-rules.js'

export class HybridInvariants extends ByzantineInvariants {
  readonly raft: RaftEpochRules
  readonly switching: SwitchRules
  readonly leaving: LeavingRules
  readonly replies: ReplyRules
  readonly members: ChangeRules
  readonly #honest: (id: NodeId) => boolean

  constructor(cluster: SimulatedCluster, mayLie: (id: NodeId) => boolean) {
    super(cluster, mayLie)
    const starts = new EpochStarts(cluster)
    this.#honest = (id) => !mayLie(id)
    this.raft = new RaftEpochRules({ cluster, starts, mayLie })
    this.switching = new SwitchRules({ cluster, starts, mayLie, committedChain: this.committedChain })
    this.leaving = new LeavingRules(cluster, starts)
    this.replies = new ReplyRules((index) => this.entryAt(index)?.epoch)
    this.members = new ChangeRules(genesisMembership(cluster.configuration), (index) => this.entryAt(index))
  }

  override get switches(): number {
    return this.switching.switches
  }

  override signed(node: NodeId, bytes: Uint8Array, signature: Uint8Array): void {
    super.signed(node, bytes, signature)
    if (this.#honest(node)) this.leaving.signed(node, bytes)
  }

  override released(from: NodeId, message: ProtocolMessage): void {
    super.released(from, message)
    if (!this.#honest(from)) return
    this.raft.released(from, message)
    this.switching.released(from, message)
    this.leaving.released(from, message)
  }

  override stepped(node: SimulatedNode, core: Core, input: Input, effects: readonly Effect[]): void {
    if (this.#honest(node.id)) {
      // What an epoch is comes first: the entries are judged by it.
      this.switching.stepped(node, core, effects)
      this.raft.stepped(node, core, effects)
      this.leaving.stepped(node, core, input, effects)
      if (input.type === 'executed' && input.stateDigest !== null && !node.mayBeAstray)
        this.digest(node.id, input.upTo, toHex(input.stateDigest))
    }
    super.stepped(node, core, input, effects)
    // What brought the members of an epoch is looked up among what is committed, this step included.
    if (this.#honest(node.id) && effects.some(({ type }) => type === 'commit')) {
      const start = this.switching.startOf(core.status().epoch)
      if (start !== undefined) this.members.committedIn(node.id, start)
    }
  }

  override answered(by: NodeId, request: string, payload: Uint8Array): void {
    if (this.#honest(by)) this.replies.answered(by, request, payload)
  }

  protected override modeOf(epoch: number): Mode {
    return this.switching.modeOf(epoch) ?? 'raft'
  }

  protected override statementsOf(
    node: SimulatedNode,
    core: Core,
    message: ProtocolMessage,
  ): readonly SignedStatement[] {
    const { mode, epoch } = core.status()
    if (mode !== 'raft') return super.statementsOf(node, core, message)
    return comparedIn(message, epoch, this.leaving.isLeaving(node, epoch))
  }
}
