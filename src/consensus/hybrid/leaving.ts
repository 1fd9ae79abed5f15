/**
 * Leaving an epoch (S1 to S3): the histories of its members, the hand-over that follows from a quorum of
 * them, and the bodies of the result. A node proposes only a result that it holds in full, and votes for
 * none before it does.
 */
import { bytesEqual, toHex } from '../../base/bytes.js'
import { type Branch, type Evidence, fork } from '../bft/evidence.js'
import type { Entry } from '../entry.js'
import type { LogIndex, Mode, NodeId } from '../types.js'
import { type AbortHistory, viewOf } from './abort-history.js'
import { ENTRIES_MAX } from './codec.js'
import { FetchedEntries } from './fetched.js'
import { withTerms } from './fetched-labels.js'
import type { LogShadow } from './log-shadow.js'
import type { Position } from './positions.js'
import { type HistoryView, select } from './select.js'
import { type EndingEpoch, encodeHandOver } from './switch-certificate.js'

/** How the own log becomes the result. */
export interface Assembly {
  /** The last index at which the own log is on the result's chain. */
  readonly forkIndex: LogIndex
  /** What follows it. */
  readonly entries: readonly Entry[]
}

export interface Missing {
  readonly from: LogIndex
  readonly upTo: LogIndex
}

/** A hand-over as it is proposed. */
export interface Proposal {
  readonly protocol: Mode
  readonly proof: Uint8Array
}

interface Candidate {
  readonly histories: readonly AbortHistory[]
  readonly result: Position
  readonly holders: readonly NodeId[]
}

/** Combinations of histories that are looked at: all of them for ten members. */
const COMBINATIONS_MAX = 256

export class Leaving {
  readonly ending: EndingEpoch
  readonly #shadow: LogShadow
  /** What was told to the driver, which is never cut. */
  #released: LogIndex
  readonly #histories = new Map<NodeId, { readonly history: AbortHistory; readonly view: HistoryView }>()
  readonly #fetched: FetchedEntries
  /** What is asked for now; nothing else is taken. */
  #wanted: readonly Position[] = []
  #isDecided = false
  #asked = 0

  constructor(ending: EndingEpoch, shadow: LogShadow, released: LogIndex, fetched: readonly Entry[]) {
    this.ending = ending
    this.#shadow = shadow
    this.#released = released
    this.#fetched = new FetchedEntries(fetched)
  }

  /** A snapshot took the place of the log up to here. */
  beginsBehind(index: LogIndex): void {
    this.#released = index
  }

  get count(): number {
    return this.#histories.size
  }

