/**
 * Checkpoints of a hybrid Raft epoch (R9): at the same indexes every member signs the digest of its state,
 * as in PBFT. What a quorum signed alike is on what the log may be compacted, and what a member that lacks
 * more than the log holds is given: a snapshot with that certificate, and nothing without it.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { type Certificate, encodeCertificate } from '../../bft/certificate.js'
import { checkpointStatement } from '../../bft/checkpoints.js'
import { type SignedStatement, sameStatement } from '../../bft/statement.js'
import type { Input } from '../../core.js'
import type { LogIndex, Millis, NodeId } from '../../types.js'
import type { HybridCheckpoint } from '../messages.js'
import { quorumProblem, type RaftEpoch } from '../positions.js'
import { others } from './counting.js'
import { tell } from './offers.js'
import type { HardenedState, Out } from './state.js'
import { stepCore } from './stepping.js'

/** Own checkpoints that are remembered, to say them again. */
const OWN_MAX = 4
/** Digests of the own state that wait for a certificate. */
const DIGESTS_MAX = 64
/** A checkpoint that is not stable yet is told again this often. */
const REPEAT_MS: Millis = 1000

/** When the own newest checkpoint is told again; undefined where a quorum says the same. */
export function checkpointDueMs({ states }: HardenedState): Millis | undefined {
  const newest = states.own.at(-1)
  return newest === undefined || newest.sequence <= states.book.stableIndex ? undefined : states.repeatMs
}

export function repeatCheckpoint(raft: HardenedState, out: Out): void {
  const due = checkpointDueMs(raft)
  const own = raft.states.own.at(-1)
  if (due === undefined || own === undefined || raft.now.monotonicMs < due) return
  raft.states.repeatMs = raft.now.monotonicMs + REPEAT_MS
  for (const to of others(raft)) tell(raft, to, { own }, out)
}

/** The driver computed the digest of the own state at `index`. */
export function noteDigest(raft: HardenedState, index: LogIndex, digest: Uint8Array, out: Out): void {
  const { states, rules, modules, options } = raft
  const { epoch, self } = options
  const hash = modules.shadow.chainAt(index)
  if (hash === undefined || index <= epoch.origin.index) return
  states.digests.set(index, digest)
  if (states.digests.size > DIGESTS_MAX) states.digests.delete(states.digests.keys().next().value as number)
  const { stable } = states.book
  if (stable?.statement.sequence === index) compare(raft, stable, out)
  const newest = states.own.at(-1)?.sequence ?? 0
  if (states.hasDiverged || !epoch.replicas.has(self) || !raft.core.status().mayVote || index <= newest) return
  const vote = rules.checkpoint(checkpointStatement({ mode: 'raft', epoch: epoch.epoch, index }, digest, hash))
  states.own = [...states.own, vote].slice(-OWN_MAX)
  raft.standing.hasChanged = true
  states.repeatMs = raft.now.monotonicMs + REPEAT_MS
  for (const to of others(raft)) tell(raft, to, { own: vote }, out)
  const certificate = states.book.note(vote)
  if (certificate !== null) becomeStable(raft, certificate, out)
}

/** What is wrong with a member's checkpoint, or with a certificate of checkpoints; null when nothing is. */
export function checkpointProblem(epoch: RaftEpoch, from: NodeId, message: HybridCheckpoint): string | null {
  const { own, certificate, snapshot, commit } = message
  if (own !== null && (own.signer !== from || !isCheckpoint(epoch, own))) return 'no checkpoint of its sender'
  if (certificate !== null && !isCheckpoint(epoch, certificate.statement)) return 'no checkpoint of this epoch'
  if (commit !== null) {
    const problem = quorumProblem(epoch, 'ack', commit)
    if (problem !== null) return problem
  }
  if (snapshot === null) return null
  if (certificate === null || commit === null) return 'a snapshot that nobody signed'
  const { sequence, extra } = certificate.statement
  const { index, chain } = snapshot.base
  const isIts = sequence === index && bytesEqual(extra, chain) && commit.statement.sequence >= index
  return isIts ? null : 'the certificates are of another state'
}

function isCheckpoint(epoch: RaftEpoch, statement: SignedStatement | Certificate['statement']): boolean {
  const { sequence, digest, extra } = statement
  const place = { mode: 'raft', epoch: epoch.epoch, index: sequence as LogIndex } as const
  return sequence > epoch.origin.index && sameStatement(statement, checkpointStatement(place, digest, extra))
}

/** Verified: a member's checkpoint, or the newest that a quorum signed. */
export function receiveCheckpoint(raft: HardenedState, from: NodeId, message: HybridCheckpoint, out: Out): void {
  const { book } = raft.states
  const { own, certificate } = message
  if (certificate !== null && book.adopt(certificate) !== null) becomeStable(raft, certificate, out)
  if (own === null) return
  raft.modules.onStatement(own)
  if (book.stable !== null && own.sequence <= book.stableIndex) {
    tell(raft, from, { certificate: book.stable }, out)
    return
  }
  const made = book.note(own)
  if (made !== null) becomeStable(raft, made, out)
}

function becomeStable(raft: HardenedState, certificate: Certificate, out: Out): void {
  const { states, modules, standing } = raft
  const { sequence, digest } = certificate.statement
  const index = sequence as LogIndex
  standing.hasChanged = true
  out.push({ type: 'checkpointStable', index, stateDigest: digest, certificate: encodeCertificate(certificate) })
  compare(raft, certificate, out)
  for (const known of states.digests.keys()) if (known < index) states.digests.delete(known)
  if (modules.snapshots.certified(certificate)) takeSigned(raft, out)
}

function compare(raft: HardenedState, { statement }: Certificate, out: Out): void {
  const { states } = raft
  const index = statement.sequence as LogIndex
  const own = states.digests.get(index)
  if (own === undefined || states.hasDiverged) return
  if (bytesEqual(own, statement.digest)) {
    states.agreedIndex = index
    return
  }
  states.hasDiverged = true
  out.push({ type: 'diverged', index, agreedIndex: states.agreedIndex })
}

/** The own state was snapshotted. It counts for others, and for the log, once a quorum signed that state. */
export function noteTaken(raft: HardenedState, taken: Extract<Input, { type: 'snapshotTaken' }>, out: Out): void {
  const { states, modules } = raft
  states.compactTo = taken.compactTo
  if (modules.snapshots.taken(taken.snapshot)) takeSigned(raft, out)
  else compactIfCovered(raft, out)
}

function takeSigned(raft: HardenedState, out: Out): void {
  const { newest } = raft.modules.snapshots
  if (newest === null) return
  raft.standing.hasChanged = true
  stepCore(raft, { type: 'snapshotTaken', snapshot: newest.snapshot, compactTo: null }, out)
  compactIfCovered(raft, out)
}

/**
 * Lets go of what a signed snapshot covers, and never of what lies above the highest commit certificate:
 * votes and histories begin there.
 */
function compactIfCovered(raft: HardenedState, out: Out): void {
  const { states, modules, standing, options } = raft
  const { compactTo } = states
  const { newest } = modules.snapshots
  if (compactTo === null || newest === null || compactTo.index > newest.snapshot.base.index) return
  const isCovered = compactTo.index <= standing.certified.index && standing.holds(standing.certified)
  if (!isCovered || compactTo.index > raft.durable) return
  states.compactTo = null
  if (compactTo.index <= modules.shadow.base.index || compactTo.index < options.epoch.origin.index) return
  standing.hasChanged = true
  stepCore(raft, { type: 'snapshotTaken', snapshot: newest.snapshot, compactTo }, out)
}
