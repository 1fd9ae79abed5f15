/**
 * What a simulated node has on its disk for certain, kept beside the node: every write that its log
 * reported as durable. What the node says to others, and what it finds when it starts again, is held
 * against it.
 */
import { bytesEqual, toHex } from '../base/bytes.js'
import type { HardState, RestoredLog, StoreRecord } from '../consensus/core.js'
import { InvariantViolation } from './violation.js'

interface Held {
  readonly term: number
  readonly chain: Uint8Array
}

interface Content {
  hardState: HardState | null
  /** Everything up to here is covered by a snapshot. */
  base: number
  last: number
  readonly entries: Map<number, Held>
  /** What the core must know again, and what it left epochs with, as the core wrote it. */
  safety: Uint8Array | null
  readonly aborts: Map<number, Uint8Array>
}

export class DurableModel {
  readonly #node: string
  #content: Content = empty()
  /**
   * The write under way: after a crash it is there as a whole or not at all, but for a change of the base in
   * the middle, which is a file of its own: what comes before it is on disk first, what follows after it.
   */
  #pending: readonly StoreRecord[] | null = null
  /** What was there before damage, which others may have counted on. */
  #beforeDamage: Content | null = null

  constructor(node: string) {
    this.#node = node
  }

  get last(): number {
    return this.#content.last
  }

  get hardState(): HardState | null {
    return this.#content.hardState
  }

  get safety(): Uint8Array | null {
    return this.#content.safety
  }

  /** How the node left this epoch; undefined where it did not, for certain. */
  abortOf(epoch: number): Uint8Array | undefined {
    return this.#content.aborts.get(epoch)
  }

  begin(records: readonly StoreRecord[]): void {
    this.#pending = records
  }

  /** The write that `begin` announced is reported as durable. */
  written(): void {
    for (const record of this.#pending ?? []) apply(this.#content, record)
    this.#pending = null
  }

  /** True where the entry is, or before damage was, on this disk. */
  hasHeld(index: number, chain: Uint8Array): boolean {
    return (
      holds(this.#content, index, chain) || (this.#beforeDamage !== null && holds(this.#beforeDamage, index, chain))
    )
  }

  /** The disk was damaged: what is there next time is taken as it is. */
  damaged(): void {
    this.#beforeDamage = copy(this.#content)
  }

  /**
   * The highest entry that this disk held before it was damaged and that is committed: others may have
   * counted on it. `committedChain` gives the chain of a committed entry, undefined for none.
   */
  owed(committedChain: (index: number) => string | undefined): number {
    const before = this.#beforeDamage
    if (before === null) return 0
    for (let index = before.last; index > before.base; index--) {
      const held = before.entries.get(index)
      if (held !== undefined && toHex(held.chain) === committedChain(index)) return index
    }
    return before.base
  }

  /** The chain of an entry on this disk; null where it is not known. */
  chainAt(index: number): Uint8Array | null {
    return this.#content.entries.get(index)?.chain ?? null
  }

  /** The node starts. Throws `InvariantViolation` where something durable is gone from an undamaged disk. */
  restored(log: RestoredLog, isDamaged: boolean): void {
    const { hardState, lastIndex, tail } = log
    if (!isDamaged && this.#content.hardState !== null && !this.#explains(log)) {
      const { last, hardState: known } = this.#content
      throw new InvariantViolation(
        'durableSurvives',
        `${this.#node} found term ${hardState.term}, last ${lastIndex} on its disk, where term ${known?.term}, last ${last} was durable`,
      )
    }
    this.#pending = null
    const content = this.#content
    if (isDamaged) this.#rememberSaid()
    content.hardState = hardState
    for (const index of content.entries.keys()) if (index > lastIndex) content.entries.delete(index)
    for (const { index, term, chain } of tail) content.entries.set(index, { term, chain })
    content.last = lastIndex
    content.safety = log.safety
    for (const { epoch, payload } of log.aborts) content.aborts.set(epoch, payload)
  }

  /** What was called durable after the disk was damaged, by the damaging write itself too, others may have counted on as well. */
  #rememberSaid(): void {
    const before = this.#beforeDamage
    if (before === null || before.last >= this.#content.last) return
    for (const [index, held] of this.#content.entries) if (index > before.last) before.entries.set(index, held)
    before.last = this.#content.last
  }

  /** With or without the write that was under way. */
  #explains(log: RestoredLog): boolean {
    if (isLike(this.#content, log)) return true
    if (this.#pending === null) return false
    const after = copy(this.#content)
    for (const step of stepsOf(this.#pending)) {
      for (const record of step) apply(after, record)
      if (isLike(after, log)) return true
    }
    return false
  }
}

function stepsOf(records: readonly StoreRecord[]): StoreRecord[][] {
  const steps: StoreRecord[][] = [[]]
  for (const record of records) {
    if (record.kind === 'base') steps.push([record], [])
    else steps.at(-1)?.push(record)
  }
  return steps
}

function empty(): Content {
  return { hardState: null, base: 0, last: 0, entries: new Map(), safety: null, aborts: new Map() }
}

function copy(content: Content): Content {
  return { ...content, entries: new Map(content.entries), aborts: new Map(content.aborts) }
}

function holds({ base, last, entries }: Content, index: number, chain: Uint8Array): boolean {
  if (index > last) return false
  const held = entries.get(index)
  return held === undefined ? index <= base : bytesEqual(held.chain, chain)
}

function isLike({ hardState, last, entries }: Content, log: RestoredLog): boolean {
  if (log.lastIndex !== last) return false
  const { term, votedFor } = log.hardState
  if (hardState !== null && (hardState.term !== term || hardState.votedFor !== votedFor)) return false
  const found = log.tail.at(-1)
  const held = entries.get(last)
  return found === undefined || held === undefined || bytesEqual(found.chain, held.chain)
}

function apply(content: Content, record: StoreRecord): void {
  switch (record.kind) {
    case 'hardState':
      content.hardState = record.hardState
      return
    case 'safety':
      content.safety = record.safety
      return
    case 'abort':
      content.aborts.set(record.epoch, record.payload)
      return
    case 'truncate':
      for (let index = record.from as number; index <= content.last; index++) content.entries.delete(index)
      content.last = Math.min(content.last, record.from - 1)
      return
    case 'entries':
      for (const { index, term, chain } of record.entries) {
        content.entries.set(index, { term, chain })
        content.last = index
      }
      return
    case 'base': {
      const { index, chain } = record.base
      const held = content.entries.get(index)
      if (index > content.last || (held !== undefined && !bytesEqual(held.chain, chain))) {
        content.entries.clear()
        content.last = index
      }
      for (const known of content.entries.keys()) if (known <= index) content.entries.delete(known)
      content.base = index
    }
  }
}
