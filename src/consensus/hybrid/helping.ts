/** While an epoch ends, and after: what others may lack is repeated, what is missing is asked for, who is behind is given its end. */
import { decodeInit } from '../bft/init.js'
import type { PrePrepare } from '../bft/pbft/messages.js'
import type { ProtocolMessage } from '../core.js'
import type { Entry } from '../entry.js'
import type { Epoch, LogIndex, Millis, NodeId } from '../types.js'
import { withEntries } from './back/serving.js'
import { epochEndedBy } from './epoch-links.js'
import { hasSay } from './inner.js'
import { isTooFar, offerJump } from './jump-offers.js'
import type { Leaving } from './leaving.js'
import type { Position } from './positions.js'
import type { HybridState } from './state.js'
import { decodeHandOver, type HandOverResult, resultOf as handOverResult, switchResult } from './switch-certificate.js'

export function help(state: HybridState, to: NodeId, epoch: Epoch, message: ProtocolMessage): void {
  if (message.type === 'hybridFetch' && message.from <= message.upTo)
    return supply(state, to, epoch, message.from, message.upTo)
  // Who asks where the cluster is says so by what its log lacks.
  if (message.type === 'hybridFetch' && isTooFar(state, message.from) && mayAnswer(state, to))
    offerJump(state, to, epoch, message.from)
  const link = state.links.find((known) => epochEndedBy(known) === epoch)
  if (link?.kind === 'switch') state.tell(to, { type: 'hybridSwitch', certificate: link.certificate })
}

/**
 * Who still talks of the epoch is shown this node's history, and what made it leave: others may have been told
 * less, or nothing, and one member that leaves convinces nobody by itself.
 */
export function convince(state: HybridState, to: NodeId): void {
  const { phase, now, convincedMs } = state
  if (phase.kind !== 'leaving') return
  if (hasSay(state)) state.tell(to, { type: 'hybridHistory', history: phase.history })
  if (now.monotonicMs - (convincedMs.get(to) ?? Number.NEGATIVE_INFINITY) < CONVINCE_MS) return
  convincedMs.set(to, now.monotonicMs)
  for (const vote of phase.reasons.panics) state.merger.sendTo(to, { type: 'hybridVote', vote }, true)
  for (const history of phase.reasons.histories) state.merger.sendTo(to, { type: 'hybridHistory', history }, true)
}

/** What made a node leave is shown to each this often. */
const CONVINCE_MS: Millis = 500

/** What others may lack: the own history, PANIC, evidence; and the bodies that this node lacks. */
export function repeat(state: HybridState): void {
  const nowMs = state.now.monotonicMs
  if (nowMs < state.repeatMs) return
  state.repeatMs = nowMs + state.options.limits.repeatMs
  const panic = state.panics.get(state.options.self)
  const phase = state.phase
  if (phase.kind === 'raft' && panic !== undefined) state.broadcast({ type: 'hybridVote', vote: panic })
  if (phase.kind !== 'leaving') return
  if (hasSay(state)) state.broadcast({ type: 'hybridHistory', history: phase.history })
  for (const evidence of state.evidence) {
    if (evidence.epoch === state.start.epoch) state.broadcast({ type: 'hybridEvidence', evidence })
  }
  const missing = wanted(state)
  phase.leaving.wants(
    missing.map(({ result }) => result),
    phase.decided !== null,
  )
  for (const { result, holders } of missing) fetch(state, result, holders)
}

/** Results that are proposed or decided, and not here in full. */
export function wanted(state: HybridState): { readonly result: Position; readonly holders: readonly NodeId[] }[] {
  const phase = state.phase
  if (phase.kind !== 'leaving') return []
  const { leaving, decided, held, instance } = phase
  if (decided !== null) {
    const outcome = switchResult(leaving.ending, decided)
    return typeof outcome === 'string' ? [] : [outcome]
  }
  const results: { readonly result: Position; readonly holders: readonly NodeId[] }[] = []
  for (const [from, { message }] of held) {
    const proposed = message.type === 'pbftPrePrepare' ? proposedResult(leaving, message) : null
    if (proposed !== null) results.push({ result: proposed.result, holders: [from] })
  }
  if (instance.proposal !== null || leaving.count < leaving.ending.raft.replicas.quorum) return results
  const proposed = leaving.propose(() => state.options.bft, [])
  if ('missing' in proposed && proposed.missing !== null) results.push(proposed.missing)
  return results
}

export function fetch(state: HybridState, result: Position, holders: readonly NodeId[]): void {
  const phase = state.phase
  if (phase.kind !== 'leaving') return
  const missing = phase.leaving.assemble(result)
  if ('entries' in missing) return
  const donor = phase.leaving.nextDonor(holders, state.options.self)
  const { from, upTo } = missing
  if (donor !== undefined)
    state.merger.sendTo(donor, { type: 'hybridFetch', epoch: state.start.epoch, from, upTo }, false)
}

/** Entries and snapshots are given to each no more often than it can have use for them. */
function mayAnswer({ now, options, suppliedMs }: HybridState, to: NodeId): boolean {
  if (now.monotonicMs - (suppliedMs.get(to) ?? Number.NEGATIVE_INFINITY) < options.limits.helpMs) return false
  suppliedMs.set(to, now.monotonicMs)
  return true
}

export function supply(state: HybridState, to: NodeId, epoch: Epoch, from: LogIndex, upTo: LogIndex): void {
  const { limits } = state.options
  const isOver = epoch < state.start.epoch
  if (from > upTo || (state.phase.kind === 'raft' && !isOver) || !mayAnswer(state, to)) return
  if (isTooFar(state, from)) offerJump(state, to, epoch, from)
  const answer = (entries: readonly Entry[]): void => {
    // The own log may have gone on in a later epoch.
    const wanted = entries.filter((entry) => entry.index >= from && entry.index <= upTo && entry.epoch <= epoch)
    const cut = within(wanted, limits.answerBytesMax)
    if (cut.length > 0) state.merger.sendTo(to, { type: 'hybridEntries', epoch, entries: cut }, false)
  }
  if (state.phase.kind === 'leaving') for (const row of state.phase.leaving.fetchedRows(from, upTo)) answer(row)
  const { shadow } = state
  const isHere = shadow.entry(upTo) !== undefined
  // What is missing is asked for from its end: of a long row only that is read, and what has left the log is not waited for.
  const first = Math.max(isHere ? from : Math.max(from, upTo - READ_ENTRIES + 1), shadow.base.index + 1)
  withEntries(state, to, { from: first as LogIndex, upTo }, answer)
}

/** Entries at the end of a row that are read for one answer. */
const READ_ENTRIES = 64

/** The newest entries that fit: what is missing is asked for from its end. */
function within(entries: readonly Entry[], bytesMax: number): Entry[] {
  let bytes = 0
  let first = entries.length
  while (first > 0 && bytes <= bytesMax) bytes += (entries[--first] as Entry).body.length
  return entries.slice(first)
}

/** What a verified proposal of the instance ends the epoch at; null where it is none of a hand-over. */
export function proposedResult({ ending }: Leaving, { value }: PrePrepare): HandOverResult | null {
  if (value.kind !== 'mode') return null
  const { basis } = decodeInit(value.body)
  if (basis.kind !== 'handOver') return null
  const outcome = handOverResult(ending, decodeHandOver(basis.proof))
  return typeof outcome === 'string' ? null : outcome
}
