/**
 * Opens the links to all members while somebody waits for answers of several of them, each again with a
 * back-off of its own: one member that is down must neither hold up the others nor be hammered.
 */
import type { Links } from './links.js'

const LOOK_MS = 25
const BACKOFF_MIN_MS = 50
const BACKOFF_MAX_MS = 1000

interface Attempt {
  readonly backoffMs: number
  /** Not before then; infinite while it is under way. */
  readonly atMs: number
}

export class Connector {
  readonly #links: Links
  readonly #wanted: () => boolean
  readonly #attempts = new Map<string, Attempt>()
  #timer: NodeJS.Timeout | undefined

  /** `wanted` says whether somebody still waits. */
  constructor(links: Links, wanted: () => boolean) {
    this.#links = links
    this.#wanted = wanted
  }

  /** Starts to connect, unless it does already. */
  connect(): void {
    if (this.#timer === undefined) this.#look()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    this.#timer = undefined
    if (!this.#wanted()) return
    const nowMs = performance.now()
    for (const { id } of this.#links.members) {
      if (this.#links.link(id) === undefined) this.#try(id, nowMs)
    }
    this.#timer = setTimeout(() => this.#look(), LOOK_MS)
  }

  #try(id: string, nowMs: number): void {
    const { backoffMs, atMs } = this.#attempts.get(id) ?? { backoffMs: BACKOFF_MIN_MS, atMs: nowMs }
    // It lets us in and closes, again and again: not without a pause.
    if (atMs > nowMs || !this.#links.mayDial(id)) return
    this.#attempts.set(id, { backoffMs, atMs: Number.POSITIVE_INFINITY })
    this.#links.open(id).then(
      () => this.#attempts.delete(id),
      () => {
        // The failure is kept in `links.failures`.
        const next = { backoffMs: Math.min(2 * backoffMs, BACKOFF_MAX_MS), atMs: performance.now() + backoffMs }
        this.#attempts.set(id, next)
      },
    )
  }
}
