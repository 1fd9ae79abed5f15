/** The client library: `connectClient` and the types of `api.ts`. */
import { importPrivateKey } from '../crypto/keys.js'
import { dialNode } from '../transport/dial.js'
import type { ClientKey, ClientOptions } from './api.js'
import { Channel, type LinkHandlers, type MakeLinks } from './channel.js'
import { ClusterClient } from './client.js'
import { Links } from './links.js'
import { QuorumChannel } from './quorum-channel.js'
import { traceBytes } from './trace-bytes.js'

export type * from './api.js'
export { ClusterClient } from './client.js'
export { ClientSession } from './session.js'

const DEFAULT_TIMEOUT_MS = 10_000

/**
 * Makes a client. Nothing is dialled before the first call needs it. Throws `InvalidArgument` when the
 * endpoints name no member.
 */
export async function connectClient(options: ClientOptions): Promise<ClusterClient> {
  const { configuration, key } = options
  const { clusterId } = configuration
  const isByzantine = configuration.protocol !== 'raft'
  const makeLinks = (handlers: LinkHandlers) =>
    new Links({
      configuration,
      ...(options.endpoints === undefined ? {} : { endpoints: options.endpoints }),
      byzantine: isByzantine,
      ...handlers,
      dial: (member, timeoutMs, signal) =>
        dialNode({
          address: member.address,
          alpn: 'knhk-client/1',
          key,
          expected: { publicKey: member.publicKey, clusterId, nodeId: member.id },
          timeoutMs,
          signal,
        }),
    })
  return new ClusterClient(isByzantine ? quorumChannel(makeLinks, clusterId, key) : new Channel(makeLinks), {
    clientKey: key.publicKey,
    protocol: configuration.protocol,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    trace: traceBytes(options.traceparent),
  })
}

function quorumChannel(makeLinks: MakeLinks, clusterId: Uint8Array, key: ClientKey): QuorumChannel {
  const { privateKey } = importPrivateKey(key.privateKeyPem)
  return new QuorumChannel(makeLinks, { clusterId, clientKey: key.publicKey, privateKey })
}
