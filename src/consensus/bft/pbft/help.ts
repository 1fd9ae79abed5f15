/**
 * Lost messages: a replica that makes no progress says where it stands, and whoever is further sends
 * what it lacks: votes and proposals of the present view, the new view, certificates, values by digest,
 * decided entries, or the offer of a snapshot. Helping is bounded per peer, so that asking costs the
 * asker as much as the helper.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { computeBatchDigest } from '../../batch-digest.js'
import type { Input } from '../../core.js'
import type { Entry, Sha256 } from '../../entry.js'
import type { LogIndex, NodeId, ViewNumber } from '../../types.js'
import type { EpochStep } from '../epoch.js'
import type { FetchValue, Status, Value, ValueMessage } from './messages.js'
import { supplyValue } from './normal-case.js'
import type { Slot } from './slots.js'
import type { PbftState } from './state.js'
import { digestOf } from './value.js'

/** Slots that one status tells of. */
const STATUS_SLOTS_MAX = 64
/** Values that a peer gets between two of its statuses. */
const FETCHES_MAX = 64
const HAS_PROPOSAL = 1
const IS_PREPARED = 2

export function sendStatus(state: PbftState, to: NodeId, wantsEntries: boolean): void {
  const { context, view, active, log, stableIndex, slots } = state
  const first = log.lastIndex + 1
  const count = Math.min(STATUS_SLOTS_MAX, slots.highest(log.lastIndex) - log.lastIndex)
  const flags = new Uint8Array(count)
  for (let at = 0; at < count; at++) {
    const slot = slots.get(first + at)
    if (slot === undefined) continue
    flags[at] = (slot.accepted === null ? 0 : HAS_PROPOSAL) | (slot.isPreparedIn(view) ? IS_PREPARED : 0)
  }
  const { lastIndex } = log
  const { epoch } = context
  const place = { epoch, view: view as ViewNumber, active, lastIndex, stableIndex }
  const wantsSnapshot = wantsEntries && state.diverged
  state.send(to, { type: 'pbftStatus', ...place, wantsEntries, wantsSnapshot, slots: flags })
}

/** A peer says where it stands: it gets what it lacks. */
export function receiveStatus(state: PbftState, from: NodeId, status: Status): void {
  const { context } = state
  if (!mayHelp(state, from, status)) return
  if (status.wantsSnapshot) offerSnapshot(state, from)
  if (status.wantsEntries && status.lastIndex < state.outbox.durableIndex)
    sendEntries(state, from, status.lastIndex + 1)
  if (status.epoch < context.epoch) return helpIntoEpoch(state, from, status)
  if (status.epoch > context.epoch) return
  const { stable } = state.checkpoints
  if (stable !== null && status.stableIndex < stable.statement.sequence)
    state.send(from, { type: 'pbftCertificate', certificate: stable })
  helpToCheckpoint(state, from, status)
  helpIntoView(state, from, status)
}

/** Helps at once whoever moved on, and others no more often than they have reason to ask. */
function mayHelp({ now, options, peers }: PbftState, from: NodeId, { epoch, lastIndex }: Status): boolean {
  const known = peers.get(from)
  const isDue = known === undefined || now.monotonicMs - known.helpedMs >= options.limits.statusIntervalMs / 2
  const hasMoved = known !== undefined && lastIndex > known.highest
  const helpedMs = isDue || hasMoved ? now.monotonicMs : known.helpedMs
  const highest = Math.max(lastIndex, known?.highest ?? 0) as LogIndex
  peers.set(from, { epoch, lastIndex, highest, helpedMs, fetches: isDue ? 0 : (known?.fetches ?? 0) })
  return isDue || hasMoved
}

/** The last thing that a member of the epoch before needs is the checkpoint that ended it. */
function helpIntoEpoch(state: PbftState, from: NodeId, status: Status): void {
  const { previous } = state
  if (previous === null || previous.context.epoch !== status.epoch) return
  if (status.lastIndex >= state.context.origin.index)
    state.send(from, { type: 'pbftCertificate', certificate: previous.checkpoint })
}

/** A checkpoint that was signed may have got lost with a connection, or in a crash of all; at the end of an epoch no later one follows. */
function helpToCheckpoint(state: PbftState, from: NodeId, { stableIndex }: Status): void {
  for (const vote of state.rules.ownCheckpoints()) {
    if (vote.sequence > stableIndex) state.send(from, { type: 'pbftVote', vote })
  }
}

function helpIntoView(state: PbftState, from: NodeId, status: Status): void {
  const { view, active, newView, ownViewChange } = state
  const isBehind = status.view < view || (status.view === view && !status.active)
  if (isBehind && active && newView !== null) state.send(from, newView)
  else if (status.view <= view && !active && ownViewChange !== null) state.send(from, ownViewChange)
  if (status.view !== view || !active || !status.active) return
  for (const slot of state.slots.all()) {
    const at = slot.index - status.lastIndex - 1
    if (at >= 0 && at < STATUS_SLOTS_MAX) helpSlot(state, from, slot, status.slots[at] ?? 0)
  }
}

