/**
 * State transfer for who is far behind: decided entries with their proofs, a few at a time, or a
 * snapshot at a checkpoint that a quorum signed. Both are verified before they come here, against the
 * epoch that this node is in; entries of a later epoch follow after the certificate of its beginning.
 */
import { assert } from '../../../base/assert.js'
import { bytesEqual, toHex } from '../../../base/bytes.js'
import type { Input } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { LogBase, SnapshotOffer } from '../../snapshot.js'
import type { Epoch, LogIndex, NodeId } from '../../types.js'
import type { Certificate } from '../certificate.js'
import { decodeInit } from '../init.js'
import { type BlockHeader, hashHeader } from './block.js'
import { onQc } from './certified.js'
import { commitUpTo, record } from './commit.js'
import { enterByStep, enterNext } from './epoch-change.js'
import type { HsEntries, HsFetchEntries, HsSnapshot, HsStatus } from './messages.js'
import { decodeProof } from './proof.js'
import { ask } from './questions.js'
import type { HotStuffState } from './state.js'
import { afterCatchUp } from './sync.js'
import type { WantedSnapshot } from './sync-state.js'

type Taken = Extract<Input, { type: 'snapshotTaken' }>
type Loaded = Extract<Input, { type: 'loaded' }>

/** A peer says where it stands: who is behind gets what it lacks, who is ahead is asked. */
export function handleStatus(hs: HotStuffState, from: NodeId, { epoch, round, committedIndex, asks }: HsStatus): void {
  const { log } = hs
  if (asks && committedIndex < log.last.index) serveEntries(hs, from, epoch, (committedIndex + 1) as LogIndex)
  else if (asks && epoch < hs.epoch && hs.basis.kind === 'checkpoint')
    hs.send(from, { type: 'hsEpochEnd', checkpoint: hs.basis.certificate })
  else if (asks && epoch === hs.epoch && round < hs.round) {
    hs.send(from, { type: 'hsAdvance', qc: hs.highQc, tc: hs.tc })
  }
  if (committedIndex > log.last.index && epoch >= hs.epoch && !hs.sync.isOpen) {
    hs.sync.wantEntries()
    ask(hs)
  }
}

export function handleFetchEntries(hs: HotStuffState, from: NodeId, { from: index, epoch }: HsFetchEntries): void {
  hs.standings.set(from, index - 1)
  serveEntries(hs, from, epoch, index)
}

/** `epoch`: where whoever asks stands, and up to which it knows the members. */
function serveEntries(hs: HotStuffState, to: NodeId, epoch: Epoch, from: LogIndex): void {
  const { log, options } = hs
  if (from > log.last.index) {
    hs.send(to, { type: 'hsStatus', epoch: hs.epoch, round: hs.round, committedIndex: log.last.index, asks: false })
    if (hs.basis.kind === 'checkpoint') hs.send(to, { type: 'hsEpochEnd', checkpoint: hs.basis.certificate })
    return
  }
  if (from <= log.base.index) {
    offerSnapshot(hs, to, epoch)
    return
  }
  if (hs.loads.has(to)) return
  hs.loads.add(to)
  hs.emit({ type: 'load', peer: to, from, maxBytes: options.limits.answerBytesMax })
}

/** Entries of one epoch only: the receiver verifies them under the members that it knows. */
export function handleLoaded(hs: HotStuffState, { peer, from, entries }: Loaded): void {
  hs.loads.delete(peer)
  const first = entries[0]
  if (first === undefined || first.index !== from) return
  // An epoch of a hybrid that ran Raft has no certificates to show: whoever is that far behind is helped otherwise.
  const sameEpoch = entries.filter(({ epoch, certificate }) => epoch === first.epoch && certificate !== null)
  if (sameEpoch.length === 0) return
  hs.send(peer, { type: 'hsEntries', epoch: first.epoch, entries: sameEpoch.slice(0, LOADED_MAX) })
}

const LOADED_MAX = 256

/** What the epoch that these entries begin rests on; null where they begin none. */
export function beginningOf(entries: readonly Entry[]): Certificate | null {
  const first = entries[0]
  if (first === undefined || first.kind !== 'mode') return null
  const { basis } = decodeInit(first.body)
  return basis.kind === 'checkpoint' ? basis.certificate : null
}

