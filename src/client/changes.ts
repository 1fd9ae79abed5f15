/**
 * A stream of committed operations: pages of `changes.read`, asked for again and again. It survives members that die
 * and leaders that change; it can be taken up again behind any change that was seen.
 */
import { KnhkError } from '../base/error.js'
import type { Client } from './api.js'

/** One committed operation at its place. What it came to does not stand in the log: rejected ones are among them. */
export interface Change {
  readonly index: number
  readonly position: number
  /** Log time. */
  readonly timestampMs: number
  /** Public key of the client that sent it, hex. */
  readonly client: string
  /** Its session and its number there; both null for what opens one. */
  readonly session: string | null
  readonly sequence: number | null
  readonly type: string | null
  /** As `operationFromJson` takes it; null where it holds bytes that are no text. */
  readonly operation: Readonly<Record<string, unknown>> | null
}

export interface ChangesOptions {
  /** Continue behind this change; null or absent: from the first entry that is still there. */
  readonly after?: { readonly index: number; readonly position: number } | null
  /** Begin at this index; only without `after`. */
  readonly from?: number
  /** Only operations of this type, such as `CreateCase`. All but sessions if absent. */
  readonly type?: string
  readonly caseId?: string
  /** Only `kv` operations on keys that begin so. */
  readonly keyPrefix?: string
  /** End at what is applied now instead of waiting for more. */
  readonly once?: boolean
  /** Between two questions when nothing new was there; 200. */
  readonly pollMs?: number
  /** Give up when nobody answered for this long; 30,000. */
  readonly patienceMs?: number
  readonly signal?: AbortSignal
}

const PAGE_CHANGES = 500
/** Operations whose second copy in the log is recognised: the newest. A client sends one again within seconds. */
const REMEMBERED_MAX = 65_536
const POLL_MS = 200
const PATIENCE_MS = 30_000
const CALL_TIMEOUT_MS = 5_000

interface Page {
  readonly changes: readonly Change[]
  readonly next: { readonly index: number; readonly position: number }
  readonly appliedIndex: number
}

/**
 * Yields changes in log order, each once. Throws `ChangesGone` where the log no longer has the place to begin at (take
 * the state by queries, then begin at the index of that answer), and what the last refusal was when patience ends.
 */
export async function* watchChanges(client: Client, options: ChangesOptions = {}): AsyncGenerator<Change, void> {
  const { after, from, once = false, pollMs = POLL_MS, signal } = options
  const filter = { type: options.type ?? null, caseId: options.caseId ?? null, keyPrefix: options.keyPrefix ?? null }
  let next = after != null ? { index: after.index, position: after.position + 1 } : { index: from ?? null, position: 0 }
  const pager = new Pager(client, options)
  const copies = new Copies()
  for (;;) {
    signal?.throwIfAborted()
    const page = await pager.read({ ...filter, ...next, limit: PAGE_CHANGES })
    for (const change of page.changes) if (!copies.isCopy(change)) yield change
    const isEnd = page.next.index > page.appliedIndex
    const moved = page.next.index !== next.index || page.next.position !== next.position
    next = page.next
    if (isEnd && once) return
    if (isEnd || !moved) await sleep(pollMs, signal)
  }
}

/** Knows the second copy of an operation that a client had to send again. */
class Copies {
  readonly #seen = new Set<string>()

  isCopy({ session, sequence }: Change): boolean {
    if (session === null) return false
    const name = `${session}:${sequence}`
    if (this.#seen.has(name)) return true
    this.#seen.add(name)
    if (this.#seen.size > REMEMBERED_MAX) this.#seen.delete(this.#seen.values().next().value as string)
    return false
  }
}

/** Asks until somebody answers, but not for ever. */
class Pager {
  readonly #client: Client
  readonly #options: ChangesOptions
  #answeredMs = performance.now()

  constructor(client: Client, options: ChangesOptions) {
    this.#client = client
    this.#options = options
  }

  async read(args: Readonly<Record<string, unknown>>): Promise<Page> {
    const { signal, pollMs = POLL_MS, patienceMs = PATIENCE_MS } = this.#options
    const call = { read: 'local', timeoutMs: CALL_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) } as const
    for (;;) {
      try {
        const { value } = await this.#client.query('changes.read', args, call)
        this.#answeredMs = performance.now()
        return value as Page
      } catch (error) {
        const passes = error instanceof KnhkError && error.retryable && signal?.aborted !== true
        if (!passes || performance.now() - this.#answeredMs > patienceMs) throw error
      }
      await sleep(pollMs, signal)
    }
  }
}

/** Ends early, without an error, when the signal fires; who waits looks at the signal. */
function sleep(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, durationMs)
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted === true) end()
  })
}
