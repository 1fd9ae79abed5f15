/**
 * Finds the leader: asks one member, then, staggered, the others, and again with a back-off while
 * somebody waits. Costs a single handshake when the first member leads.
 */
import type { Links } from './links.js'

const STAGGER_MS = 150
const BACKOFF_MIN_MS = 50
const BACKOFF_MAX_MS = 500

export class Seeker {
  readonly #links: Links
  readonly #wanted: () => boolean
  #timer: NodeJS.Timeout | undefined
  #next: number
  #inRound = 0
  #backoffMs = BACKOFF_MIN_MS

  /** `wanted` says whether somebody still waits for a leader. */
  constructor(links: Links, wanted: () => boolean) {
    this.#links = links
    this.#wanted = wanted
    this.#next = Math.floor(Math.random() * links.candidates.length)
  }

  /** Starts to look, unless it is looking already. */
  seek(): void {
    if (this.#timer === undefined) this.#look(false)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** `again` after a pause: what a refusal says of the leader comes first. */
  #look(again: boolean): void {
    this.#timer = undefined
    if (!this.#wanted()) {
      this.#backoffMs = BACKOFF_MIN_MS
      return
    }
    if (again) this.#links.reconsider()
    const { leader, candidates } = this.#links
    const target = leader ?? (candidates[this.#next++ % candidates.length] as string)
    if (this.#links.link(target) === undefined) {
      // A failure is kept in `links.failures`; the next member is asked after the stagger.
      this.#links.open(target).catch(() => this.#links.doubt(target))
    }
    this.#inRound++
    // So many have to name the leader before one is known.
    let delayMs = this.#inRound < this.#links.needed ? 0 : STAGGER_MS
    if (this.#inRound >= candidates.length) {
      this.#inRound = 0
      delayMs = this.#backoffMs
      this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS)
    }
    this.#timer = setTimeout(() => this.#look(true), delayMs)
  }
}
