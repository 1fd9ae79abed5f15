/**
 * SELECT: from the abort histories of a quorum, where the aborted epoch ends. Pure, and blind to the
 * order of its input. What was answered or applied is always within the result (Guerraoui, Knezevic,
 * Quema and Vukolic, "The Next 700 BFT Protocols", has the frame; docs/decisions/0013-hybrid.md the
 * rules for a Raft log and the argument).
 *
 * The histories are valid one by one (`abort-history.ts`): links, certificates and signatures hold.
 */
import { assert } from '../../base/assert.js'
import { bytesEqual, toHex } from '../../base/bytes.js'
import type { EntryKind } from '../entry.js'
import type { LogIndex, NodeId } from '../types.js'
import { comparePlaces, type Position } from './positions.js'

/** A valid history as SELECT sees it. */
export interface HistoryView {
  readonly signer: NodeId
  /** Its highest commit certificate's position, or the epoch's origin: where the chain shown here begins. */
  readonly certified: Position
  /** The end of its log, as it was said in the last term it took part in. */
  readonly tip: Position
  /** chain(certified.index + 1) … chain(tip.index). */
  readonly hashes: readonly Uint8Array[]
  readonly kinds: readonly EntryKind[]
  /** Of the certificate of the tip's term: who leads it, and what its log begins after. Null where the tip is certified. */
  readonly term: { readonly leader: NodeId; readonly tip: Position } | null
}

export type Selection =
  /** The epoch ends here; `holders` showed the whole of it. */
  | { readonly kind: 'result'; readonly result: Position; readonly holders: readonly NodeId[] }
  /** This leader said two things: a quorum of histories of others decides. */
  | { readonly kind: 'exclude'; readonly leader: NodeId }

/** Judges exactly a quorum of valid histories of different members. */
export function select(histories: readonly HistoryView[]): Selection {
  assert(new Set(histories.map(({ signer }) => signer)).size === histories.length, 'one history of each member')
  const views = [...histories].sort((a, b) => (a.signer < b.signer ? -1 : 1))
  const first = views[0]
  assert(first !== undefined, 'there are histories')
  let decided = first.certified
  let last = first.tip
  for (const { certified, tip } of views) {
    if (comparePlaces(certified, decided) > 0) decided = certified
    if (tip.term > last.term) last = tip
  }
  const anchor = decided.term === last.term ? decided : tipOf(views, last.term)
  const newest = views.filter((view) => view.tip.term === last.term && contains(view, anchor))
  const longest = newest.reduce(
    (best, view) => (view.tip.index > best.tip.index ? view : best),
    newest[0] as HistoryView,
  )
  if (newest.every(({ tip }) => contains(longest, tip))) return resultAt(views, longest, longest.tip, decided)
  const leader = leaderOf(newest)
  if (views.some(({ signer }) => signer === leader)) return { kind: 'exclude', leader }
  return followMost(views, newest, anchor, decided)
}

/** The tip after which the log of the highest term begins: one per term, by the certificate. */
function tipOf(views: readonly HistoryView[], term: number): Position {
  const found = views.find((view) => view.tip.term === term)?.term
  assert(found !== undefined && found !== null, 'above its certified position a history shows its term certificate')
  return found.tip
}

function leaderOf(views: readonly HistoryView[]): NodeId {
  const found = views.find(({ term }) => term !== null)?.term
  assert(found !== undefined && found !== null, 'a fork stands above what is certified')
  return found.leader
}

/** chain(index) of a history; undefined outside of what it shows. */
export function hashAt({ certified, hashes }: HistoryView, index: number): Uint8Array | undefined {
  return index === certified.index ? certified.hash : hashes[index - certified.index - 1]
}

function contains(view: HistoryView, { index, hash }: Position): boolean {
  const own = hashAt(view, index)
  return own !== undefined && bytesEqual(own, hash)
}

/** The branch that more than half of these histories hold, as far as it goes: two branches cannot both have that. */
function followMost(
  views: readonly HistoryView[],
  newest: readonly HistoryView[],
  anchor: Position,
  decided: Position,
): Selection {
  const most = Math.floor(views.length / 2) + 1
  let end = anchor
  for (;;) {
    const index = (end.index + 1) as LogIndex
    const counts = new Map<string, { hash: Uint8Array; count: number }>()
    for (const view of newest) {
      const hash = contains(view, end) ? hashAt(view, index) : undefined
      if (hash === undefined) continue
      const counted = counts.get(toHex(hash)) ?? { hash, count: 0 }
      counted.count++
      counts.set(toHex(hash), counted)
    }
    const next = [...counts.values()].find(({ count }) => count >= most)
    if (next === undefined) break
    end = { term: (newest[0] as HistoryView).tip.term, index, hash: next.hash }
  }
  const holder = newest.find((view) => contains(view, end)) as HistoryView
  return resultAt(views, holder, end, decided)
}

/**
 * Cut at the first configuration operation, above which nothing is ever acknowledged: behind it where it is
 * certified, before it where it is not. A change of members that may not have been decided does not take
 * place: it was never told to anybody, and whether who ordered it may is known to no one yet.
 */
function resultAt(views: readonly HistoryView[], holder: HistoryView, end: Position, decided: Position): Selection {
  const { certified, kinds } = holder
  const at = kinds.slice(0, end.index - certified.index).indexOf('membership')
  const cut = certified.index + at + (certified.index + 1 + at <= decided.index ? 1 : 0)
  const result = at < 0 ? end : placeAt(holder, end, cut as LogIndex)
  const holders = views.filter((view) => contains(view, result)).map(({ signer }) => signer)
  return { kind: 'result', result, holders }
}

function placeAt(holder: HistoryView, { term }: Position, index: LogIndex): Position {
  return index === holder.certified.index
    ? holder.certified
    : { term, index, hash: hashAt(holder, index) as Uint8Array }
}
