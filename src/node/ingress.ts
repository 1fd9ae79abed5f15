/**
 * The verification stage between the links and the core: what a message claims is checked here, so
 * that a core never parses a body. Before it spends a verification it asks the core's `interest`.
 *
 * In plain Raft it lets everything through: the links authenticate the sender and protect every byte
 * on the way, the journal protects every byte on the disk, and a leader is trusted by the fault model.
 * `knhk log verify` recomputes each body's digest. Client signatures and bodies of untrusted leaders
 * are checked here when the Byzantine protocols join (docs/decisions/0004-ingress-in-plain-raft.md).
 */
import type { Core, ProtocolMessage } from '../consensus/core.js'
import type { NodeId } from '../consensus/types.js'

/** True when the message may go to the core now. */
export function admit(core: Core, from: NodeId, message: ProtocolMessage): boolean {
  return core.interest(from, message) !== 'drop'
}
