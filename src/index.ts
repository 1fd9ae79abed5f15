/** The public names of knhk; docs/library.md shows how they are used. */

export { type ErrorDetails, hasCode, KnhkError, KnhkError as ConsensusError } from './base/error.js'
export { ERROR_CODES, type ErrorCode } from './base/error-codes.js'
export { type BenchOptions, type BenchReport, runBench } from './client/bench.js'
export { type Change, type ChangesOptions, watchChanges } from './client/changes.js'
export {
  type CallOptions,
  type Client,
  type ClientKey,
  type ClientOptions,
  type ClusterStatus,
  connectClient,
  type NodeStatus,
  type Position,
  type QueryAnswer,
  type QueryOptions,
  type ReadLevel,
  type Session,
  type SettledOperation,
} from './client/index.js'
export { formatClusterFile, parseClusterFile } from './cluster/cluster-file.js'
export type {
  ClientConfiguration,
  ClientRole,
  ClusterConfiguration,
  ClusterSettings,
  MemberConfiguration,
} from './consensus/configuration.js'
export type { Core, CoreStatus, Effect, HardState, Input, Now, RestoredLog, Role } from './consensus/core.js'
export type { Entry, EntryHeader, EntryKind } from './consensus/entry.js'
export type { ThreatLevel, ThreatReport } from './consensus/hybrid/threat-model.js'
export { RaftCore } from './consensus/raft/core.js'
export type {
  Assurance,
  Epoch,
  LogIndex,
  Mode,
  NodeId,
  ProtocolName,
  SequenceNumber,
  Term,
  ViewNumber,
} from './consensus/types.js'
export { loadKeyPair, writeKeyFiles } from './crypto/key-files.js'
export { generateKeyPair, type KeyPair } from './crypto/keys.js'
export { BftCluster, type BftConfig, type BftProtocol } from './library/bft-cluster.js'
export type { ClusterBuilder } from './library/builder.js'
export type { ConsensusConfig, PeerConfig } from './library/config.js'
export type { Decision } from './library/decision.js'
export type { EmbeddedCluster, Snapshot } from './library/embedded-cluster.js'
export { freeAddresses } from './library/free-addresses.js'
export {
  type HybridConfig,
  HybridConsensus,
  type HybridNode,
  type ThreatModel,
  type WatchedDecision,
} from './library/hybrid-consensus.js'
export type { BftNode, LocalNode, RaftNode, RaftRole } from './library/local-node.js'
export type { ConsensusResult } from './library/proposer.js'
export { RaftCluster, type RaftConfig } from './library/raft-cluster.js'
export { type OperationDefinition, ReplicatedStateMachine, type StateMachineOp } from './library/state-machine.js'
export type { Extensions } from './node/compose.js'
export { createLogger } from './node/logger.js'
export type { Logger, LogLevel } from './node/ports.js'
export { type HttpAddress, type RunningNode, type StartOptions, startNode } from './node/start.js'
export { SimulatedClient } from './simulator/client.js'
export { SimulatedCluster, type SimulatedClusterOptions } from './simulator/cluster.js'
export type { ConsensusMetrics } from './telemetry/consensus-metrics.js'
export {
  type CustomCall,
  type CustomOperation,
  customHandler,
  type HandlerState,
  reject,
} from './workflow/custom-handlers.js'
export { kvOperation } from './workflow/kv-codec.js'
export { WorkflowMachine } from './workflow/machine.js'
export { operationFromJson, operationToJson } from './workflow/operation-json.js'
export type { CaseState, KvOperation, Operation, OperationResult } from './workflow/operations.js'
export type { OverlayChange, OverlayOperation, OverlayPhase, OverlayScope } from './workflow/overlays/overlay.js'
export type { Approval, Quotas } from './workflow/policies/operation.js'
export type { DoctrineRule, Policy, PolicyElement, RuleConstraint } from './workflow/policies/policy.js'
export type { RuleSubject, RuleType } from './workflow/policies/rule-types.js'
