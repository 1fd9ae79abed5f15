/** Real transports on 127.0.0.1 for the tests of this folder: keys, a configuration, recorded log lines. */
import { createServer } from 'node:net'
import type { ErrorCode } from '../../src/base/error-codes.js'
import type { ClusterConfiguration } from '../../src/consensus/configuration.js'
import { DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import { epoch, logIndex, nodeId, term } from '../../src/consensus/types.js'
import { type KeyPair, keyPairOfSeed } from '../../src/crypto/keys.js'
import type { Logger, LogLevel, PeerHello } from '../../src/node/ports.js'
import { openTransport, type Transport, type TransportOptions } from '../../src/transport/transport.js'

export const CLUSTER_ID = new Uint8Array(16).fill(1)
export const CONFIG_HASH = new Uint8Array(32).fill(2)

export interface LogLine {
  readonly level: LogLevel
  readonly event: string
  readonly fields: Readonly<Record<string, string | number | boolean | null>>
}

export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = []
  log(level: LogLevel, event: string, fields: LogLine['fields'] = {}): void {
    this.lines.push({ level, event, fields })
  }
  refusals(): string[] {
    return this.lines.filter((line) => line.event === 'refused a connection').map((line) => String(line.fields.code))
  }
}

export function key(seed: number): Promise<KeyPair> {
  return keyPairOfSeed(new Uint8Array(32).fill(seed))
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

export interface Members {
  readonly configuration: ClusterConfiguration
  readonly keys: readonly KeyPair[]
}

/** A configuration of `count` members n1 … and one client key (seed 100). */
export async function members(count: number): Promise<Members> {
  const ports = await freePorts(count)
  const keys = await Promise.all(ports.map((_, i) => key(i + 1)))
  const listed = keys.map(({ publicKey }, i) => ({
    id: nodeId(`n${i + 1}`),
    publicKey,
    address: `127.0.0.1:${ports[i]}`,
    zone: 'local',
  }))
  const configuration: ClusterConfiguration = {
    clusterId: CLUSTER_ID,
    protocol: 'raft',
    genesis: listed,
    members: listed,
    clients: [{ id: 'admin', publicKey: (await key(100)).publicKey, role: 'admin' }],
    settings: DEFAULT_SETTINGS,
  }
  return { configuration, keys }
}

export function helloOf(id: string): PeerHello {
  return {
    nodeId: nodeId(id),
    incarnation: new Uint8Array(16).fill(9),
    epoch: epoch(0),
    term: term(3),
    lastIndex: logIndex(7),
  }
}

/** Opens the transport of member number `i` (from 0). */
export function open(
  setup: Members,
  i: number,
  logger: Logger,
  overrides: Partial<TransportOptions> = {},
): Promise<Transport> {
  const member = setup.configuration.members[i]
  const pair = setup.keys[i]
  if (member === undefined || pair === undefined) throw new Error(`no member ${i}`)
  const known = new Set(setup.configuration.clients.map((client) => Buffer.from(client.publicKey).toString('hex')))
  return openTransport({
    nodeId: member.id,
    configuration: setup.configuration,
    configHash: CONFIG_HASH,
    key: pair,
    hello: () => helloOf(member.id),
    admitPeer: (): ErrorCode | null => null,
    admitClient: (publicKey): ErrorCode | null =>
      known.has(Buffer.from(publicKey).toString('hex')) ? null : 'UnknownKey',
    random: Math.random,
    logger,
    ...overrides,
  })
}
