/**
 * The applied state: apply sees it as memory, the disk gets it behind apply's back. Changes collect in
 * an open generation; `rotate` freezes it at an entry boundary, and `flush` carries what is frozen to
 * the database in one atomic, unsynced batch. Nothing here is synced, because log and snapshot can give it again; what matters
 * is that a store which lost something never passes for whole (see `state-recovery.ts`).
 */
import { assert } from '../base/assert.js'
import { KnhkError } from '../base/error.js'
import type { LogIndex } from '../consensus/types.js'
import type { StatePair, StateStore } from '../node/ports.js'
import { storageFailed } from './files.js'
import { StateCache } from './state-cache.js'
import type { StateCursor, StateDatabase, StateDatabaseSource } from './state-database.js'
import { type Generation, StateFlusher } from './state-flusher.js'
import {
  checkedValue,
  DAMAGE_KEY,
  DATA_KEYS_END,
  dataKey,
  keyOfData,
  protectValue,
  type StateIdentity,
} from './state-format.js'
import { type Change, changesInRange, mergePairs, type Pair } from './state-merge.js'
import { type RebuildReason, type RecoveredState, recoverState } from './state-recovery.js'
import { replaceState } from './state-replacement.js'

const CACHE_BYTES = 64 * 1024 * 1024
const CURSOR_CHUNK = 500
/** A walk shares the loop with everything else. */
const WALK_CHUNK = 256
/** One batch takes generations up to this sum, or a single one: LevelDB holds a batch three times over while it is written. */
const BATCH_BYTES_MAX = 64 * 1024 * 1024
/** What a key in a generation takes besides its bytes: the string, its place in the map, the view of the value. */
const KEY_OVERHEAD_BYTES = 256

export interface StateStoreOptions {
  readonly source: StateDatabaseSource
  readonly identity: StateIdentity
  /** Runs a callback in a later turn of the loop. */
  readonly nextTurn: (callback: () => void) => void
  /** A write failed, for good: the node has to stop. Called once. */
  readonly onFailed: (error: KnhkError) => void
  /** A generation reached the database; `unflushedBytes` went down. */
  readonly onFlushed?: () => void
  /** 64 MiB. */
  readonly cacheBytes?: number
}

/**
 * Opens the applied state. A store that is foreign, damaged or incomplete starts from nothing
 * (`rebuilt` says why). Throws `DataDirectoryLocked` and `StorageFailed`.
 */
export async function openStateStore(options: StateStoreOptions): Promise<OverlayStateStore> {
  try {
    return new OverlayStateStore(options, await recoverState(options.source, options.identity))
  } catch (error) {
    throw storageFailed('opening the applied state', error)
  }
}

export class OverlayStateStore implements StateStore {
  /** Why the store was emptied at open; null where it continues. */
  readonly rebuilt: RebuildReason
  readonly #options: StateStoreOptions
  readonly #database: StateDatabase
  readonly #cache: StateCache
  readonly #flusher: StateFlusher
  #open = new Map<string, Uint8Array | null>()
  #openBytes = 0
  /** Oldest first. */
  readonly #frozen: Generation[] = []
  #frozenBytes = 0
  #rotatedIndex: number
  /** Where the next generation begins: behind this entry. */
  #frozenIndex: number
  /** While a walk is prepared: nothing newer is written. */
  #flushLimit = Number.POSITIVE_INFINITY
  #walking = false
  #flushing: Promise<void> | null = null
  #failure: KnhkError | null = null

  constructor(options: StateStoreOptions, recovered: RecoveredState) {
    const { database, position, markers } = recovered
    const { identity, nextTurn } = options
    this.#options = options
    this.rebuilt = recovered.rebuilt
    this.#database = database
    this.#cache = new StateCache(options.cacheBytes ?? CACHE_BYTES)
    this.#flusher = new StateFlusher({ database, identity, position, markers, nextTurn, cache: this.#cache })
    this.#rotatedIndex = position.appliedIndex
    this.#frozenIndex = position.appliedIndex
  }

