/**
 * What a follower makes of an append before Raft sees it (R4, R5, R6). Every entry hangs on something
 * certified: above the tip of the term on the word of that term's one leader, below it, by the headers in
 * between, on the tip itself. What would be cut has to be replaced by a chain that contains everything
 * that can have been committed. Raft's own fields about terms are set right, and its commit index is what
 * a certificate covers: nothing that a liar says reaches an assertion.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { type Entry, verifyChain } from '../../entry.js'
import { CLOCK_BOUND_MS } from '../../raft/config.js'
import type { AppendEntries } from '../../raft/messages.js'
import { forEachRequest } from '../../request-body.js'
import type { LogIndex, Millis, NodeId } from '../../types.js'
import { connects } from '../headers.js'
import type { LogShadow } from '../log-shadow.js'
import type { HybridAppend } from '../messages.js'
import { decodeTerm, type Position, positionOf, type RaftEpoch, type TermCertificate, termOf } from '../positions.js'
import type { Standing } from './standing.js'

export type AppendVerdict =
  /** Not now, or never; the leader hears nothing. */
  | { readonly kind: 'drop' }
  /** The sender broke a rule that its signature binds it to. */
  | { readonly kind: 'unsound'; readonly reason: string }
  /** The leader's log goes on behind a change of members of an earlier term, which can never be certified: nothing is taken. */
  | { readonly kind: 'stuck' }
  /** The logs part somewhere below: the leader is to begin at this index. */
  | { readonly kind: 'refuse'; readonly hintIndex: LogIndex }
  | {
      readonly kind: 'take'
      readonly append: AppendEntries
      /** Where the leader's log stands after it. */
      readonly end: Position
      /** Beyond the term's tip: worth a signature. */
      readonly isSigned: boolean
      /** Up to here the entries are committed for certain. */
      readonly covered: LogIndex
    }

export interface FollowerView {
  readonly epoch: RaftEpoch
  readonly shadow: LogShadow
  readonly standing: Standing
  readonly commitIndex: LogIndex
  readonly clusterId: Uint8Array
  readonly wallMs: Millis
  /** Whether this node takes a change of members now. */
  readonly isChangeDue: (change: Entry) => boolean
}

const DROP: AppendVerdict = { kind: 'drop' }
const unsound = (reason: string): AppendVerdict => ({ kind: 'unsound', reason })

/** The message's signatures hold, its links and term are checked (`appendProblem`); `term` is its term's certificate. */
export function judgeAppend(view: FollowerView, message: HybridAppend, term: TermCertificate): AppendVerdict {
  const { append } = message
  const { epoch, shadow, standing, commitIndex } = view
  const { tip } = term
  const { entries, prevIndex } = append
  const end = endOf(message)
  const last = entries.at(-1)
  // An honest quorum does not let a leader carry the time of the log into the future.
  if (last !== undefined && last.timestampMs > view.wallMs + CLOCK_BOUND_MS) return DROP
  const before = entries[0]?.previousChain ?? end.hash
  const chainIn = (index: number): Uint8Array | undefined =>
    index === prevIndex ? before : index > prevIndex ? entries[index - prevIndex - 1]?.chain : shadow.chainAt(index)
  if (end.index < tip.index) {
    if (!connects(epoch.sha256, epoch.epoch, end, message.bridge, tip)) return DROP
  } else if (tip.index >= prevIndex) {
    if (!bytesEqual(chainIn(tip.index) as Uint8Array, tip.hash)) return unsound('the term does not begin at its tip')
  }
  const own = shadow.chainAt(prevIndex)
  if (prevIndex <= shadow.lastIndex && own !== undefined && !bytesEqual(own, before)) {
    return prevIndex <= commitIndex
      ? unsound('it differs from what is committed')
      : { kind: 'refuse', hintIndex: commitIndex }
  }
  const labels = shadow.termAt(prevIndex) ?? { epoch: append.prevEpoch, term: append.prevTerm }
  // Terms follow from what the entries hold, so honest logs with one chain have one label there; but at
  // a base that came with a snapshot, where no entry tells.
  if (own === undefined && (labels.epoch !== append.prevEpoch || labels.term !== append.prevTerm)) return DROP
  if (tip.index < prevIndex && tip.index > commitIndex && prevIndex <= shadow.lastIndex && !standing.holds(tip))
    return { kind: 'refuse', hintIndex: commitIndex }
  if (!areLabelled(view, entries)) return DROP
  const change = shadow.changeIn(epoch.epoch)
  // Nobody acknowledges anything above a change of members: certified, it is the last entry of its epoch.
  if (change !== undefined && end.index > change.index && goesThrough(change, prevIndex, chainIn)) return DROP
  const changeAt = entries.findIndex((entry) => entry.kind === 'membership' && entry.epoch === epoch.epoch)
  const changed = entries[changeAt]
  if (changed !== undefined && changeAt < entries.length - 1)
    return changed.term < append.term && view.isChangeDue(changed) ? { kind: 'stuck' } : DROP
  if (changed !== undefined && changed.index > shadow.lastIndex && !view.isChangeDue(changed)) return DROP
  const conflict = firstConflict(view, entries)
  if (conflict !== null) {
    if (conflict <= commitIndex) return unsound('it would cut what is committed')
    const isSafe = conflict > standing.position.index || !standing.holds(standing.position) || isHigher(view, term, end)
    if (!isSafe) return DROP
  }
  const covered = coveredBy(view, term, end, chainIn)
  const isSigned = end.index > tip.index
  const placed = { ...append, prevEpoch: labels.epoch, prevTerm: labels.term, commitIndex: covered }
  return { kind: 'take', append: placed, end, isSigned, covered }
}