export function handleEntries(hs: HotStuffState, _from: NodeId, { entries, epoch }: HsEntries): void {
  const { log, sync } = hs
  if (epoch !== hs.epoch) {
    const certificate = beginningOf(entries)
    if (certificate !== null) enterNext(hs, certificate)
    sync.wantEntries()
    ask(hs)
    return
  }
  const fresh = entries.filter((entry) => entry.index > log.last.index)
  if (fresh.length === 0 || fresh[0]?.index !== log.last.index + 1 || !follows(hs, fresh)) return
  for (const entry of fresh) log.append(entry)
  const last = fresh.at(-1) as Entry
  const { headers, qc } = decodeProof(last.certificate as Uint8Array)
  moveRoot(hs, headers[0] as BlockHeader)
  record(hs, fresh)
  sync.wanted = null
  onQc(hs, qc)
  // There may be more: until enough peers say that there is not.
  sync.unanswered = 0
  sync.wantEntries()
  ask(hs)
}

/** A peer has no more entries. Where f + 1 say so, blocks may be linked up from here. */
export function entriesEnd(hs: HotStuffState, from: NodeId, { committedIndex, asks }: HsStatus): void {
  const { sync, replicas } = hs
  if (!sync.needsEntries || asks || committedIndex > hs.log.last.index || !replicas.has(from)) return
  // An answer that comes twice leads to one question more, not to two, of which each is answered twice.
  if (sync.asked !== from) return
  sync.asked = null
  sync.ended.add(from)
  sync.unanswered = 0
  if (sync.ended.size <= replicas.f) {
    ask(hs)
    return
  }
  sync.ended.clear()
  // Who is no replica is told nothing by itself: it goes on asking, with pauses.
  sync.needsEntries = !replicas.has(hs.self)
  sync.retryAtMs = sync.needsEntries ? hs.now.monotonicMs + hs.options.limits.timeoutMs : null
  afterCatchUp(hs)
}

function follows(hs: HotStuffState, entries: readonly Entry[]): boolean {
  let chain = hs.log.last.chain
  return entries.every((entry) => {
    const isNext = bytesEqual(entry.previousChain, chain)
    chain = entry.chain
    return isNext
  })
}

/** The block of the last decided entry is the root now, known by its header at least. */
function moveRoot(hs: HotStuffState, header: BlockHeader): void {
  const block = hashHeader(hs.modules.sha256, header)
  const node = hs.tree.get(block.hash)
  if (node !== undefined) hs.tree.commit(node)
  else hs.tree.reset({ ...block, parts: null })
}

/** The own state was snapshotted; once a quorum has signed it the log may begin later. */
export function handleSnapshotTaken(hs: HotStuffState, taken: Taken): void {
  hs.taken = taken
  relyOnSnapshot(hs)
}

/** What nobody else has signed can help nobody: until then the log, and the snapshot before, stay. */
export function relyOnSnapshot(hs: HotStuffState): void {
  const { taken, anchors } = hs
  if (taken === null) return
  const { snapshot, compactTo } = taken
  if (!anchors.some(({ checkpoint }) => checkpoint.statement.sequence === snapshot.base.index)) return
  hs.taken = null
  if (hs.snapshot === null || snapshot.base.index > hs.snapshot.base.index) hs.snapshot = snapshot
  if (compactTo === null || compactTo.index <= hs.log.base.index) return
  const record = hs.memberships.at(compactTo.index)
  const base: LogBase = { ...compactTo, membership: record.index === 0 ? null : record }
  hs.log.compact(base)
  hs.memberships.compact(base.index)
  hs.journal.base(base, hs.liveBlocks(), hs.stored())
}

function offerSnapshot(hs: HotStuffState, to: NodeId, epoch: Epoch): void {
  const { snapshot, snapshotted } = hs
  if (snapshot === null || snapshotted === undefined) return
  const steps = hs.steps.filter(({ entry }) => entry.epoch >= epoch && entry.index <= snapshot.base.index)
  hs.send(to, { type: 'hsSnapshot', snapshot, ...snapshotted, steps })
}

