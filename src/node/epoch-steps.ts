/**
 * How each epoch of this cluster led to the next, as far as this node saw it happen: receipts and
 * evidence carry these steps, so that nobody has to believe a cluster file about members that came
 * later. They are kept when the log has let go of the entries that they were made of.
 */
import { ByteReader, ByteWriter, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { CHAIN_STEPS_MAX, type EpochStep, readChain, stepBetween, writeChain } from '../consensus/bft/epoch-chain.js'
import type { Entry } from '../consensus/entry.js'
import type { LogIndex } from '../consensus/types.js'
import type { LogStore, StepStore } from './ports.js'

export class EpochSteps {
  readonly #log: LogStore
  readonly #store: StepStore

  constructor(log: LogStore, store: StepStore) {
    this.#log = log
    this.#store = store
  }

  /** The first entry of an epoch was applied: the step that led to it is kept. Throws `StorageFailed`. */
  async note(init: Entry): Promise<void> {
    if (init.epoch === 0 || init.epoch > CHAIN_STEPS_MAX) return
    const step = await this.#between((init.index - 1) as LogIndex, init)
    if (step === null) return
    const out = new ByteWriter(2048)
    writeChain(out, [step])
    await this.#store.put(nameOf(step.entry.epoch), out.finish())
  }

  /**
   * From epoch 0 to `epoch`; `origin` is the index of the change of members with which that one began.
   * Throws `NotFound` where this node does not have them all.
   */
  async upTo(epoch: number, origin: LogIndex): Promise<EpochStep[]> {
    const steps: EpochStep[] = []
    for (let from = 0; from < epoch; from++) {
      const step = (await this.#kept(from)) ?? (from === epoch - 1 ? await this.#newest(origin) : null)
      if (step === null) {
        throw new KnhkError('NotFound', `this node does not hold what led from epoch ${from} to the next one`, {
          hint: 'A member that was there at the time has it: ask it with --endpoints.',
          details: { epoch: from },
        })
      }
      steps.push(step)
    }
    return steps
  }

  async #kept(epoch: number): Promise<EpochStep | null> {
    const bytes = await this.#store.read(nameOf(epoch))
    if (bytes === null) return null
    const reader = new ByteReader(bytes)
    const [step] = readChain(reader)
    reader.end()
    return step ?? null
  }

  /** Applied a moment ago and not kept yet. */
  async #newest(origin: LogIndex): Promise<EpochStep | null> {
    const [init] = await this.#log.read((origin + 1) as LogIndex, 1)
    return init === undefined ? null : this.#between(origin, init)
  }

  async #between(index: LogIndex, init: Entry): Promise<EpochStep | null> {
    const [last] = await this.#log.read(index, 1)
    return last === undefined || last.certificate === null ? null : stepBetween(last, init)
  }
}

function nameOf(epoch: number): Uint8Array {
  const name = new Uint8Array(32)
  writeU32(name, 0, epoch)
  return name
}
