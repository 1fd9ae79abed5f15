/**
 * Whether entries that are read back join in the hash chain. The chain value before an entry is mostly
 * that of the entry just read; behind a truncation it has to be read from the disk first, which is owed
 * until the frame is through; behind damage nobody knows it.
 */
import { GENESIS_CHAIN, HASH_BYTES } from '../consensus/entry.js'
import type { EntryPosition } from './position-map.js'
import type { ReportProblem } from './scan-types.js'

const PREVIOUS_CHAIN_AT = 112
const CHAIN_AT = 144

/** Reads an entry's header; null where it cannot be read. */
export type ReadHeader = (position: EntryPosition) => Promise<Uint8Array | null>

/** A chain value that has to be compared with one that is no longer in memory. */
interface ChainDebt {
  readonly before: EntryPosition
  readonly previousChain: Uint8Array
  readonly index: number
}

export class ChainJoin {
  readonly #readHeader: ReadHeader
  readonly #chain: Buffer
  /** `behind`: not in memory, but of an entry on disk. `lost`: damage lies before. */
  #state: 'known' | 'behind' | 'lost'
  #debts: ChainDebt[] = []

  /** `chain` is null where what comes first follows something that nobody knows. */
  constructor(readHeader: ReadHeader, chain: Uint8Array | null) {
    this.#readHeader = readHeader
    this.#chain = Buffer.alloc(HASH_BYTES)
    this.#state = 'lost'
    if (chain !== null) this.set(chain)
  }

  get hasDebts(): boolean {
    return this.#debts.length > 0
  }

  /** The next entry follows `chain`. */
  set(chain: Uint8Array): void {
    this.#chain.set(chain)
    this.#state = 'known'
  }

  lose(): void {
    this.#state = 'lost'
  }

  /** The next entry follows an older one than the last. */
  stepBack(): void {
    if (this.#state !== 'lost') this.#state = 'behind'
  }

  /** True where the last entry is known not to have this chain value. */
  differsFrom(chain: Uint8Array): boolean {
    return this.#state === 'known' && Buffer.compare(this.#chain, chain) !== 0
  }

  /** Takes the entry whose header begins at `start`; `before` finds the position of the one before it. */
  join(
    bytes: Buffer,
    start: number,
    index: number,
    before: (index: number) => EntryPosition | undefined,
    report: ReportProblem,
  ): void {
    const at = start + PREVIOUS_CHAIN_AT
    if (this.#state === 'known') {
      if (bytes.compare(this.#chain, 0, HASH_BYTES, at, at + HASH_BYTES) !== 0) report('chainBroken', index)
    } else if (this.#state === 'behind') {
      const previousChain = Uint8Array.prototype.slice.call(bytes, at, at + HASH_BYTES)
      const position = before(index - 1)
      if (position !== undefined) this.#debts.push({ before: position, previousChain, index })
      else if (index === 1 && Buffer.compare(previousChain, GENESIS_CHAIN) !== 0) report('chainBroken', index)
    }
    bytes.copy(this.#chain, 0, start + CHAIN_AT, start + CHAIN_AT + HASH_BYTES)
    this.#state = 'known'
  }

  async payDebts(report: ReportProblem): Promise<void> {
    for (const { before, previousChain, index } of this.#debts) {
      const header = await this.#readHeader(before)
      const joins =
        header !== null && Buffer.compare(header.subarray(CHAIN_AT, CHAIN_AT + HASH_BYTES), previousChain) === 0
      if (!joins) report('chainBroken', index)
    }
    this.#debts = []
  }

  /** True where the entry at `position` can be read and says that it follows `chain`. */
  async follows(position: EntryPosition, chain: Uint8Array): Promise<boolean> {
    const header = await this.#readHeader(position)
    if (header === null) return false
    return Buffer.compare(header.subarray(PREVIOUS_CHAIN_AT, PREVIOUS_CHAIN_AT + HASH_BYTES), chain) === 0
  }
}