/**
 * What continues the own log, or gives the lost state again; signers of an earlier epoch are not known any more. A
 * question brings one offer: whoever sends more does not come before those who are asked next.
 */
export function isWantedSnapshot({ log, origin, sync }: HotStuffState, from: NodeId, offer: SnapshotOffer): boolean {
  if (sync.snapshot !== null || !sync.mayOffer.has(from) || sync.badOffers.has(offerKey(from, offer))) return false
  const { base } = offer
  return base.index > log.last.index || (sync.needsState && base.index > origin.index && base.index >= log.base.index)
}

function offerKey(from: NodeId, { id }: Pick<SnapshotOffer, 'id'>): string {
  return `${from}/${toHex(id)}`
}

export function handleSnapshot(hs: HotStuffState, from: NodeId, message: HsSnapshot): void {
  const { snapshot, checkpoint, proof, steps } = message
  if (!isWantedSnapshot(hs, from, snapshot)) return
  hs.sync.mayOffer.delete(from)
  hs.sync.snapshot = { from, snapshot, checkpoint, proof, steps, sinceMs: hs.now.monotonicMs }
  ask(hs)
}

/** Snapshots of donors that were refused and are remembered; a liar may invent as many as it likes. */
const BAD_OFFERS_MAX = 256

/** The donor's file is not what was certified, or is gone: another one is asked. */
export function handleSnapshotRejected(hs: HotStuffState, from: NodeId, id: Uint8Array): void {
  const { sync } = hs
  if (sync.snapshot?.from !== from) return
  sync.badOffers.add(offerKey(from, { id }))
  if (sync.badOffers.size > BAD_OFFERS_MAX) sync.badOffers.delete(sync.badOffers.values().next().value as string)
  sync.snapshot = null
  sync.wantEntries()
  ask(hs)
}

/** The certified state is durable here: log and tree begin at it. */
export function handleSnapshotFetched(hs: HotStuffState, snapshot: SnapshotOffer): void {
  const { sync, log } = hs
  const wanted = sync.snapshot
  if (wanted === null || !bytesEqual(wanted.snapshot.id, snapshot.id)) return
  sync.snapshot = null
  const { base } = wanted.snapshot
  if (base.index > log.last.index) install(hs, wanted, snapshot)
  else if (sync.needsState) regainState(hs, wanted, snapshot)
  sync.needsState = false
  sync.wantEntries()
  ask(hs)
}

/** The log is whole: only what was executed of it is gone. */
function regainState(hs: HotStuffState, { checkpoint, proof }: WantedSnapshot, snapshot: SnapshotOffer): void {
  hs.snapshot = snapshot
  hs.keepAnchor({ checkpoint, proof })
  hs.executedIndex = snapshot.base.index
  const after = hs.journal.afterSafety
  assert(after !== undefined, 'the anchor is being written')
  hs.emit({ type: 'restoreState', snapshot, after })
}

function install(hs: HotStuffState, { checkpoint, proof, steps }: WantedSnapshot, snapshot: SnapshotOffer): void {
  const { base } = snapshot
  const { headers, qc } = decodeProof(proof)
  hs.log.reset(base)
  for (const step of steps) if (step.entry.epoch === hs.epoch) enterByStep(hs, step)
  const { membership } = hs.members
  hs.memberships.reset(base.membership === null ? hs.members : { index: base.membership.index, membership })
  // Behind the end of an epoch the next one begins, with its INIT; within one its blocks go on.
  const isWithin = hs.origin.index < base.index
  if (isWithin) {
    moveRoot(hs, headers[0] as BlockHeader)
    hs.checkpoints.adopt(checkpoint)
  }
  hs.snapshot = snapshot
  hs.keepAnchor({ checkpoint, proof })
  const after = hs.journal.base(base, hs.liveBlocks(), hs.stored())
  hs.executedIndex = base.index
  hs.emit({ type: 'restoreState', snapshot, after })
  hs.journal.whenDurable(() => commitUpTo(hs, base.index))
  if (isWithin) onQc(hs, qc)
}
