/**
 * Remembers the first statement of every signer in every slot, within a bound. It serves both sides of
 * one rule: a replica asks it before it signs (never two digests for one slot), and tells it what it
 * received, so that a second digest becomes evidence.
 */
import type { NodeId } from '../types.js'
import { type SignedStatement, sameStatement, slotKey } from './statement.js'

export class StatementBook {
  readonly #capacityPerSigner: number
  readonly #bySigner = new Map<NodeId, Map<string, SignedStatement>>()

  constructor(capacityPerSigner: number) {
    this.#capacityPerSigner = capacityPerSigner
  }

  /** What this signer said in the slot of `statement` before; undefined for nothing remembered. */
  before(signer: NodeId, statement: Parameters<typeof slotKey>[0]): SignedStatement | undefined {
    return this.#bySigner.get(signer)?.get(slotKey(statement))
  }

  /** The newest that are remembered of a signer, as far as they are meant. */
  newest(signer: NodeId, max: number, isMeant: (statement: SignedStatement) => boolean): SignedStatement[] {
    return [...(this.#bySigner.get(signer)?.values() ?? [])].filter(isMeant).slice(-max)
  }

  /**
   * Notes a statement whose signature holds. Returns the earlier one that it contradicts, null where
   * there is none. The oldest of a signer is forgotten beyond the bound: a flood costs its sender only.
   */
  note(statement: SignedStatement): SignedStatement | null {
    let slots = this.#bySigner.get(statement.signer)
    if (slots === undefined) {
      slots = new Map()
      this.#bySigner.set(statement.signer, slots)
    }
    const key = slotKey(statement)
    const before = slots.get(key)
    if (before !== undefined) return sameStatement(before, statement) ? null : before
    slots.set(key, statement)
    if (slots.size > this.#capacityPerSigner) slots.delete(slots.keys().next().value as string)
    return null
  }

  /** Forgets everything that `isOver` says can matter no more. */
  forget(isOver: (statement: SignedStatement) => boolean): void {
    for (const slots of this.#bySigner.values()) {
      for (const [key, statement] of slots) if (isOver(statement)) slots.delete(key)
    }
  }
}
