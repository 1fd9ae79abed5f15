/**
 * How each epoch of this cluster led to the next, as far as this node saw it happen: receipts and
 * evidence carry these steps, so that nobody has to believe a cluster file about members that came
 * later. They are kept when the log has let go of the entries that they were made of.
 */
import { ByteReader, ByteWriter, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { CHAIN_STEPS_MAX, type EpochStep, readChain, stepBetween, writeChain } from '../consensus/bft/epoch-chain.js'
import type { Core } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import { type EpochLink, epochEndedBy, LINKS_MAX, readLinks, writeLinks } from '../consensus/hybrid/epoch-links.js'
import type { LogIndex } from '../consensus/types.js'
import type { EpochPath } from '../workflow/receipts/epochs.js'
import type { LogStore, StepStore } from './ports.js'

/** A switch certificate of very many members with long histories may be larger: others have to show it then. */
const LINK_BYTES_MAX = 1 << 20

export class EpochSteps {
  readonly #log: LogStore
  readonly #store: StepStore
  readonly #core: Pick<Core, 'epochLinks'>

  constructor(log: LogStore, store: StepStore, core: Pick<Core, 'epochLinks'>) {
    this.#log = log
    this.#store = store
    this.#core = core
  }

  /** The first entry of an epoch was applied: the step that led to it is kept. Throws `StorageFailed`. */
  async note(init: Entry): Promise<void> {
    if (init.epoch === 0 || init.epoch > CHAIN_STEPS_MAX || this.#core.epochLinks !== undefined) return
    const step = await this.#between((init.index - 1) as LogIndex, init)
    if (step === null) return
    const out = new ByteWriter(2048)
    writeChain(out, [step])
    await this.#store.put(nameOf(step.entry.epoch), out.finish())
  }

  /** Keeps what the core knows of the newest epochs, which it forgets. Throws `StorageFailed`. */
  async noteLinks(): Promise<void> {
    for (const link of this.#core.epochLinks?.() ?? []) {
      const epoch = epochEndedBy(link)
      if (epoch >= LINKS_MAX || (await this.#store.read(nameOf(epoch))) !== null) continue
      const out = new ByteWriter(4096)
      writeLinks(out, [link])
      const bytes = out.finish()
      if (bytes.length <= LINK_BYTES_MAX) await this.#store.put(nameOf(epoch), bytes)
    }
  }

  /**
   * From epoch 0 to `epoch`; `origin` is the index of the change of members with which that one began.
   * Throws `NotFound` where this node does not have them all.
   */
  async upTo(epoch: number, origin: LogIndex): Promise<EpochPath> {
    const path: EpochLink[] = []
    for (let from = 0; from < epoch; from++) {
      const link = await this.#outOf(from, from === epoch - 1 ? origin : null)
      if (link === null) {
        throw new KnhkError('NotFound', `this node does not hold what led from epoch ${from} to the next one`, {
          hint: 'A member that was there at the time has it: ask it with --endpoints.',
          details: { epoch: from },
        })
      }
      path.push(link)
    }
    return path
  }

  async #outOf(epoch: number, origin: LogIndex | null): Promise<EpochLink | null> {
    const known = this.#core.epochLinks?.()
    const newest = known?.find((link) => epochEndedBy(link) === epoch)
    if (newest !== undefined) return newest
    const bytes = await this.#store.read(nameOf(epoch))
    if (bytes === null) return origin === null || known !== undefined ? null : this.#newest(origin)
    const reader = new ByteReader(bytes)
    const [link] = known === undefined ? readChain(reader).map(wedge) : readLinks(reader)
    reader.end()
    return link ?? null
  }

  /** Applied a moment ago and not kept yet. */
  async #newest(origin: LogIndex): Promise<EpochLink | null> {
    const [init] = await this.#log.read((origin + 1) as LogIndex, 1)
    const step = init === undefined ? null : await this.#between(origin, init)
    return step === null ? null : wedge(step)
  }

  async #between(index: LogIndex, init: Entry): Promise<EpochStep | null> {
    const [last] = await this.#log.read(index, 1)
    return last === undefined || last.certificate === null ? null : stepBetween(last, init)
  }
}

/** What a hybrid node kept of how its epochs led to each other. Throws `Corrupt`, `StorageFailed`. */
export async function keptLinks(store: StepStore): Promise<EpochLink[]> {
  const links: EpochLink[] = []
  for (const name of store.list()) {
    const bytes = await store.read(name)
    if (bytes !== null) links.push(...readLinks(new ByteReader(bytes)))
  }
  return links
}

function wedge({ entry, checkpoint }: EpochStep): EpochLink {
  return { kind: 'wedge', entry, checkpoint }
}

function nameOf(epoch: number): Uint8Array {
  const name = new Uint8Array(32)
  writeU32(name, 0, epoch)
  return name
}
