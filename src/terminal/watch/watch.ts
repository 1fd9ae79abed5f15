/**
 * `watch`: looks again and again, and hands every look to a full screen, to lines, or to NDJSON. It ends after
 * `count` looks, by q or Ctrl-C.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '../../client/api.js'
import type { Paint } from '../colours.js'
import { requireReachable } from '../status-report.js'
import { type Sample, Sampler } from './sample.js'
import { Screen } from './screen.js'
import { screenLines, WatchHistory } from './view.js'

const CTRL_C = '\u0003'

export interface WatchOptions {
  readonly client: Client
  readonly intervalMs: number
  /** Null: until somebody ends it. */
  readonly count: number | null
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onSample: (sample: Sample) => void | Promise<void>
}

/** Throws when no member answers the first look, and what the signal says; later looks show what they find. */
export async function watchCluster(options: WatchOptions): Promise<void> {
  const { client, intervalMs, count, timeoutMs, signal } = options
  const sampler = new Sampler(client)
  for (let looks = 0; count === null || looks < count; looks++) {
    if (looks > 0) await delay(intervalMs, undefined, { signal })
    const sample = await sampler.look({ timeoutMs, signal })
    signal.throwIfAborted()
    if (looks === 0) requireReachable(sample.status)
    await options.onSample(sample)
  }
}

export interface FullScreenOptions extends Omit<WatchOptions, 'onSample' | 'signal'> {
  readonly name: string
  readonly paint: Paint
  readonly signal: AbortSignal
  /** Keys are ours to read; inside the REPL they are not. */
  readonly readKeys: boolean
}

/** How it ended: by a key or the count, or because the command was cancelled. */
export type WatchEnd = 'done' | 'interrupted'

export async function watchFullScreen(options: FullScreenOptions): Promise<WatchEnd> {
  const { name, paint, readKeys } = options
  const history = new WatchHistory()
  const keys = readKeys ? new Keys() : null
  const signal = keys === null ? options.signal : AbortSignal.any([options.signal, keys.signal])
  // A property: the compiler takes a variable that only a closure sets for null for ever.
  const shown: { screen: Screen | null } = { screen: null }
  const hint = readKeys ? 'q leaves' : 'Ctrl-C leaves'
  const draw = () => {
    const { screen } = shown
    screen?.draw(screenLines(history, { name, rows: screen.rows, columns: screen.columns, paint, hint }))
  }
  process.stdout.on('resize', draw)
  try {
    await watchCluster({
      ...options,
      signal,
      onSample: (sample) => {
        shown.screen ??= new Screen(process.stdout)
        history.add(sample)
        draw()
      },
    })
    return 'done'
  } catch (error) {
    if (keys?.left === true) return 'done'
    if (signal.aborted) return 'interrupted'
    throw error
  } finally {
    process.stdout.removeListener('resize', draw)
    shown.screen?.leave()
    keys?.close()
  }
}

/** q leaves; in raw mode Ctrl-C is a key like any other. */
class Keys {
  readonly #controller = new AbortController()
  readonly #onData = (data: Buffer) => {
    const text = data.toString()
    if (text.includes(CTRL_C)) this.#controller.abort()
    else if (/[qQ]/.test(text)) {
      this.left = true
      this.#controller.abort()
    }
  }
  left = false

  constructor() {
    process.stdin.setRawMode(true)
    process.stdin.on('data', this.#onData)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  close(): void {
    process.stdin.removeListener('data', this.#onData)
    process.stdin.setRawMode(false)
    process.stdin.pause()
  }
}
