/** `status --digest-at INDEX`: the same picture with the digests that the members kept for one index. */
import { hasCode, type KnhkError } from '../base/error.js'
import type { CallOptions, Client, ClusterStatus, NodeStatus } from '../client/api.js'

/**
 * A member that has no digest for `index` shows null there. Throws `NotFound` when none has one.
 */
export async function statusWithDigestsAt(
  client: Client,
  status: ClusterStatus,
  index: number,
  call: CallOptions,
): Promise<ClusterStatus> {
  let missing: KnhkError | null = null
  const nodes = await Promise.all(
    status.nodes.map(async (node): Promise<NodeStatus> => {
      const none = { ...node, stateDigest: null, dataDigest: null, digestIndex: null }
      if (!node.reachable) return none
      try {
        const { value } = await client.query('digest.at', { index }, { ...call, read: 'local', node: node.id })
        const { stateDigest, dataDigest } = value as { stateDigest: string; dataDigest: string }
        return { ...node, stateDigest, dataDigest, digestIndex: index }
      } catch (error) {
        if (!hasCode(error, 'NotFound')) throw error
        missing = error
        return none
      }
    }),
  )
  if (missing !== null && nodes.every((node) => node.digestIndex === null)) throw missing
  return { ...status, nodes }
}
