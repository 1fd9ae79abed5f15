/**
 * Members that are epochs behind, and who joins: they ask where the cluster is, and get what ended their
 * epoch, or, where logs do not reach back to them, a snapshot of a later epoch with the links that lead
 * there. Who knows the members of its own epoch needs to believe nothing else: it walks the links to the
 * members that signed the snapshot, and goes on where that stands.
 */
import { assert } from '../../base/assert.js'
import { bytesEqual, toHex } from '../../base/bytes.js'
import { type Certificate, certificateChecks, certificateProblem } from '../bft/certificate.js'
import { checkpointStatement } from '../bft/checkpoints.js'
import type { SignatureCheck } from '../bft/checks.js'
import { stateBehind } from '../bft/hotstuff/beginning.js'
import { placeChecks } from '../bft/hotstuff/proof.js'
import type { InitBasis } from '../bft/init.js'
import { recordBehind } from '../bft/pbft/beginning.js'
import { sameStatement } from '../bft/statement.js'
import type { StoreRecord } from '../core.js'
import type { LogBase, SnapshotOffer } from '../snapshot.js'
import type { LogIndex, Millis, NodeId, Term } from '../types.js'
import { enterBy } from './entering.js'
import { contextOf, type EpochLink, walkLinks } from './epoch-links.js'
import type { EpochStart } from './epoch-record.js'
import { isJump } from './ingress.js'
import { handOverBasis, linkRules } from './inner.js'
import type { HybridCheckpoint } from './messages.js'
import type { HybridState } from './state.js'
import { statusOf } from './status.js'

/** A later place that this node is on its way to. */
export interface Jump {
  readonly from: NodeId
  readonly sinceMs: Millis
  readonly askedMs: Millis
  readonly snapshot: SnapshotOffer
  readonly certificate: Certificate
  readonly proof: Uint8Array | null
  readonly links: readonly EpochLink[]
  /** The present epoch, and those that the links lead to. */
  readonly epochs: readonly EpochStart[]
}

/** What an offer asks to fetch is asked for again this often, with the donor's next offers. */
const JUMP_REPEAT_MS: Millis = 1000
/** A donor has so long for a snapshot before another is asked. */
const JUMP_TIMEOUT_MS: Millis = 10_000
const BAD_DONORS_MAX = 64

/** Whether an offer is worth a verification. */
export function isAhead(state: HybridState, from: NodeId, message: HybridCheckpoint): boolean {
  const { released, jump, now, badDonors } = state
  const { snapshot, certificate, links } = message
  if (snapshot === null || certificate === null || snapshot.base.index <= released) return false
  if (isWithinLog(state, snapshot, links)) return false
  if (badDonors.has(donorKey(from, snapshot))) return false
  if (jump === null || now.monotonicMs - jump.sinceMs >= JUMP_TIMEOUT_MS) return true
  return jump.from === from && now.monotonicMs - jump.askedMs >= JUMP_REPEAT_MS
}

/**
 * Whether the own log goes on behind a snapshot of the same epoch: others count on what it holds there, and nothing of it
 * has to go. Entries of which not even the place is in memory any more are taken for the same.
 */
function isWithinLog({ shadow }: HybridState, { base }: SnapshotOffer, links: readonly EpochLink[]): boolean {
  if (links.length > 0 || base.index > shadow.lastIndex) return false
  const own = shadow.chainAt(base.index)
  return own === undefined || bytesEqual(own, base.chain)
}

function donorKey(from: NodeId, { id }: SnapshotOffer): string {
  return `${from}/${toHex(id)}`
}

/** The signatures in an offer of another epoch's state; null where it is unsound. Throws `ProtocolViolation`. */
export function checksOfJump(
  state: HybridState,
  { certificate, snapshot, proof, links }: HybridCheckpoint,
): readonly SignatureCheck[] | null {
  if (certificate === null || snapshot === null) return null
  const rules = linkRules(state.options, state.modules)
  const walk = walkLinks(rules, state.start, links)
  if (typeof walk === 'string') return null
  const { statement } = certificate
  const signedIn = walk.epochs.find(({ epoch }) => epoch === statement.epoch)
  const last = walk.epochs.at(-1) as EpochStart
  if (signedIn === undefined || statement.sequence < last.origin.index) return null
  const place = { mode: signedIn.mode, epoch: signedIn.epoch, index: snapshot.base.index }
  const { replicas, sign } = contextOf(rules, signedIn)
  if (!sameStatement(statement, checkpointStatement(place, statement.digest, snapshot.base.chain))) return null
  if (certificateProblem(replicas, certificate) !== null) return null
  const checks = [...walk.checks, ...certificateChecks(sign, replicas, certificate)]
  if (!isInside(last, snapshot)) return checks
  if (signedIn !== last) return null
  if (last.mode !== 'hotstuff') return checks
  // HotStuff begins in the middle of an epoch at a block, and by the certificate that decided it.
  const context = { sha256: rules.sha256, context: sign, replicas, commitRule: rules.settings.commitRule ?? 3 }
  const { index, timestampMs } = snapshot.base
  const proven = proof === null ? null : placeChecks(context, { index, timestampMs, epoch: last.epoch }, proof)
  return proven === null ? null : [...checks, ...proven]
}

/** Whether the epoch has begun before: in its middle. */
function isInside({ origin }: EpochStart, { base }: SnapshotOffer): boolean {
  return base.index > origin.index
}

