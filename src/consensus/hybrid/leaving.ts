/**
 * Leaving an epoch (S1 to S3): the histories of its members, the hand-over that follows from a quorum of
 * them, and the bodies of the result. A node proposes only a result that it holds in full, and votes for
 * none before it does.
 */
import { toHex } from '../../base/bytes.js'
import { type Branch, type Evidence, fork } from '../bft/evidence.js'
import { type Entry, verifyChain } from '../entry.js'
import type { LogIndex, NodeId } from '../types.js'
import { type AbortHistory, viewOf } from './abort-history.js'
import { ENTRIES_MAX } from './codec.js'
import type { LogShadow } from './log-shadow.js'
import type { Position } from './positions.js'
import { type HistoryView, select } from './select.js'
import { type EndingEpoch, encodeHandOver, type HandOverContent } from './switch-certificate.js'

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

interface Candidate {
  readonly histories: readonly AbortHistory[]
  readonly result: Position
  readonly holders: readonly NodeId[]
}

/** What is fetched of a result, in memory: who lacks more is given a snapshot. */
export const FETCHED_MAX = 16_384
const FETCHED_BYTES_MAX = 256 << 20
/** Combinations of histories that are looked at: all of them for ten members. */
const COMBINATIONS_MAX = 256

export class Leaving {
  readonly ending: EndingEpoch
  readonly #shadow: LogShadow
  /** What was told to the driver, which is never cut. */
  #released: LogIndex
  readonly #histories = new Map<NodeId, { readonly history: AbortHistory; readonly view: HistoryView }>()
  /** By chain in hex. */
  readonly #fetched = new Map<string, Entry>()
  #asked = 0

  constructor(ending: EndingEpoch, shadow: LogShadow, released: LogIndex, fetched: readonly Entry[]) {
    this.ending = ending
    this.#shadow = shadow
    this.#released = released
    for (const entry of fetched) this.#fetched.set(toHex(entry.chain), entry)
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

  get fetched(): Entry[] {
    return [...this.#fetched.values()].slice(-ENTRIES_MAX)
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
   * `protocol` is asked with the change of members that the epoch ends with, null where it ends without one.
   */
  propose(
    protocol: (change: Entry | null) => HandOverContent['protocol'],
    evidence: readonly Evidence[],
  ): Uint8Array | { readonly missing: Candidate | null } {
    let missing: Candidate | null = null
    for (const { histories, result, holders } of this.#candidates()) {
      const assembly = this.assemble(result)
      if (!('entries' in assembly)) {
        missing ??= { histories, result, holders }
        continue
      }
      const change = this.changeIn(assembly, result)
      if (change !== undefined) return encodeHandOver({ protocol: protocol(change), change, histories, evidence })
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
  assemble(result: { readonly index: LogIndex; readonly hash: Uint8Array }): Assembly | Missing {
    const entries: Entry[] = []
    let wanted = result.hash
    for (let index: number = result.index; ; index--) {
      const own = this.#shadow.chainAt(index)
      // What was told to the driver is within every result; its entries may have left memory.
      const isOwn = own === undefined ? index <= this.#released : toHex(own) === toHex(wanted)
      if (isOwn) return { forkIndex: index as LogIndex, entries: entries.reverse() }
      const entry = this.#fetched.get(toHex(wanted))
      if (entry === undefined || entry.index !== index) {
        const from = Math.max(this.#released + 1, index - ENTRIES_MAX + 1)
        return { from: from as LogIndex, upTo: index as LogIndex }
      }
      entries.push(entry)
      wanted = entry.previousChain
    }
  }

  /** Entries that somebody sent; their links, bodies and clients' signatures were checked. */
  take(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.index > this.#released) this.#fetched.set(toHex(entry.chain), entry)
    }
    let bytes = 0
    for (const { body } of this.#fetched.values()) bytes += body.length
    for (const [key, { body }] of this.#fetched) {
      if (this.#fetched.size <= FETCHED_MAX && bytes <= FETCHED_BYTES_MAX) return
      bytes -= body.length
      this.#fetched.delete(key)
    }
  }

  /** Whom to ask next: those whose histories show the result first, then everybody. */
  nextDonor(holders: readonly NodeId[], self: NodeId): NodeId | undefined {
    const others = [...new Set([...holders, ...this.ending.raft.replicas.ids])].filter((id) => id !== self)
    return others[this.#asked++ % others.length]
  }
}

/** Whether entries are what their chain values say, each the successor of the one before. */
export function areLinked(ending: EndingEpoch, entries: readonly Entry[]): boolean {
  return entries.every((entry, at) => {
    const before = entries[at - 1]
    const follows =
      before === undefined || (before.index + 1 === entry.index && toHex(before.chain) === toHex(entry.previousChain))
    return follows && verifyChain(ending.raft.sha256, entry)
  })
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