function helpSlot(state: PbftState, from: NodeId, slot: Slot, flags: number): void {
  const { accepted } = slot
  const ownPrepare = slot.votes.prepare.get(state.self)
  const ownCommit = slot.votes.commit.get(state.self)
  if (slot.decided !== null) state.send(from, { type: 'pbftCertificate', certificate: slot.decided })
  const value = accepted === null ? undefined : slot.value(accepted)
  const isFresh = state.primary === state.self && slot.index > state.orderedUpTo
  if ((flags & HAS_PROPOSAL) === 0 && isFresh && ownPrepare !== undefined && value !== undefined)
    state.send(from, { type: 'pbftPrePrepare', vote: ownPrepare, value })
  else if ((flags & IS_PREPARED) === 0 && ownPrepare !== undefined)
    state.send(from, { type: 'pbftVote', vote: ownPrepare })
  if (ownCommit !== undefined) state.send(from, { type: 'pbftVote', vote: ownCommit })
}

/** Sends decided entries from memory, has them read, or offers the snapshot that took their place. */
function sendEntries(state: PbftState, to: NodeId, from: number): void {
  const { log, options } = state
  if (from <= log.base.index) return offerSnapshot(state, to)
  const { messageBytesMax } = options.limits
  if (from >= log.tailFirst) {
    sendDecided(state, to, log.slice(from, messageBytesMax))
    return
  }
  if (state.loads.has(to)) return
  state.loads.set(to, from as LogIndex)
  state.emit({ type: 'load', peer: to, from: from as LogIndex, maxBytes: messageBytesMax })
}

function offerSnapshot(state: PbftState, to: NodeId): void {
  const { newest } = state.snapshots
  if (newest === null) return
  const { snapshot, certificate } = newest
  state.send(to, {
    type: 'pbftOffer',
    snapshot,
    certificate,
    steps: stepsFrom(state, to, snapshot.base.index),
  })
}

/** The changes of members that the snapshot spares the peer: without them it would not believe its signers. */
function stepsFrom({ steps, peers }: PbftState, to: NodeId, upTo: LogIndex): readonly EpochStep[] {
  const epoch = peers.get(to)?.epoch ?? 0
  return steps.filter(({ entry }) => entry.epoch >= epoch && entry.index <= upTo)
}

export function handleLoaded(state: PbftState, { peer, from, entries }: Extract<Input, { type: 'loaded' }>): void {
  if (state.loads.get(peer) !== from) return
  state.loads.delete(peer)
  const first = entries[0]
  if (first === undefined) return
  if (peer === state.self) {
    for (const entry of entries) state.log.relearn(entry)
    return
  }
  sendDecided(state, peer, entries.slice(0, entries.findLastIndex((entry) => entry.epoch === first.epoch) + 1))
}

function sendDecided(state: PbftState, to: NodeId, entries: readonly Entry[]): void {
  // What Raft decided before a hand-over has no certificate of its own.
  const certified = entries.slice(0, firstWithout(entries))
  if (certified.length > 0) state.send(to, { type: 'pbftDecided', entries: certified, lastIndex: state.log.lastIndex })
}

function firstWithout(entries: readonly Entry[]): number {
  const at = entries.findIndex((entry) => entry.certificate === null)
  return at < 0 ? entries.length : at
}

/**
 * A view change shows the certificate of every decided slot above the stable checkpoint: those that were
 * not in memory at the start are read back. True once all are here.
 */
export function hasOwnCertificates(state: PbftState): boolean {
  const missing = state.log.missingCertificate(state.stableIndex)
  if (missing === undefined) return true
  if (!state.loads.has(state.self)) {
    state.loads.set(state.self, missing)
    state.emit({ type: 'load', peer: state.self, from: missing, maxBytes: state.options.limits.messageBytesMax })
  }
  return false
}

/** Who has the value with this digest? */
export function receiveFetch(state: PbftState, from: NodeId, { epoch, sequence, digest }: FetchValue): void {
  const peer = state.peers.get(from)
  if (epoch !== state.context.epoch || (peer !== undefined && ++peer.fetches > FETCHES_MAX)) return
  const value = state.slots.get(state.context.indexOf(sequence))?.value(digest)
  if (value !== undefined) state.send(from, { type: 'pbftValue', epoch, sequence, value })
}

/** A value that was asked for: worth what its digest says. */
export function receiveValue(state: PbftState, { epoch, sequence, value }: ValueMessage): void {
  if (epoch !== state.context.epoch) return
  const slot = state.slots.get(state.context.indexOf(sequence))
  if (slot === undefined || slot.wanted === null) return
  const { sha256 } = state.modules
  if (!bytesEqual(slot.wanted, digestOf(sha256, state.context, sequence, value))) return
  // The digest that was voted on binds that of the batch, and only that binds the body.
  if (!isItsBody(sha256, value)) return
  supplyValue(state, slot, slot.wanted, { ...value, body: value.body.slice() })
}

/** False where the body is another one, or is no body at all. */
function isItsBody(sha256: Sha256, { kind, body, batchDigest }: Value): boolean {
  try {
    return bytesEqual(batchDigest, computeBatchDigest(sha256, kind, body))
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return false
    throw error
  }
}

/** Asks one peer for every value that is missing. */
export function fetchWanted(state: PbftState, to: NodeId): void {
  const { epoch } = state.context
  for (const slot of state.slots.all()) {
    if (slot.wanted === null) continue
    const sequence = state.sequenceOf(slot.index)
    state.send(to, { type: 'pbftFetch', epoch, sequence, digest: slot.wanted })
  }
}