/** A verified offer. */
export function receiveJump(
  state: HybridState,
  from: NodeId,
  { certificate, snapshot, proof, links }: HybridCheckpoint,
): void {
  if (certificate === null || snapshot === null || snapshot.base.index <= state.released) return
  const walk = walkLinks(linkRules(state.options, state.modules), state.start, links)
  if (typeof walk === 'string') return
  const { jump, now } = state
  const sinceMs = jump?.from === from ? jump.sinceMs : now.monotonicMs
  state.jump = { from, sinceMs, askedMs: now.monotonicMs, snapshot, certificate, proof, links, epochs: walk.epochs }
  state.merger.emit({ type: 'fetchSnapshot', from, snapshot, stateDigest: certificate.statement.digest })
}

/** What was fetched holds the signed state. False where it was fetched for somebody else. */
export function takeJump(state: HybridState, { id }: SnapshotOffer): boolean {
  const { jump, phase } = state
  if (jump === null || !bytesEqual(jump.snapshot.id, id)) return false
  state.jump = null
  const { snapshot, certificate, proof, links, epochs } = jump
  // What leads nowhere else was for the end of an epoch. The core of an epoch takes what it asked for itself.
  if (!isJump(state, jump)) return false
  const isStill = epochs[0]?.epoch === state.start.epoch && phase.kind !== 'entering'
  if (!isStill || snapshot.base.index <= state.released || isWithinLog(state, snapshot, links)) return true
  const base = believedBase(snapshot, certificate, epochs.at(-1) as EpochStart)
  const records: StoreRecord[] = []
  if (state.shadow.lastIndex > base.index) records.push({ kind: 'truncate', from: (base.index + 1) as LogIndex })
  records.push({ kind: 'base', base })
  state.shadow.apply(records)
  for (const record of records) state.merger.record(record)
  const taken = { ...snapshot, base }
  state.snapshots.certified(certificate, proof)
  state.snapshots.taken(taken)
  state.released = base.index
  state.merger.emit({ type: 'restoreState', snapshot: taken, after: state.merger.ownId })
  if (links.length > 0) leaveFor(state, jump)
  else {
    if (phase.kind === 'leaving') phase.leaving.beginsBehind(base.index)
    state.storeEpoch()
  }
  return true
}

/** Of the place only what is signed: the term is the lowest, the members are those of the epoch. */
function believedBase(
  { base }: SnapshotOffer,
  { statement }: Certificate,
  { configuredAt, membership }: EpochStart,
): LogBase {
  const { index, chain, timestampMs } = base
  const record = configuredAt === 0 ? null : { index: configuredAt, membership }
  return { index, epoch: statement.epoch, term: 0 as Term, chain, timestampMs, membership: record }
}

function leaveFor(state: HybridState, jump: Jump): void {
  const { links, epochs } = jump
  const { phase, start } = state
  if (phase.kind === 'raft') {
    for (const effect of phase.raft.stepDown()) {
      if (effect.type === 'readRefused' || effect.type === 'refused') state.merger.emit(effect)
    }
  }
  const { epoch, mode } = start
  const { term } = statusOf(state)
  state.merger.emit({ type: 'roleChanged', role: 'follower', epoch, term, leader: null })
  const reason = `a snapshot of epoch ${epochs.at(-1)?.epoch} takes the place of the log`
  state.merger.emit({ type: 'epochChanged', epoch, mode, isUnderWay: true, reason })
  enterBy(state, links, epochs.slice(1), innerOf(state, jump))
}

/** What the core of the epoch begins with; null where it begins with what every member of it began with. */
function innerOf(state: HybridState, { snapshot, certificate, proof, links, epochs }: Jump): Uint8Array | null {
  const [before, last] = epochs.slice(-2) as [EpochStart, EpochStart]
  const link = links.at(-1) as EpochLink
  // Where only the members changed, those of the epoch before went on with the core that they had.
  const step = link.kind === 'wedge' && before.mode === last.mode ? link : null
  const isWithin = isInside(last, snapshot)
  if (last.mode === 'raft' || (!isWithin && step === null)) return null
  const rules = linkRules(state.options, state.modules)
  const context = contextOf(rules, last)
  if (last.mode === 'pbft')
    return recordBehind(
      context,
      isWithin ? certificate : null,
      step === null ? null : { context: contextOf(rules, before), step },
    )
  assert(!isWithin || proof !== null, 'a snapshot inside an epoch of HotStuff was verified with its proof')
  const anchor = isWithin && proof !== null ? { checkpoint: certificate, proof } : null
  const basis: InitBasis = step === null ? handOverBasis(link) : { kind: 'checkpoint', certificate: step.checkpoint }
  return stateBehind(rules.sha256, { context, basis, previous: step === null ? null : before.membership }, anchor)
}

/** The donor lied, or its disk did. False where it was fetched for somebody else. */
export function rejectJump(state: HybridState, from: NodeId, id: Uint8Array): boolean {
  const { jump, badDonors } = state
  if (jump === null || !bytesEqual(jump.snapshot.id, id)) return false
  badDonors.add(donorKey(from, jump.snapshot))
  if (badDonors.size > BAD_DONORS_MAX) badDonors.delete(badDonors.values().next().value as string)
  state.jump = null
  return true
}