  get histories(): AbortHistory[] {
    return [...this.#histories.values()].map(({ history }) => history)
  }

  /** What a vote is written with. */
  get stored(): Entry[] {
    return this.#fetched.stored(this.#onPaths())
  }

  fetchedRows(from: LogIndex, upTo: LogIndex): Entry[][] {
    return this.#fetched.rows(from, upTo)
  }

  knows(id: NodeId): boolean {
    return this.#histories.has(id)
  }

  /** Takes a verified history; the first of each member counts. */
  note(history: AbortHistory): boolean {
    const { signer } = history.vote
    if (this.#histories.has(signer)) return false
    this.#histories.set(signer, { history, view: viewOf(this.ending.raft, history) })
    return true
  }

  /** What it and the other histories show of one leader's log in one term, where these are two logs. */
  forksWith({ vote }: AbortHistory): Evidence[] {
    const branches = [...this.#histories].flatMap(([id, known]) => (id === vote.signer ? [] : branchOf(known)))
    const own = this.#histories.get(vote.signer)
    const { sign } = this.ending.raft
    return (own === undefined ? [] : branchOf(own)).flatMap((branch) =>
      branches.flatMap((other) => fork(sign, branch, other) ?? []),
    )
  }

  /**
   * The hand-over to propose, where some quorum gives a result that is here in full; else what to fetch.
   * `next` is asked with the change of members that the epoch ends with, null where it ends without one.
   */
  propose(
    next: (change: Entry | null) => Mode,
    evidence: readonly Evidence[],
  ): Proposal | { readonly missing: Candidate | null } {
    let missing: Candidate | null = null
    for (const { histories, result, holders } of this.#candidates()) {
      const assembly = this.assemble(result)
      if (!('entries' in assembly)) {
        missing ??= { histories, result, holders }
        continue
      }
      const change = this.changeIn(assembly, result)
      if (change === undefined) continue
      const protocol = next(change)
      return { protocol, proof: encodeHandOver({ protocol, change, histories, evidence }) }
    }
    return { missing }
  }

  /**
   * The change of members that a result ends with; null for none. Undefined where it goes on behind one: a
   * liar's history can hide that, and no honest member votes for such a result.
   */
  changeIn({ forkIndex, entries }: Assembly, { index: end }: { readonly index: LogIndex }): Entry | null | undefined {
    for (let index: number = this.#released + 1; index <= end; index++) {
      const entry = index <= forkIndex ? this.#shadow.entry(index) : entries[index - forkIndex - 1]
      if (entry?.kind !== 'membership' || entry.epoch !== this.ending.raft.epoch) continue
      return index === end ? entry : undefined
    }
    return null
  }

  *#candidates(): Generator<Candidate> {
    const { replicas } = this.ending.raft
    const all = replicas.ids.flatMap((id) => this.#histories.get(id) ?? [])
    let looked = 0
    for (const chosen of combinations(all, replicas.quorum)) {
      if (++looked > COMBINATIONS_MAX) return
      const found = select(chosen.map(({ view }) => view))
      if (found.kind === 'result')
        yield { histories: chosen.map(({ history }) => history), result: found.result, holders: found.holders }
    }
  }

  /** The result on top of the own log, or what is missing of it. */
  assemble(result: Position): Assembly | Missing {
    const { raft } = this.ending
    const { row, index, isWhole } = this.#walk(result, (hash) => this.#fetched.at(hash))
    const before = this.#shadow.termAt(index)
    const isKnown = before !== undefined && before.epoch === raft.epoch && before.term > 0
    const entries = isWhole ? withTerms(raft, isKnown ? before.term : null, row.reverse(), result.term) : null
    if (entries !== null) return { forkIndex: index, entries }
    // Where it is all here, but not as any honest log has it, it stays missing.
    const upTo = isWhole ? result.index : index
    return { from: Math.max(this.#released + 1, upTo - ENTRIES_MAX + 1) as LogIndex, upTo }
  }

  /** The results that are asked for now. */
  wants(results: readonly Position[], isDecided: boolean): void {
    this.#wanted = results
    this.#isDecided = isDecided
  }

  /** Of entries that somebody sent those that are asked for; links, labels, bodies and clients' signatures were checked. */
  take(entries: readonly Entry[]): void {
    const offered = new Map(entries.map((entry) => [toHex(entry.chain), entry]))
    for (const result of this.#wanted) {
      this.#walk(result, (hash) => this.#fetched.at(hash) ?? this.#kept(offered.get(toHex(hash))))
    }
  }

  /** Undefined where there is no room for it. */
  #kept(entry: Entry | undefined): Entry | undefined {
    if (entry === undefined || this.#fetched.add(entry, this.#isDecided)) return entry
    this.#fetched.retain(this.#onPaths())
    return this.#fetched.add(entry, false) ? entry : undefined
  }

  /** What is here of the results that are asked for, the end of each first. */
  #onPaths(): Entry[] {
    return this.#wanted.flatMap((result) => this.#walk(result, (hash) => this.#fetched.at(hash)).row)
  }

  /** From the end of a result downwards, to the own log or to what cannot be found. */
  #walk(
    { index: end, hash }: Position,
    find: (hash: Uint8Array) => Entry | undefined,
  ): { readonly row: Entry[]; readonly index: LogIndex; readonly isWhole: boolean } {
    const row: Entry[] = []
    let wanted = hash
    for (let index = end; ; index = (index - 1) as LogIndex) {
      const own = this.#shadow.chainAt(index)
      // What was told to the driver is within every result; its entries may have left memory.
      const isOwn = own === undefined ? index <= this.#released : bytesEqual(own, wanted)
      if (isOwn) return { row, index, isWhole: true }
      const entry = find(wanted)
      if (entry === undefined || entry.index !== index) return { row, index, isWhole: false }
      row.push(entry)
      wanted = entry.previousChain
    }
  }

  /** Whom to ask next: those whose histories show the result first, then everybody. */
  nextDonor(holders: readonly NodeId[], self: NodeId): NodeId | undefined {
    const others = [...new Set([...holders, ...this.ending.raft.replicas.ids])].filter((id) => id !== self)
    return others[this.#asked++ % others.length]
  }
}

/** The log that a history shows, with its leader's word; none where it ends with what is certified. */
function branchOf({ history, view }: { readonly history: AbortHistory; readonly view: HistoryView }): Branch[] {
  const { header, headers } = history
  return header === null ? [] : [{ header, start: view.certified, hashes: view.hashes, headers }]
}

function* combinations<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  if (size === 0) {
    yield []
    return
  }
  for (let at = 0; at + size <= items.length; at++) {
    for (const rest of combinations(items.slice(at + 1), size - 1)) yield [items[at] as T, ...rest]
  }
}
