/**
 * Puts a node together from its parts: core, state machine, loop. The production start and the
 * simulator both come through here, so what is simulated is what runs.
 */
import { type ClusterConfiguration, hashConfiguration } from '../consensus/configuration.js'
import type { Sha256 } from '../consensus/entry.js'
import type { Membership } from '../consensus/membership.js'
import { DEFAULT_RAFT_LIMITS, type RaftLimits } from '../consensus/raft/config.js'
import { RaftCore } from '../consensus/raft/core.js'
import type { NodeId } from '../consensus/types.js'
import { hashHandlers } from '../workflow/handlers.js'
import { KV_HANDLERS } from '../workflow/kv.js'
import { WorkflowMachine } from '../workflow/machine.js'
import { SYSTEM_FROM, SYSTEM_TO } from '../workflow/state-keys.js'
import type { MakeMachine } from './execution.js'
import { DEFAULT_NODE_LIMITS, type NodeLimits } from './limits.js'
import { NodeLoop, type NodePorts } from './loop.js'

export interface ComposeOptions {
  readonly configuration: ClusterConfiguration
  readonly self: NodeId
  readonly version: string
  readonly limits?: Partial<NodeLimits>
  readonly raftLimits?: Partial<RaftLimits>
  readonly onFatal: (error: unknown) => void
}

export interface ComposedNode {
  readonly loop: NodeLoop
  readonly core: RaftCore
  /** As it is now: a snapshot replaces it. */
  readonly machine: WorkflowMachine
}

/** Hash of what all members have to agree on, the state machine's handlers included. */
export function configurationHash(sha256: Sha256, configuration: ClusterConfiguration): Uint8Array {
  return hashConfiguration(sha256, configuration, hashHandlers(sha256, KV_HANDLERS))
}

/** The configuration before the first entry: every genesis member votes. */
function genesisOf({ genesis }: ClusterConfiguration): Membership {
  const settled = { role: 'voter', wasVoter: false, promote: false } as const
  return { joint: false, members: genesis.map((member) => ({ ...member, ...settled })) }
}

/** Restores the state machine from the store and the core from the log. The loop is not started. */
export async function composeNode(options: ComposeOptions, ports: NodePorts): Promise<ComposedNode> {
  const { configuration, self } = options
  const { log, state, clock, random, sha256 } = ports
  const configHash = configurationHash(sha256, configuration)
  const makeMachine: MakeMachine = (appliedIndex, system) =>
    new WorkflowMachine({ genesis: configuration, appliedIndex, system }, { state, handlers: KV_HANDLERS })
  const machine = makeMachine(state.appliedIndex, await state.range(SYSTEM_FROM, SYSTEM_TO))
  const core = new RaftCore(
    {
      self,
      genesis: genesisOf(configuration),
      clusterId: configuration.clusterId,
      configHash,
      settings: configuration.settings,
      limits: { ...DEFAULT_RAFT_LIMITS, ...options.raftLimits },
    },
    { sha256, random, restored: log.restored, now: { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() } },
  )
  const loop = new NodeLoop(
    {
      self,
      clusterId: configuration.clusterId,
      configHash,
      makeMachine,
      zone: configuration.members.find((member) => member.id === self)?.zone ?? '',
      version: options.version,
      electionTimeoutMinMs: configuration.settings.electionTimeoutMinMs,
      limits: { ...DEFAULT_NODE_LIMITS, ...options.limits },
      onFatal: options.onFatal,
    },
    ports,
    core,
    machine,
  )
  return {
    loop,
    core,
    get machine() {
      return loop.machine
    },
  }
}