  get appliedIndex(): LogIndex {
    return this.#flusher.appliedIndex as LogIndex
  }

  get unflushedBytes(): number {
    return this.#frozenBytes
  }

  get openBytes(): number {
    return this.#openBytes + KEY_OVERHEAD_BYTES * this.#open.size
  }

  get(key: string): Uint8Array | undefined {
    const open = this.#open.get(key)
    if (open !== undefined) return open ?? undefined
    for (let i = this.#frozen.length - 1; i >= 0; i--) {
      const frozen = (this.#frozen[i] as Generation).changes.get(key)
      if (frozen !== undefined) return frozen ?? undefined
    }
    return this.#cache.get(key) ?? this.#load(key)
  }

  /** The store keeps `value` itself: the caller must not change it afterwards. */
  put(key: string, value: Uint8Array): void {
    this.#open.set(key, value)
    this.#openBytes += key.length + value.length
  }

  delete(key: string): void {
    this.#open.set(key, null)
    this.#openBytes += key.length
  }

  rotate(appliedIndex: LogIndex): ReadonlyMap<string, Uint8Array | null> {
    if (this.#failure !== null) throw this.#failure
    assert(appliedIndex >= this.#rotatedIndex, 'generations end in the order of the log')
    this.#rotatedIndex = appliedIndex
    const changes = this.#open
    if (changes.size === 0) {
      // Nothing changed up to here either: whatever comes begins behind it.
      this.#frozenIndex = appliedIndex
      return changes
    }
    const bytes = this.openBytes
    this.#frozen.push({ changes, bytes, previousIndex: this.#frozenIndex, appliedIndex })
    this.#frozenIndex = appliedIndex
    this.#frozenBytes += bytes
    this.#open = new Map()
    this.#openBytes = 0
    return changes
  }

  flush(): void {
    const oldest = this.#frozen[0]
    if (oldest !== undefined && oldest.appliedIndex <= this.#flushLimit) this.#flushing ??= this.#flushAll()
  }

  async range(
    from: string,
    to: string,
    options: { readonly limit?: number; readonly reverse?: boolean } = {},
  ): Promise<{ key: string; value: Uint8Array }[]> {
    const { limit = Number.POSITIVE_INFINITY, reverse = false } = options
    const found: Pair[] = []
    if (limit <= 0 || from >= to) return found
    const cursor = this.#database.cursor(dataKey(from), dataKey(to), reverse)
    const changes = this.#changes({ from, to, reverse })
    // One more chunk than needed is cheap; a chunk per pair is not.
    const chunk = Math.max(1, Math.min(limit, CURSOR_CHUNK))
    for await (const pair of mergePairs(changes, cursor, { reverse, chunk, decode: this.#decode })) {
      found.push(pair)
      if (found.length >= limit) break
    }
    return found
  }

  async condemn(): Promise<void> {
    await this.#database.putDurably(DAMAGE_KEY, protectValue(DAMAGE_KEY, new Uint8Array(0)))
  }

  scan(): AsyncIterable<{ key: string; value: Uint8Array }> {
    // Both are taken now, before the first pair is asked for.
    const cursor = this.#database.cursor(dataKey(''), DATA_KEYS_END, false)
    const changes = this.#changes({ from: '', to: null, reverse: false })
    return mergePairs(changes, cursor, { reverse: false, chunk: CURSOR_CHUNK, decode: this.#decode })
  }

  async walk(index: LogIndex): Promise<AsyncIterable<readonly StatePair[]>> {
    assert(!this.#walking, 'there is one walk at a time')
    assert(index <= this.#rotatedIndex, 'a walk shows what was rotated')
    this.#walking = true
    this.#flushLimit = index
    try {
      // A write under way may still carry newer generations.
      await this.#flushing
      this.flush()
      await this.#flushing
      if (this.#failure !== null) throw this.#failure
      if (this.#flusher.appliedIndex > index || (this.#frozen[0]?.previousIndex ?? index) < index) {
        throw new KnhkError('Refused', `the state as of index ${index} is gone: a newer one was written`)
      }
      return this.#walkCursor(this.#database.cursor(dataKey(''), DATA_KEYS_END, false))
    } catch (error) {
      this.#walking = false
      throw error
    } finally {
      this.#flushLimit = Number.POSITIVE_INFINITY
      this.flush()
    }
  }

  async replace(appliedIndex: LogIndex, pairs: AsyncIterable<StatePair>): Promise<void> {
    assert(!this.#walking, 'a state that is replaced is not walked over')
    await this.#flushing
    if (this.#failure !== null) throw this.#failure
    this.#open.clear()
    this.#openBytes = 0
    this.#frozen.length = 0
    this.#frozenBytes = 0
    this.#cache.clear()
    try {
      await replaceState(this.#database, this.#flusher, appliedIndex, pairs)
    } catch (error) {
      this.#failure = storageFailed('replacing the applied state', error)
      throw this.#failure
    }
    this.#rotatedIndex = appliedIndex
    this.#frozenIndex = appliedIndex
  }

  /** Writes what is frozen, and the last applied index, and closes. The open generation is dropped: it ends inside the log. */
  async close(): Promise<void> {
    this.flush()
    await this.#flushing
    if (this.#failure === null && this.#rotatedIndex > this.#flusher.appliedIndex && this.#open.size === 0) {
      const previousIndex = this.#frozenIndex
      this.#frozen.push({ changes: new Map(), bytes: 0, previousIndex, appliedIndex: this.#rotatedIndex })
      await this.#flushAll()
    }
    await this.#database.close()
  }

  #changes(range: Parameters<typeof changesInRange>[2]): Promise<Change[]> {
    const frozen = this.#frozen.map((generation) => generation.changes)
    return changesInRange(frozen, this.#open, range, this.#options.nextTurn)
  }

  /** Whole chunks: a turn of a generator for each pair would cost more than reading it. */
  async *#walkCursor(cursor: StateCursor): AsyncGenerator<readonly StatePair[]> {
    try {
      for (;;) {
        const stored = await cursor.next(WALK_CHUNK)
        if (stored.length === 0) return
        yield stored.map(([key, value]) => this.#decode(key, value))
      }
    } finally {
      await cursor.close()
      this.#walking = false
    }
  }

  async #flushAll(): Promise<void> {
    try {
      for (;;) {
        const writing = this.#nextBatch()
        if (writing.length === 0) break
        await this.#flusher.flush(writing)
        this.#frozen.splice(0, writing.length)
        for (const generation of writing) this.#frozenBytes -= generation.bytes
        this.#options.onFlushed?.()
      }
    } catch (error) {
      this.#failure = storageFailed('writing the applied state', error)
      this.#options.onFailed(this.#failure)
    }
    this.#flushing = null
  }

  /** The oldest generations that may be written, as many as one batch takes. */
  #nextBatch(): Generation[] {
    let bytes = 0
    return this.#frozen.filter((generation, at) => {
      bytes += generation.bytes
      return generation.appliedIndex <= this.#flushLimit && (at === 0 || bytes <= BATCH_BYTES_MAX)
    })
  }

  #load(key: string): Uint8Array | undefined {
    const stored = this.#database.getSync(dataKey(key))
    if (stored === undefined) return undefined
    const { value } = this.#decode(dataKey(key), stored)
    this.#cache.set(key, value)
    return value
  }

  readonly #decode = (key: Uint8Array, stored: Uint8Array): Pair => {
    const value = checkedValue(key, stored)
    if (value !== null) return { key: keyOfData(key), value }
    // The next start finds this and rebuilds the store; if even that cannot be written, it meets the same value again.
    this.#database.putDurably(DAMAGE_KEY, protectValue(DAMAGE_KEY, new Uint8Array(0))).catch(() => undefined)
    throw new KnhkError('Corrupt', 'a value of the applied state has a wrong checksum', {
      hint: 'Start the node again: it rebuilds the applied state from its log.',
    })
  }
}
