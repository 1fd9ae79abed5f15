/**
 * When an adversary lies, how, and how often: not before `afterMs`, `count` times, then it is honest again.
 * The lies themselves are those of the simulator; bad signatures are made here.
 */
import type { ProtocolMessage } from '../../src/consensus/core.js'
import type { NodeId } from '../../src/consensus/types.js'
import type { Liar } from '../../src/simulator/byzantine/liar.js'
import type { Speak } from './lying-links.js'

export const ADVERSARY_LIES = ['bad-signatures', 'equivocate', 'tamper', 'forge', 'withhold', 'flood'] as const
export type AdversaryLie = (typeof ADVERSARY_LIES)[number]

export interface CampaignOptions {
  readonly lie: AdversaryLie
  /** Messages that are lied about. */
  readonly count: number
  readonly afterMs: number
  readonly nowMs: () => number
  readonly liar: Liar
  /** Whether this is the moment: a lie may wait for an office. */
  readonly isTimely: () => boolean
  /** Told when the first and the last lie was told. */
  readonly report: (text: string) => void
}

export class Campaign {
  readonly #options: CampaignOptions
  readonly #startMs: number
  #told = 0

  constructor(options: CampaignOptions) {
    this.#options = options
    this.#startMs = options.nowMs()
  }

  /** The liar told one lie. */
  noteLie(): void {
    const { count, lie, report } = this.#options
    this.#told++
    if (this.#told === 1) report(`the first lie: ${lie}`)
    if (this.#told === count) report(`${count} lies told; honest from here on`)
  }

  /** False before the time, and when all lies are told. */
  get isOn(): boolean {
    const { count, afterMs, nowMs, isTimely } = this.#options
    return this.#told < count && nowMs() >= this.#startMs + afterMs && isTimely()
  }

  readonly speak: Speak = (to: NodeId, message: ProtocolMessage) => {
    const { lie, liar } = this.#options
    if (!this.isOn) {
      if (liar.lie !== null) liar.take(null)
      return liar.speak(to, message)
    }
    if (lie === 'bad-signatures') {
      const spoiled = withBadSignature(message)
      if (spoiled === null) return null
      this.noteLie()
      return [{ message: spoiled, delayMs: 0 }]
    }
    if (liar.lie !== lie) liar.take(lie)
    return liar.speak(to, message)
  }
}

/** The message with one byte of its own signature changed; null where it is not signed. */
export function withBadSignature(message: ProtocolMessage): ProtocolMessage | null {
  if ('vote' in message) {
    const { vote } = message
    return { ...message, vote: { ...vote, signature: spoiled(vote.signature) } } as ProtocolMessage
  }
  if ('signature' in message && message.signature instanceof Uint8Array) {
    return { ...message, signature: spoiled(message.signature) } as ProtocolMessage
  }
  return null
}

/** Still of the form of a signature: only the check shows it. */
export function spoiled(signature: Uint8Array): Uint8Array {
  const out = signature.slice()
  out[0] = (out[0] as number) ^ 1
  return out
}
