/**
 * From decided slots to the log: in order and without a gap, each entry with its commit certificate. A
 * commit certificate proves a decision in any view, also to a replica that never voted on it: without
 * that, replicas that committed in different views would wait for each other for ever.
 */
import { assert } from '../../../base/assert.js'
import { bytesEqual, toHex } from '../../../base/bytes.js'
import { type Entry, makeEntry } from '../../entry.js'
import { decodeMembership } from '../../membership.js'
import type { Term } from '../../types.js'
import { type Certificate, encodeCertificate } from '../certificate.js'
import { decodeEvidence, evidenceId } from '../evidence.js'
import { endsEpoch, isModeChange } from '../mode-change.js'
import { onlyRequestIn } from './body.js'
import type { Decided, Value } from './messages.js'
import type { PbftState } from './state.js'
import type { Ending } from './state-types.js'
import { digestOf } from './value.js'

/** Ordered evidence that is remembered, so that it is not taken for new. */
const ORDERED_EVIDENCE_MAX = 256

/** A verified commit certificate of this epoch: its slot is decided, whatever view is present. */
export function noteDecision(state: PbftState, certificate: Certificate): void {
  const index = state.context.indexOf(certificate.statement.sequence)
  if (index <= state.log.lastIndex || index > state.windowEnd) return
  const slot = state.slots.open(index)
  if (slot.decided !== null) return
  slot.decided = certificate
  slot.sinceMs ??= state.now.monotonicMs
  executeReady(state)
}

/** Verified entries of a peer: whatever continues the own log. */
export function receiveDecided(state: PbftState, { entries }: Decided): void {
  for (const entry of entries) {
    if (entry.epoch !== state.context.epoch || entry.index !== state.log.lastIndex + 1) continue
    if (state.ending !== null) return
    const { timestampMs, kind, batchDigest, body, certificate } = entry
    assert(certificate !== null, 'a decided entry has its certificate')
    append(state, { timestampMs, kind, batchDigest, body: body.slice() }, certificate.slice())
  }
  executeReady(state)
}

/** Takes decided slots into the log as far as they follow one another. */
export function executeReady(state: PbftState): void {
  while (state.ending === null) {
    const index = state.log.lastIndex + 1
    const slot = state.slots.get(index)
    if (slot === undefined || slot.decided === null) return
    const { digest, sequence } = slot.decided.statement
    if (bytesEqual(digest, digestOf(state.modules.sha256, state.context, state.sequenceOf(index), state.nullValue)))
      slot.addValue(digest, state.nullValue)
    const value = slot.value(digest)
    if (value === undefined) {
      slot.wanted = digest
      return
    }
    assert(state.context.indexOf(sequence) === index, 'a certificate names its slot')
    append(state, value, encodeCertificate(slot.decided))
  }
}

function append(state: PbftState, value: Value, certificate: Uint8Array): void {
  const { log, context, modules, options } = state
  const entry = makeEntry(
    modules.sha256,
    {
      epoch: context.epoch,
      term: 0 as Term,
      index: (log.lastIndex + 1) as Entry['index'],
      timestampMs: value.timestampMs,
      kind: value.kind,
      clusterId: options.clusterId,
      configHash: context.sign.configHash,
      batchDigest: value.batchDigest,
      previousChain: log.lastChain,
    },
    value.body,
    certificate,
  )
  log.append(entry)
  state.outbox.entry(entry)
  state.rules.decided(state.sequenceOf(entry.index))
  state.failedViews = 0
  state.slow.decided(value.body.length)
  if (isCheckpoint(state, entry)) state.chains.set(entry.index, entry.chain)
  if (state.stableIndex >= entry.index) state.slots.dropUpTo(entry.index)
  if (endsEpoch(entry)) endEpoch(state, entry)
  if (entry.kind === 'evidence') markOrdered(state, entry)
}

/** The state after such an entry is signed. */
export function isCheckpoint(state: PbftState, entry: Pick<Entry, 'index' | 'kind'>): boolean {
  if (entry.index % state.options.settings.checkpointInterval === 0 || entry.kind === 'membership') return true
  // After a hand-over all replicas show at once that they begin with the same state.
  return entry.kind === 'mode' && state.options.handOver !== null
}

/** How an entry that ends its epoch does so. */
export function endingBy({ context }: PbftState, entry: Entry): Ending {
  const { index } = entry
  if (isModeChange(entry)) return { index, isWedge: true, record: context.record }
  return { index, isWedge: false, record: { index, membership: decodeMembership(entry.body) } }
}

/** Slots above the entry that ends an epoch are void whatever certificate they hold: nobody was answered. */
function endEpoch(state: PbftState, entry: Entry): void {
  state.ending = endingBy(state, entry)
  state.slots.dropAbove(entry.index)
  // Others may have certified the state behind it before this replica had it: nobody would tell again.
  state.epochDue = state.certified.get(entry.index) ?? null
}

/** The oldest ordered evidence is forgotten beyond a bound: the state machine knows it. */
function forgetOrdered(state: PbftState): void {
  const ordered = [...state.evidence].filter(([, known]) => known.ordered)
  for (const [key] of ordered.slice(0, Math.max(0, ordered.length - ORDERED_EVIDENCE_MAX))) state.evidence.delete(key)
}

function markOrdered(state: PbftState, entry: Entry): void {
  const bytes = onlyRequestIn(entry.body)
  if (bytes === null) return
  const evidence = decodeEvidence(bytes)
  const id = toHex(evidenceId(state.modules.sha256, evidence))
  const known = state.evidence.get(id)
  if (known === undefined)
    state.evidence.set(id, { evidence, sinceMs: state.now.monotonicMs, ordered: true, proposedIn: null })
  for (const other of state.evidence.values()) {
    const { culprit, epoch } = other.evidence
    if (culprit === evidence.culprit && epoch === evidence.epoch) other.ordered = true
  }
  forgetOrdered(state)
}
