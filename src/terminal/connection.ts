/**
 * A connection of a command to its cluster: the client, and what it was told to connect to.
 */
import type { ClusterClient } from '../client/index.js'
import type { Target, TargetChoice } from '../cluster/target.js'
import type { Environment } from '../cluster/user-directories.js'

export interface Connection {
  readonly client: ClusterClient
  readonly target: Target
  close(): Promise<void>
}

/** Resolves the target, reads its files and makes a client; nothing is dialled yet. */
export async function openConnection(
  choice: TargetChoice,
  environment: Environment,
  timeoutMs?: number,
): Promise<Connection> {
  const { resolveTarget } = await import('../cluster/target.js')
  const target = await resolveTarget(choice, environment)
  const [{ connectClient }, { loadKeyPair }] = await Promise.all([
    import('../client/index.js'),
    import('../crypto/key-files.js'),
  ])
  const key = await loadKeyPair(target.keyPath)
  const client = await connectClient({
    configuration: target.configuration,
    key,
    ...(target.endpoints === null ? {} : { endpoints: target.endpoints }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(environment.TRACEPARENT === undefined ? {} : { traceparent: environment.TRACEPARENT }),
  })
  return { client, target, close: () => client.close() }
}