/** Where the leader's log stands after the append: what its header is under. */
export function endOf({ append, header }: HybridAppend): Position {
  return { term: append.term, index: (append.prevIndex + append.entries.length) as LogIndex, hash: header.digest }
}

function goesThrough(
  { index, chain }: Entry,
  prevIndex: number,
  chainIn: (index: number) => Uint8Array | undefined,
): boolean {
  const theirs = chainIn(index)
  return index <= prevIndex || (theirs !== undefined && bytesEqual(theirs, chain))
}

/** The new chain contains the tip of a later term, and with it everything that was committed before. */
function isHigher({ standing }: FollowerView, term: TermCertificate, end: Position): boolean {
  return termOf(term) > standing.position.term && end.index > term.tip.index
}

/** What this node holds already has the term that it has here. */
function areLabelled({ shadow }: FollowerView, entries: readonly Entry[]): boolean {
  return entries.every((entry) => {
    // Nothing is written there; and where the base came with a snapshot, its term is not known.
    if (entry.index <= shadow.base.index) return true
    const label = shadow.termAt(entry.index)
    const own = shadow.chainAt(entry.index)
    const isSame = own === undefined || bytesEqual(own, entry.chain)
    return label === undefined || !isSame || (label.epoch === entry.epoch && label.term === entry.term)
  })
}

function firstConflict({ shadow }: FollowerView, entries: readonly Entry[]): number | null {
  for (const { index, chain } of entries) {
    if (index > shadow.lastIndex) return null
    const own = shadow.chainAt(index)
    if (own !== undefined && !bytesEqual(own, chain)) return index
  }
  return null
}

function coveredBy(
  { standing, commitIndex }: FollowerView,
  term: TermCertificate,
  end: Position,
  chainIn: (index: number) => Uint8Array | undefined,
): LogIndex {
  const { commit } = standing
  if (commit === null) return commitIndex
  const certified = positionOf(commit)
  if (certified.index <= commitIndex) return commitIndex
  if (certified.index <= end.index) {
    const hash = chainIn(certified.index)
    return hash !== undefined && bytesEqual(hash, certified.hash) ? certified.index : commitIndex
  }
  // Below the tip every entry is the term's own past, and what is certified lies on it.
  return end.index <= term.tip.index ? (Math.max(commitIndex, end.index) as LogIndex) : commitIndex
}

/** What is wrong with the entries of an append by themselves; null when nothing is. */
export function appendProblem(
  epoch: RaftEpoch,
  clusterId: Uint8Array,
  message: HybridAppend,
  from: NodeId,
): string | null {
  const { append, header } = message
  const { entries, prevIndex, term } = append
  const end = endOf(message)
  const isHeader =
    header.mode === 'raft' &&
    header.type === 'header' &&
    header.epoch === epoch.epoch &&
    header.view === term &&
    header.sequence === end.index &&
    header.signer === from
  if (append.epoch !== epoch.epoch || !isHeader) return 'the header is not for this append'
  let chain: Uint8Array | null = null
  let index: number = prevIndex
  for (const entry of entries) {
    index++
    if (entry.index !== index || (chain !== null && !bytesEqual(chain, entry.previousChain))) return 'a link is missing'
    if (!verifyChain(epoch.sha256, entry)) return 'a chain value is wrong'
    if (!bytesEqual(entry.clusterId, clusterId)) return 'an entry of another cluster'
    if (entry.index > epoch.origin.index) {
      const problem = labelProblem(epoch, append, entry, entries[entry.index - prevIndex - 2])
      if (problem !== null) return problem
    } else if (entry.epoch >= epoch.epoch) return 'an entry of this epoch before its origin'
    chain = entry.chain
  }
  return chain === null || bytesEqual(chain, header.digest) ? null : 'the header is under another chain'
}

function labelProblem(epoch: RaftEpoch, append: AppendEntries, entry: Entry, before: Entry | undefined): string | null {
  if (entry.epoch !== epoch.epoch || entry.term > append.term) return 'an entry of a later term or another epoch'
  if (!bytesEqual(entry.configHash, epoch.sign.configHash)) return 'an entry of another configuration'
  if (entry.certificate !== null) return 'an entry of a Raft epoch carries no certificate'
  // But what a later term begins with, which nobody acknowledges.
  if (entry.kind === 'mode') return beginsTerm(entry) ? null : 'an entry begins a term that its certificate does not'
  if (before?.kind === 'membership' && before.epoch === entry.epoch) return 'nothing stands above a change of members'
  if (before === undefined) {
    return entry.index > epoch.origin.index + 1 && entry.term === append.prevTerm
      ? null
      : 'a term begins without its certificate'
  }
  return before.epoch === entry.epoch && before.term === entry.term ? null : 'a term begins without its certificate'
}

/** The first entry of a term holds the certificate that names the entry before it. */
export function beginsTerm(entry: Entry): boolean {
  const term = termIn(entry)
  if (term === null) return false
  const follows = term.tip.index === entry.index - 1 && bytesEqual(term.tip.hash, entry.previousChain)
  return follows && termOf(term) === entry.term
}

export function termIn({ body }: Pick<Entry, 'body'>): TermCertificate | null {
  try {
    let found: TermCertificate | null = null
    forEachRequest(body, (start, end, ordinal) => {
      found = ordinal === 0 ? decodeTerm(body.subarray(start, end)) : null
    })
    return found
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
}
