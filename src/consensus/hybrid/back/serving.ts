/**
 * Members that are still in a Byzantine epoch that is over: they are answered in that epoch's own messages,
 * with the decided entries that they lack and the checkpoint that ended it, so that they come to the end by
 * the rules of their protocol. Nothing else of what they say counts.
 */
import { isHotStuff } from '../../bft/hotstuff/codec.js'
import { isPbft } from '../../bft/pbft/index.js'
import type { Input, ProtocolMessage } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { Epoch, LogIndex, NodeId } from '../../types.js'
import { ENTRIES_MAX } from '../codec.js'
import { type EpochLink, epochEndedBy } from '../epoch-links.js'
import { isTooFar, offerJump } from '../jump-offers.js'
import type { HybridState } from '../state.js'

interface Asked {
  readonly epoch: Epoch
  /** Up to where the asker's log goes; null where it does not say. */
  readonly lastIndex: number | null
}

/** Where the sender of a Byzantine protocol's message stands, where it asks for help by it. */
function askedBy(message: ProtocolMessage): Asked | null {
  switch (message.type) {
    case 'pbftStatus':
      return { epoch: message.epoch, lastIndex: message.lastIndex }
    case 'hsStatus':
      return message.asks ? { epoch: message.epoch, lastIndex: message.committedIndex } : null
    case 'hsFetchEntries':
      return { epoch: message.epoch, lastIndex: message.from - 1 }
    case 'hsTimeout':
      return { epoch: message.timeout.epoch, lastIndex: null }
    default:
      return null
  }
}

/** True for a question from an epoch before the present core began. */
export function isOfEarlierCore({ phase, start, ended }: HybridState, message: ProtocolMessage): boolean {
  if (!isPbft(message) && !isHotStuff(message)) return false
  const asked = askedBy(message)
  const first = phase.kind === 'byzantine' ? (ended?.epoch ?? -1) + 1 : start.epoch
  return asked !== null && asked.epoch < first
}

export function helpBehind(state: HybridState, from: NodeId, message: ProtocolMessage): void {
  const asked = askedBy(message)
  const link = state.links.find((known) => epochEndedBy(known) === asked?.epoch)
  if (asked === null || link === undefined || link.kind !== 'wedge') return
  const nowMs = state.now.monotonicMs
  if (nowMs - (state.suppliedMs.get(from) ?? Number.NEGATIVE_INFINITY) < state.options.limits.helpMs) return
  state.suppliedMs.set(from, nowMs)
  const { index } = link.entry
  if (asked.lastIndex === null || asked.lastIndex >= index) return sendEnd(state, from, link)
  const first = asked.lastIndex + 1
  if (isTooFar(state, first)) return offerJump(state, from, link.entry.epoch, first as LogIndex)
  withEntries(state, from, { from: first as LogIndex, upTo: index }, (entries) =>
    sendEntries(state, from, link, entries),
  )
}

/** Gives entries from memory, or has them read: for each peer one read at a time. */
export function withEntries(
  state: HybridState,
  peer: NodeId,
  { from, upTo }: { readonly from: LogIndex; readonly upTo: LogIndex },
  answer: (entries: readonly Entry[]) => void,
): void {
  const entries = state.shadow.slice(from, upTo, ENTRIES_MAX)
  if (entries.length > 0) return answer(entries)
  const { base, lastIndex } = state.shadow
  if (from <= base.index || from > lastIndex || state.loads.has(peer)) return
  state.loads.set(peer, { first: from, answer })
  state.merger.emit({ type: 'load', peer, from, maxBytes: state.options.limits.answerBytesMax })
}

/** Entries that were read for a member that is behind. */
export function takeLoaded(state: HybridState, { peer, from, entries }: Extract<Input, { type: 'loaded' }>): void {
  const load = state.loads.get(peer)
  if (load === undefined || load.first !== from) return
  state.loads.delete(peer)
  load.answer(entries)
}

type Wedge = Extract<EpochLink, { kind: 'wedge' }>

function sendEnd(state: HybridState, to: NodeId, { checkpoint }: Wedge): void {
  const message: ProtocolMessage =
    checkpoint.statement.mode === 'hotstuff'
      ? { type: 'hsEpochEnd', checkpoint }
      : { type: 'pbftCertificate', certificate: checkpoint }
  state.merger.sendTo(to, message, false)
}

/** Of the epoch that ended, with their certificates, as many as fit. */
function sendEntries(
  state: HybridState,
  to: NodeId,
  { entry: last, checkpoint }: Wedge,
  entries: readonly Entry[],
): void {
  const { epoch, index } = last
  const fitting: Entry[] = []
  let bytes = 0
  for (const entry of entries) {
    if (entry.epoch !== epoch || entry.certificate === null || entry.index > index) break
    bytes += entry.body.length + entry.certificate.length
    if (fitting.length > 0 && bytes > state.options.limits.answerBytesMax) break
    fitting.push(entry)
  }
  if (fitting.length === 0) return
  const message: ProtocolMessage =
    checkpoint.statement.mode === 'hotstuff'
      ? { type: 'hsEntries', epoch, entries: fitting }
      : { type: 'pbftDecided', entries: fitting, lastIndex: index }
  state.merger.sendTo(to, message, false)
}
