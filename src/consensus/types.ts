/**
 * Branded numbers and names shared by every protocol. The brands keep a term from being passed as an
 * index; they cost nothing at run time.
 */
declare const brand: unique symbol
type Branded<T, B extends string> = T & { readonly [brand]: B }

/** Name of a member, unique in its cluster: 1 to 64 of [a-z0-9-]. */
export type NodeId = Branded<string, 'NodeId'>
/** Raft term, 0 before the first election (Ongaro & Ousterhout, section 5.1). */
export type Term = Branded<number, 'Term'>
/** Position in the one log of all protocols; the first entry has index 1. */
export type LogIndex = Branded<number, 'LogIndex'>
/** PBFT view (Castro & Liskov, section 4.1). Never compared with a term. */
export type ViewNumber = Branded<number, 'ViewNumber'>
/** PBFT sequence number within an epoch. */
export type SequenceNumber = Branded<number, 'SequenceNumber'>
/** Counts protocol instances of one cluster: every switch starts the next epoch. Plain Raft stays at 0. */
export type Epoch = Branded<number, 'Epoch'>
/** Names one durable write; strictly increasing within a run of a node. */
export type WriteId = Branded<number, 'WriteId'>
/** Names one read round; never reused within a run of a node. */
export type ReadId = Branded<number, 'ReadId'>
/** Monotonic or wall-clock time in milliseconds. */
export type Millis = number

export const nodeId = (id: string): NodeId => id as NodeId
export const term = (value: number): Term => value as Term
export const logIndex = (value: number): LogIndex => value as LogIndex
export const epoch = (value: number): Epoch => value as Epoch
export const readId = (value: number): ReadId => value as ReadId

/** The protocol that decides right now. */
export type Mode = 'raft' | 'pbft' | 'hotstuff'
/** What a cluster is configured to run; `hybrid` contains two of the modes. */
export type ProtocolName = Mode | 'hybrid'
/**
 * What an answer rests on. `quorum`: durable on a crash quorum (plain Raft). `fast`, `certified`:
 * hybrid and BFT, see docs/consensus.
 */
export type Assurance = 'quorum' | 'fast' | 'certified'

/** Order of positions everywhere: epoch, then term, then index. Negative, zero or positive. */
export function comparePositions(
  a: { readonly epoch: Epoch; readonly term: Term; readonly index: LogIndex },
  b: { readonly epoch: Epoch; readonly term: Term; readonly index: LogIndex },
): number {
  return a.epoch - b.epoch || a.term - b.term || a.index - b.index
}
