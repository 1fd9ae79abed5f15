/**
 * A client over links of any kind: one channel for clusters whose members are believed, another for those
 * where f of them may lie. `connectClient` gives it TLS links and an Ed25519 key.
 */
import type { ClusterConfiguration } from '../consensus/configuration.js'
import { Channel, type LinkHandlers } from './channel.js'
import { ClusterClient } from './client.js'
import { type DialMember, Links } from './links.js'
import { QuorumChannel } from './quorum-channel.js'
import { traceBytes } from './trace-bytes.js'

export interface ClientOverOptions {
  readonly configuration: ClusterConfiguration
  /** Only talk to these members; all when absent. */
  readonly endpoints?: readonly string[] | undefined
  readonly dial: DialMember
  /** Raw public key, 32 bytes. */
  readonly clientKey: Uint8Array
  /** Makes what signs with that key, 64 bytes; asked for only where requests are signed. */
  readonly signer: () => (bytes: Uint8Array) => Uint8Array
  /** Default deadline of every call; 10,000. */
  readonly timeoutMs?: number | undefined
  readonly traceparent?: string | undefined
}

const DEFAULT_TIMEOUT_MS = 10_000

/** Nothing is dialled before the first call needs it. Throws `InvalidArgument` when the endpoints name no member. */
export function clientOver(options: ClientOverOptions): ClusterClient {
  const { configuration, endpoints, dial, clientKey, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  const { clusterId, protocol } = configuration
  const byzantine = protocol !== 'raft'
  const makeLinks = (handlers: LinkHandlers) =>
    new Links({ configuration, ...(endpoints === undefined ? {} : { endpoints }), byzantine, dial, ...handlers })
  const channel = byzantine
    ? new QuorumChannel(makeLinks, { clusterId, clientKey, sign: options.signer() })
    : new Channel(makeLinks)
  return new ClusterClient(channel, { clientKey, protocol, timeoutMs, trace: traceBytes(options.traceparent) })
}
