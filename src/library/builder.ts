/** Puts the configuration of a cluster together piece by piece, for programs that have the pieces in several places. */
import { KnhkError } from '../base/error.js'
import type { ClientKey } from '../client/api.js'
import type { ClientConfiguration } from '../consensus/configuration.js'
import type { Logger } from '../node/ports.js'
import type { HttpAddress } from '../node/start.js'
import type { ConsensusConfig, PeerConfig } from './config.js'
import type { ReplicatedStateMachine } from './state-machine.js'

const REQUIRED = ['nodeId', 'peers', 'key', 'dataDir', 'clients', 'clientKey'] as const

/** Each method sets one field of the configuration and returns the builder; `ConsensusConfig` says what they mean. */
export class ClusterBuilder<Config extends ConsensusConfig, Cluster> {
  readonly #start: (config: Config) => Promise<Cluster>
  #config: Partial<Config> = {}

  constructor(start: (config: Config) => Promise<Cluster>) {
    this.#start = start
  }

  nodeId(nodeId: string): this {
    return this.#with({ nodeId })
  }

  peers(peers: readonly PeerConfig[]): this {
    return this.#with({ peers })
  }

  key(key: ClientKey): this {
    return this.#with({ key })
  }

  dataDir(dataDir: string): this {
    return this.#with({ dataDir })
  }

  clients(clients: readonly ClientConfiguration[]): this {
    return this.#with({ clients })
  }

  clientKey(clientKey: ClientKey): this {
    return this.#with({ clientKey })
  }

  clusterName(clusterName: string): this {
    return this.#with({ clusterName })
  }

  stateMachine(stateMachine: ReplicatedStateMachine): this {
    return this.#with({ stateMachine })
  }

  listen(listen: string): this {
    return this.#with({ listen })
  }

  http(http: HttpAddress): this {
    return this.#with({ http })
  }

  logger(logger: Logger): this {
    return this.#with({ logger })
  }

  timeoutMs(timeoutMs: number): this {
    return this.#with({ timeoutMs })
  }

  /** What the protocol adds, and whole pieces of configuration. */
  options(options: Partial<Config>): this {
    this.#config = { ...this.#config, ...options }
    return this
  }

  /** What was said so far. */
  get said(): Readonly<Partial<Config>> {
    return this.#config
  }

  /** Starts the node. Throws `InvalidArgument` where something is not said, and what the cluster's `start` documents. */
  async start(): Promise<Cluster> {
    const missing = REQUIRED.filter((name) => this.#config[name] === undefined)
    if (missing.length > 0)
      throw new KnhkError('InvalidArgument', `a cluster needs ${missing.join(', ')}`, {
        details: { missing: missing.join(',') },
      })
    return this.#start(this.#config as Config)
  }

  #with(part: Partial<ConsensusConfig>): this {
    this.#config = { ...this.#config, ...part }
    return this
  }
}
