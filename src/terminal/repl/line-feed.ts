/**
 * Lines one at a time, for the REPL and for a command that reads lines of its own inside it (`sim step`): both draw
 * from the same source, so that none is lost when a command is cancelled while it waits for one.
 */
export class LineFeed {
  readonly #lines: AsyncIterator<string>
  /** The line that somebody waited for and gave up on; the next one to ask gets it. */
  #pending: Promise<IteratorResult<string, unknown>> | null = null

  constructor(lines: AsyncIterable<string>) {
    this.#lines = lines[Symbol.asyncIterator]()
  }

  /** Null at the end. Throws what the signal says. */
  async next(signal?: AbortSignal): Promise<string | null> {
    this.#pending ??= this.#lines.next()
    const waiting = this.#pending
    const result = signal === undefined ? await waiting : await Promise.race([waiting, aborted(signal)])
    this.#pending = null
    return result.done === true ? null : result.value
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}
