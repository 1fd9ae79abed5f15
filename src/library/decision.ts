/** What a cluster decided about a proposal, and what proves it. */
import type { CallOptions } from '../client/api.js'
import type { LocalNode } from './local-node.js'
import type { ConsensusResult } from './proposer.js'

export interface Decision extends ConsensusResult {
  /**
   * The proof beside the entry in the log of this node: q signatures under a PBFT decision, the chain of certified
   * blocks under HotStuff. A quorum certificate is not unique: another node may hold other signatures. Null where the
   * node took the entry over inside a snapshot.
   */
  readonly certificate: Uint8Array | null
  /** chain(index): binds the entry to everything before it, 32 bytes; null where the node has no entry there. */
  readonly chain: Uint8Array | null
}

/** Waits until the node has applied what was decided, and takes the proof from its log. Throws as `waitForCommit`. */
export async function provenBy(node: LocalNode, result: ConsensusResult, options: CallOptions): Promise<Decision> {
  await node.waitForCommit(result.index, options)
  const entry = await node.entry(result.index)
  return { ...result, certificate: entry?.certificate ?? null, chain: entry?.chain ?? null }
}
