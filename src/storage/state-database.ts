/**
 * What the applied state needs of an ordered key-value database, and that over classic-level. Every
 * database of the abstract-level family fits, so tests and the simulator bring memory-level.
 */
import { ClassicLevel } from 'classic-level'
import { KnhkError } from '../base/error.js'
import { storageFailed } from './files.js'

/** Size of LevelDB's write buffer; a crash can lose what lies in the last two or three of them. */
export const WRITE_BUFFER_BYTES = 16 * 1024 * 1024
const BLOCK_CACHE_BYTES = 8 * 1024 * 1024

export interface StateBatch {
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  /** Atomic, not synced. */
  write(): Promise<void>
}

export interface StateCursor {
  /** Up to `count` further pairs, fewer only near the end, none at the end. */
  next(count: number): Promise<[Uint8Array, Uint8Array][]>
  close(): Promise<void>
}

export interface StateDatabase {
  getSync(key: Uint8Array): Uint8Array | undefined
  batch(): StateBatch
  /** Pairs with `from` ≤ key < `to`, as of the call. */
  cursor(from: Uint8Array, to: Uint8Array, reverse: boolean): StateCursor
  /** One pair, synced. */
  putDurably(key: Uint8Array, value: Uint8Array): Promise<void>
  close(): Promise<void>
}

export interface StateDatabaseSource {
  /**
   * Opens the database, or gives the open one. Throws `DataDirectoryLocked` where another process has
   * it, `Corrupt` where it cannot be opened any more, `StorageFailed` otherwise.
   */
  open(): Promise<StateDatabase>
  /** Closes and removes it with all its content. */
  destroy(): Promise<void>
}

interface LevelSnapshot {
  close(): Promise<void>
}

interface CursorOptions {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  readonly reverse: boolean
  readonly snapshot: unknown
}

/** The part of an abstract-level database with byte keys and values that is used here. */
export interface LevelLike {
  getSync(key: Uint8Array): Uint8Array | undefined
  batch(): { put(key: Uint8Array, value: Uint8Array): unknown; del(key: Uint8Array): unknown; write(): Promise<void> }
  iterator(options: CursorOptions): {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>
    close(): Promise<void>
  }
  snapshot(): LevelSnapshot
  put(key: Uint8Array, value: Uint8Array, options: { readonly sync: boolean }): Promise<void>
  close(): Promise<void>
}

/** Wraps an open abstract-level database. */
export class LevelDatabase implements StateDatabase {
  readonly #level: LevelLike

  constructor(level: LevelLike) {
    this.#level = level
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.#level.getSync(key)
  }

  batch(): StateBatch {
    const batch = this.#level.batch()
    return {
      put: (key, value) => void batch.put(key, value),
      delete: (key) => void batch.del(key),
      write: () => batch.write(),
    }
  }

  cursor(from: Uint8Array, to: Uint8Array, reverse: boolean): StateCursor {
    const snapshot = this.#level.snapshot()
    const iterator = this.#level.iterator({ gte: from, lt: to, reverse, snapshot })
    return {
      next: (count) => iterator.nextv(count),
      close: async () => {
        await iterator.close()
        await snapshot.close()
      },
    }
  }

  putDurably(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.#level.put(key, value, { sync: true })
  }

  close(): Promise<void> {
    return this.#level.close()
  }
}

class ClassicSource implements StateDatabaseSource {
  readonly #directory: string
  #open: Promise<{ level: ClassicLevel<Uint8Array, Uint8Array>; database: StateDatabase }> | null = null

  constructor(directory: string) {
    this.#directory = directory
  }

  async open(): Promise<StateDatabase> {
    this.#open ??= openClassic(this.#directory)
    try {
      const open = await this.#open
      if (open.level.status === 'open') return open.database
    } catch (error) {
      this.#open = null
      throw error
    }
    this.#open = openClassic(this.#directory)
    return (await this.#open).database
  }

  async destroy(): Promise<void> {
    const open = await this.#open?.catch(() => null)
    this.#open = null
    await open?.level.close()
    try {
      await ClassicLevel.destroy(this.#directory)
    } catch (error) {
      throw storageFailed(`removing the applied state in ${this.#directory}`, error)
    }
  }
}

async function openClassic(
  directory: string,
): Promise<{ level: ClassicLevel<Uint8Array, Uint8Array>; database: StateDatabase }> {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    // Two cores share the work of everything else; disk space is cheaper than their time.
    compression: false,
    cacheSize: BLOCK_CACHE_BYTES,
    writeBufferSize: WRITE_BUFFER_BYTES,
  })
  try {
    await level.open()
  } catch (error) {
    throw openingFailed(directory, error)
  }
  return { level, database: new LevelDatabase(level) }
}

/** LevelDB's own lock on the directory is the kernel's: it is gone when its holder is, however that died. */
function openingFailed(directory: string, error: unknown): KnhkError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? cause.code : ''
  if (code === 'LEVEL_LOCKED') {
    return new KnhkError('DataDirectoryLocked', `another process uses ${directory}`, { cause })
  }
  if (code === 'LEVEL_CORRUPTION')
    return new KnhkError('Corrupt', `the applied state in ${directory} is damaged`, { cause })
  return storageFailed(`opening the applied state in ${directory}`, cause)
}

/** The database of the applied state in a directory of its own. */
export function classicSource(directory: string): StateDatabaseSource {
  return new ClassicSource(directory)
}
