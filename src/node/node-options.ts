/**
 * What a node is made with: the ports through which it reaches everything outside of the process, and its own
 * settings. The production start and the simulator fill in both.
 */
import type { Sha256 } from '../consensus/entry.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { MakeMachine } from './execution.js'
import type { NodeLimits } from './limits.js'
import type { SelfKnowledge } from './node-status.js'
import type {
  ClientListener,
  Clock,
  DiskGauge,
  EvidenceStore,
  Logger,
  LogStore,
  PeerLinks,
  Random,
  Scheduler,
  SignatureVerifier,
  SnapshotLinks,
  SnapshotStore,
  StateStore,
  StepStore,
} from './ports.js'

export interface NodePorts {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: Random
  readonly peers: PeerLinks
  readonly clients: ClientListener
  readonly log: LogStore
  readonly state: StateStore
  readonly snapshots: SnapshotStore
  readonly snapshotLinks: SnapshotLinks
  readonly logger: Logger
  readonly sha256: Sha256
  /** Checks signatures, where members or clients sign; null in plain Raft, where links authenticate. */
  readonly verifier: SignatureVerifier | null
  readonly evidence: EvidenceStore
  readonly epochs: StepStore
  /** Its limits are kept; there are none where it is absent. */
  readonly disk?: DiskGauge
  /** Told what happens; nobody where it is absent. */
  readonly observer?: Observer
}

export interface NodeOptions {
  readonly self: NodeId
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly configHash: Uint8Array
  readonly zone: string
  readonly version: string
  /** How long a Byzantine epoch lasts at least; null where the mode never changes. */
  readonly residencyMs: Millis | null
  readonly electionTimeoutMinMs: Millis
  /** In how many zones an entry is held before it is committed; null for any. */
  readonly commitZones: number | null
  readonly limits: NodeLimits
  readonly makeMachine: MakeMachine
  /** Ed25519 with this node's key, 64 bytes; here it signs receipts and nothing else. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** What telemetry knows of this node, for its status; nothing where it is absent. */
  readonly selfKnowledge?: () => SelfKnowledge
  /** Called once when the node cannot go on: a write failed, or an invariant broke. */
  readonly onFatal: (error: unknown) => void
}
