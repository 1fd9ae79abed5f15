/**
 * Puts a node together from its parts: core, state machine, loop. The production start and the
 * simulator both come through here, so what is simulated is what runs.
 */
import { KnhkError } from '../base/error.js'
import { type ClusterConfiguration, hashConfiguration, residencyOf } from '../consensus/configuration.js'
import type { Core } from '../consensus/core.js'
import type { Sha256 } from '../consensus/entry.js'
import type { NodeId } from '../consensus/types.js'
import { Verifier } from '../crypto/verifier.js'
import { type CustomOperation, customHandler } from '../workflow/custom-handlers.js'
import { type Handler, hashHandlers } from '../workflow/handlers.js'
import { KV_HANDLERS } from '../workflow/kv.js'
import { type MachineOptions, WorkflowMachine } from '../workflow/machine.js'
import type { RuleType } from '../workflow/policies/rule-types.js'
import { MEMBERS_ROLE } from '../workflow/roles.js'
import { SYSTEM_FROM, SYSTEM_TO } from '../workflow/state-keys.js'
import { keptLinks } from './epoch-steps.js'
import type { MakeMachine } from './execution.js'
import { DEFAULT_NODE_LIMITS, type NodeLimits } from './limits.js'
import { NodeLoop } from './loop.js'
import { type CoreLimits, makeCore } from './make-core.js'
import type { NodePorts } from './node-options.js'
import type { SelfKnowledge } from './node-status.js'

/** What a program that embeds the engine adds to the state machine; all nodes of a cluster have the same. */
export interface Extensions {
  readonly operations?: readonly CustomOperation[]
  /** For rules of type Custom. */
  readonly ruleTypes?: readonly RuleType[]
}

export interface ComposeOptions {
  readonly configuration: ClusterConfiguration
  readonly self: NodeId
  readonly version: string
  readonly limits?: Partial<NodeLimits>
  readonly coreLimits?: CoreLimits
  /** Ed25519 with this node's key, 64 bytes. Plain Raft signs nothing but receipts. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  readonly extensions?: Extensions
  readonly selfKnowledge?: () => SelfKnowledge
  readonly onFatal: (error: unknown) => void
}

export interface ComposedNode {
  readonly loop: NodeLoop
  readonly core: Core
  /** As it is now: a snapshot replaces it. */
  readonly machine: WorkflowMachine
}

/** Hash of what all members have to agree on, the state machine's handlers included. */
export function configurationHash(
  sha256: Sha256,
  configuration: ClusterConfiguration,
  extensions: Extensions = {},
): Uint8Array {
  const handlers = hashHandlers(sha256, handlersOf(extensions), extensions.ruleTypes)
  return hashConfiguration(sha256, configuration, handlers)
}

function handlersOf({ operations = [] }: Extensions): readonly Handler[] {
  return [...KV_HANDLERS, ...operations.map(customHandler)]
}

/** Only a snapshot that others certified can take the place of a state that is gone. */
function requireCertified({ protocol }: ClusterConfiguration): void {
  if (protocol === 'pbft' || protocol === 'hotstuff') return
  throw new KnhkError('DataDirectoryLost', 'the applied state and the snapshots it could be loaded from are gone', {
    hint: 'This member cannot go on from its own disk: replace it (`knhk cluster members replace`).',
  })
}

/** What the state machine begins with; who the members are counts where they may be accused. */
function foundedBy(configuration: ClusterConfiguration): MachineOptions['genesis'] {
  const { clusterId, clients, protocol } = configuration
  return protocol === 'hybrid' ? configuration : { clusterId, clients }
}

/** Restores the state machine from the store and the core from the log. The loop is not started. Throws `DataDirectoryLost`. */
export async function composeNode(options: ComposeOptions, ports: NodePorts): Promise<ComposedNode> {
  const { configuration, self } = options
  const { log, state, clock, random, sha256 } = ports
  const extensions = options.extensions ?? {}
  const configHash = configurationHash(sha256, configuration, extensions)
  const signatures = new Verifier()
  const makeMachine: MakeMachine = (appliedIndex, system) =>
    new WorkflowMachine(
      { genesis: foundedBy(configuration), appliedIndex, system },
      { state, sha256, signatures, handlers: handlersOf(extensions), ruleTypes: extensions.ruleTypes ?? [] },
    )
  const machine = makeMachine(state.appliedIndex, await state.range(SYSTEM_FROM, SYSTEM_TO))
  const stateLost = state.appliedIndex < log.restored.base.index
  const snapshotIds = ports.snapshots.list().map(({ id }) => id)
  if (stateLost) requireCertified(configuration)
  const limits = { ...DEFAULT_NODE_LIMITS, ...options.limits }
  const { checkpointInterval } = limits
  const links = configuration.protocol === 'hybrid' ? await keptLinks(ports.epochs) : []
  const core = makeCore(
    { configuration, self, configHash, checkpointInterval, limits: options.coreLimits ?? {} },
    {
      sha256,
      sign: options.sign,
      mayChangeMembers: (key) => loop.machine.roleOf(key) === MEMBERS_ROLE,
      liveCulprits: () => loop.machine.threats.culprits,
      links,
      random,
      restored: { ...log.restored, snapshotIds, ...(stateLost ? { stateLost } : {}) },
      now: { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() },
    },
  )
  const loop: NodeLoop = new NodeLoop(
    {
      self,
      clusterId: configuration.clusterId,
      configHash,
      makeMachine,
      sign: options.sign,
      zone: configuration.members.find((member) => member.id === self)?.zone ?? '',
      version: options.version,
      residencyMs: configuration.protocol === 'hybrid' ? residencyOf(configuration.settings) : null,
      electionTimeoutMinMs: configuration.settings.electionTimeoutMinMs,
      commitZones: configuration.settings.commitZones,
      limits,
      ...(options.selfKnowledge === undefined ? {} : { selfKnowledge: options.selfKnowledge }),
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
