/** The client library: `connectClient` and the types of `api.ts`. */
import { dialNode } from '../transport/dial.js'
import type { ClientOptions } from './api.js'
import { Channel } from './channel.js'
import { ClusterClient } from './client.js'
import { Links } from './links.js'
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
  const channel = new Channel(
    (handlers) =>
      new Links({
        configuration,
        ...(options.endpoints === undefined ? {} : { endpoints: options.endpoints }),
        ...handlers,
        dial: (member, timeoutMs) =>
          dialNode({
            address: member.address,
            alpn: 'knhk-client/1',
            key,
            expected: { publicKey: member.publicKey, clusterId: configuration.clusterId, nodeId: member.id },
            timeoutMs,
          }),
      }),
  )
  return new ClusterClient(channel, {
    clientKey: key.publicKey,
    protocol: configuration.protocol,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    trace: traceBytes(options.traceparent),
  })
}
