/** What a run has to know of the protocol: what is promised, who has to be healed, and when a cluster is well. */
import type { Millis, NodeId } from '../consensus/types.js'
import type { RunInvariants } from './invariants.js'
import type { SimulatedNode } from './node.js'

export interface RunRules {
  readonly invariants: RunInvariants
  /** How long a healed cluster takes at most until it leads, serves, and is of one state. */
  readonly limitsMs: { readonly lead: Millis; readonly serve: Millis; readonly converge: Millis }
  /** A data centre goes, with all these nodes. */
  zoneGoes?(nodes: readonly SimulatedNode[]): void
  /** Whether these nodes decide under every configuration that may be in force. */
  isQuorum(nodes: readonly NodeId[]): boolean
  /** Grows whenever others may have become necessary. */
  readonly version: number
  /** As few of these nodes, in this order, as decide under every configuration that may be in force. */
  coreOf(ordered: readonly SimulatedNode[]): SimulatedNode[]
  /** Faults may end: liars take up what they do to the end. */
  settle(): void
  /** Everybody who has a disk is whole and at the same place; `digestIndexes` as nodes last said. */
  isConverged(digestIndexes: ReadonlyMap<SimulatedNode, number>): boolean
  /** A client signed a request. */
  issued(request: Uint8Array): void
  /** A member answered a request of a client of a Byzantine cluster. */
  answered(by: NodeId, request: string, payload: Uint8Array): void
  /** For people: where everybody stands. */
  describe(): string
}
