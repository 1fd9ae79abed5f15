/**
 * A database in memory that loses what a crash may take, for tests and the simulator. It behaves like
 * LevelDB without synced writes: the newest batches are in one or two write logs, and a crash keeps a
 * beginning of each; so a later batch can survive an earlier one.
 */
import {
  LevelDatabase,
  type LevelLike,
  type StateBatch,
  type StateDatabase,
  type StateDatabaseSource,
} from './state-database.js'

/** Batches in the two write logs together; older ones are safe. */
const UNSAFE_BATCHES_MAX = 8

type Write = readonly [key: Uint8Array, value: Uint8Array | null]

export class VolatileSource implements StateDatabaseSource {
  readonly #createLevel: () => Promise<LevelLike>
  readonly #durable = new Map<string, Write>()
  #unsafe: (readonly Write[])[] = []
  #open: StateDatabase | null = null
  /** Counts crashes: a database of an earlier run writes no more. */
  #run = 0

  /** `createLevel` gives a new, open, empty database with byte keys and values. */
  constructor(createLevel: () => Promise<LevelLike>) {
    this.#createLevel = createLevel
  }

  async open(): Promise<StateDatabase> {
    if (this.#open !== null) return this.#open
    const level = await this.#createLevel()
    const content = level.batch()
    for (const [key, value] of this.#content()) if (value !== null) content.put(key, value)
    await content.write()
    this.#open = this.#watched(new LevelDatabase(level), this.#run)
    return this.#open
  }

  async destroy(): Promise<void> {
    await this.#open?.close()
    this.#durable.clear()
    this.#unsafe = []
  }

  /** The process dies and the system stays: nothing that was written is lost. */
  kill(): void {
    this.#run++
    this.#open = null
  }

  /** The power fails: each of two write logs keeps a beginning. */
  crash(random: () => number): void {
    const boundary = Math.floor(random() * (this.#unsafe.length + 1))
    const logs = [this.#unsafe.slice(0, boundary), this.#unsafe.slice(boundary)]
    this.#unsafe = logs.flatMap((log) => log.slice(0, Math.floor(random() * (log.length + 1))))
    for (const batch of this.#unsafe) this.#settle(batch)
    this.#unsafe = []
    this.kill()
  }

  /** Bit rot in a stored value. */
  flipBit(key: Uint8Array, offset: number): void {
    for (const [stored, value] of this.#content()) {
      if (value !== null && Buffer.compare(stored, key) === 0) {
        const damaged = value.slice()
        damaged[offset] = (damaged[offset] as number) ^ 1
        this.#settle([[key, damaged]])
      }
    }
  }

  #content(): IterableIterator<Write> {
    for (const batch of this.#unsafe) this.#settle(batch)
    this.#unsafe = []
    return this.#durable.values()
  }

  #settle(batch: readonly Write[]): void {
    for (const write of batch) this.#durable.set(Buffer.from(write[0]).toString('latin1'), write)
  }

  #written(run: number, batch: readonly Write[]): void {
    if (run !== this.#run) return
    this.#unsafe.push(batch)
    if (this.#unsafe.length > UNSAFE_BATCHES_MAX) this.#settle(this.#unsafe.shift() ?? [])
  }

  #watched(database: StateDatabase, run: number): StateDatabase {
    return {
      getSync: (key) => database.getSync(key),
      cursor: (from, to, reverse) => database.cursor(from, to, reverse),
      batch: () => watchBatch(database.batch(), (batch) => this.#written(run, batch)),
      putDurably: async (key, value) => {
        await database.putDurably(key, value)
        if (run !== this.#run) return
        // A synced write takes along what the log holds before it: nothing older may come back over it.
        for (const batch of this.#unsafe) this.#settle(batch)
        this.#unsafe = []
        this.#settle([[key, value]])
      },
      close: async () => {
        await database.close()
        if (run === this.#run) this.#open = null
      },
    }
  }
}

function watchBatch(batch: StateBatch, written: (writes: readonly Write[]) => void): StateBatch {
  const writes: Write[] = []
  return {
    put: (key, value) => {
      writes.push([key.slice(), value.slice()])
      batch.put(key, value)
    },
    delete: (key) => {
      writes.push([key.slice(), null])
      batch.delete(key)
    },
    write: async () => {
      await batch.write()
      written(writes)
    },
  }
}
