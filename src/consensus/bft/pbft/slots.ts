/**
 * The slots between the last stable checkpoint and the end of the window: what was proposed, who voted,
 * what is prepared and what is decided. Votes are those of the present view; the certificate with the
 * highest view and the values stay over view changes.
 */
import { assert } from '../../../base/assert.js'
import { bytesEqual, toHex } from '../../../base/bytes.js'
import type { LogIndex, Millis, NodeId } from '../../types.js'
import type { Certificate } from '../certificate.js'
import type { SignedStatement } from '../statement.js'
import type { PrePrepare, Value } from './messages.js'

export type Phase = 'prepare' | 'commit'

export class Slot {
  readonly index: LogIndex
  /** When it was first proposed in this view; null for never. */
  sinceMs: Millis | null = null
  /** d that this replica stands for in this view; null before a proposal. */
  accepted: Uint8Array | null = null
  /** A proposal of this view that this replica cannot vote for yet. */
  held: PrePrepare | null = null
  /** d that the new view orders and whose value is missing. */
  wanted: Uint8Array | null = null
  /** The certificate with the highest view. */
  prepared: Certificate | null = null
  /** The commit certificate, once there is one. */
  decided: Certificate | null = null
  /** Votes of this view: the first of each signer. */
  readonly votes: Readonly<Record<Phase, Map<NodeId, SignedStatement>>> = { prepare: new Map(), commit: new Map() }
  readonly #values = new Map<string, Value>()

  constructor(index: LogIndex) {
    this.index = index
  }

  value(digest: Uint8Array): Value | undefined {
    return this.#values.get(toHex(digest))
  }

  /** Everything known of what this slot may hold, by digest in hex. */
  get values(): ReadonlyMap<string, Value> {
    return this.#values
  }

  /** True when it was new. */
  addValue(digest: Uint8Array, value: Value): boolean {
    const key = toHex(digest)
    if (this.#values.has(key)) return false
    this.#values.set(key, value)
    return true
  }

  /**
   * This replica stands for the value with this digest in this view. Each view may bring another one: beyond
   * `valuesMax` those of the oldest views go, or a slot that many views did not decide would take no fresh one.
   */
  accept(digest: Uint8Array, valuesMax: number): void {
    assert(this.accepted === null, 'one value per slot and view')
    this.accepted = digest
    const key = toHex(digest)
    const value = this.#values.get(key)
    assert(value !== undefined, 'what a replica stands for it has')
    // In the order of the views that last gave them.
    this.#values.delete(key)
    this.#values.set(key, value)
    const kept = [digest, this.prepared?.statement.digest, this.decided?.statement.digest]
    const keys = new Set(kept.map((one) => (one === undefined ? '' : toHex(one))))
    for (const old of this.#values.keys()) {
      if (this.#values.size <= valuesMax) return
      // A certificate may yet need its value: the next view orders it, or it is decided.
      if (!keys.has(old)) this.#values.delete(old)
    }
  }

  isPreparedIn(view: number): boolean {
    return this.prepared !== null && this.prepared.statement.view === view
  }

  votesFor(phase: Phase, digest: Uint8Array): SignedStatement[] {
    return [...this.votes[phase].values()].filter((vote) => bytesEqual(vote.digest, digest))
  }

  /** A certificate replaces one of a lower view. */
  raise(certificate: Certificate): void {
    if (this.prepared === null || certificate.statement.view > this.prepared.statement.view) this.prepared = certificate
  }

  /** Another view begins: its votes start from nothing. */
  resetView(): void {
    this.accepted = null
    this.wanted = null
    this.held = null
    this.sinceMs = null
    this.votes.prepare.clear()
    this.votes.commit.clear()
  }
}

export class Slots {
  readonly #slots = new Map<number, Slot>()

  get(index: number): Slot | undefined {
    return this.#slots.get(index)
  }

  /** The caller has checked that the index lies in the window. */
  open(index: LogIndex): Slot {
    let slot = this.#slots.get(index)
    if (slot === undefined) {
      slot = new Slot(index)
      this.#slots.set(index, slot)
    }
    return slot
  }

  /** In index order. */
  all(): Slot[] {
    return [...this.#slots.values()].sort((a, b) => a.index - b.index)
  }

  /** Those above `index`, in index order: a few, where all are as many as the window has. */
  above(index: number): Slot[] {
    const slots: Slot[] = []
    for (const slot of this.#slots.values()) if (slot.index > index) slots.push(slot)
    return slots.length < 2 ? slots : slots.sort((a, b) => a.index - b.index)
  }

  dropUpTo(index: number): void {
    for (const at of this.#slots.keys()) if (at <= index) this.#slots.delete(at)
  }

  dropAbove(index: number): void {
    for (const at of this.#slots.keys()) if (at > index) this.#slots.delete(at)
  }

  clear(): void {
    this.#slots.clear()
  }

  resetView(): void {
    for (const slot of this.#slots.values()) slot.resetView()
  }

  get size(): number {
    return this.#slots.size
  }

  /** Of the highest slot; `below` where there is none above it. */
  highest(below: LogIndex): LogIndex {
    let highest = below
    for (const at of this.#slots.keys()) if (at > highest) highest = at as LogIndex
    assert(highest >= below, 'the highest slot is not below the start')
    return highest
  }
}
