/** The client library: `connectClient` and the types of `api.ts`. */
import { importPrivateKey, sign } from '../crypto/keys.js'
import { dialNode } from '../transport/dial.js'
import type { ClientOptions } from './api.js'
import type { ClusterClient } from './client.js'
import { clientOver } from './client-over.js'

export type * from './api.js'
export { ClusterClient } from './client.js'
export { ClientSession } from './session.js'

/**
 * Makes a client. Nothing is dialled before the first call needs it. Throws `InvalidArgument` when the
 * endpoints name no member.
 */
export async function connectClient(options: ClientOptions): Promise<ClusterClient> {
  const { configuration, key, endpoints, timeoutMs, traceparent } = options
  const { clusterId } = configuration
  return clientOver({
    configuration,
    endpoints,
    timeoutMs,
    traceparent,
    clientKey: key.publicKey,
    signer: () => {
      const { privateKey } = importPrivateKey(key.privateKeyPem)
      return (bytes) => sign(privateKey, bytes)
    },
    dial: (member, dialTimeoutMs, signal) =>
      dialNode({
        address: member.address,
        alpn: 'knhk-client/1',
        key,
        expected: { publicKey: member.publicKey, clusterId, nodeId: member.id },
        timeoutMs: dialTimeoutMs,
        signal,
      }),
  })
}
