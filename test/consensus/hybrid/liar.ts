/** What a Byzantine member of a hybrid Raft epoch says instead of the truth, under its own key. */
import { epochConfigHash } from '../../../src/consensus/bft/replicas.js'
import type { SignedStatement, Statement } from '../../../src/consensus/bft/statement.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import type { AbortHistory } from '../../../src/consensus/hybrid/abort-history.js'
import type { HybridAppend } from '../../../src/consensus/hybrid/messages.js'
import type { Membership } from '../../../src/consensus/membership.js'
import { logIndex, type NodeId, term } from '../../../src/consensus/types.js'
import { LiarKey } from '../../../src/simulator/byzantine/liar-key.js'
import { RaftLies } from '../../../src/simulator/hybrid/raft-lies.js'
import { signAs } from '../bft/keys.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'

export class RaftLiar {
  readonly id: NodeId
  readonly #lies: RaftLies
  /** Members that are told the other branch. */
  readonly #victims = new Set<NodeId>()

  constructor(id: NodeId, membership: Membership) {
    this.id = id
    const configHash = epochConfigHash(sha256, CONFIG_HASH, membership)
    const key = new LiarKey({
      owner: id,
      sha256,
      clusterId: CLUSTER_ID,
      sign: signAs(id),
      configHash: () => configHash,
    })
    const origin = { term: term(0), index: logIndex(0), hash: GENESIS_CHAIN }
    this.#lies = new RaftLies(key, () => origin)
  }

  sign(statement: Statement): SignedStatement {
    return this.#lies.key.sign(statement)
  }

  /** From this index on these members are told another history of the present term. */
  fork(victims: readonly NodeId[], fromIndex: number): void {
    this.#victims.clear()
    for (const id of victims) this.#victims.add(id)
    this.#lies.forkFrom(fromIndex)
  }

  forked(message: HybridAppend): HybridAppend {
    return this.#lies.forked(message)
  }

  forgetful(history: AbortHistory): AbortHistory {
    return this.#lies.forgetful(history)
  }

  /** A random lie about whatever it is about to say; null for the truth. */
  distort(to: NodeId, message: ProtocolMessage, random: () => number): readonly ProtocolMessage[] | null {
    if (message.type === 'hybridAppend' && this.#victims.has(to)) return [this.forked(message)]
    const what = random()
    if (what < 0.04) return []
    if (what > 0.12) return null
    switch (message.type) {
      case 'hybridAck':
        return message.ack === null ? null : [{ ...message, ack: this.#lies.other(message.ack) }]
      case 'hybridHeld':
        return message.held === null ? null : [{ ...message, held: this.#lies.other(message.held) }]
      case 'hybridGrant':
        return message.grant === null ? null : [{ ...message, grant: this.#lies.other(message.grant) }]
      case 'hybridHistory':
        return what < 0.08 ? [] : [{ ...message, history: this.forgetful(message.history) }]
      case 'hybridEntries':
      case 'hybridHandOver':
        return []
      case 'hybridVoteRequest':
        return [{ ...message, request: { ...message.request, term: term(message.request.term + 3), transfer: true } }]
      case 'heartbeat':
        return [{ ...message, commitIndex: logIndex(message.commitIndex + 1000), acknowledgedIndex: logIndex(9999) }]
      case 'heartbeatReply':
        return [{ ...message, term: term(message.term + 7) }]
      default:
        return null
    }
  }
}
