/**
 * The state of one cluster as the beginning of another: data and what is derived from it stay byte for
 * byte, and so does the record of the machine (log time, counters). Sessions end, because nobody may go
 * on in them, and the clients are those of the new cluster: keys of the old one mean nothing here.
 */
import type { ClientConfiguration } from '../consensus/configuration.js'
import { ClientTable } from './roles.js'
import { CLIENT_SPACE, classOfKey, MACHINE_SPACE } from './state-keys.js'

interface Pair {
  readonly key: string
  readonly value: Uint8Array
}

/** Takes the pairs of a whole state in key order and gives those of the new one, in key order. */
export class RestoredSpaces {
  /** Pairs of the new clients that are still to be given; null when they have been. */
  #clients: readonly Pair[] | null

  constructor(clients: readonly ClientConfiguration[]) {
    this.#clients = clientPairs(clients)
  }

  /** What stands in the new state up to and including the place of `pair`. */
  take(pair: Pair): readonly Pair[] {
    const kept = classOfKey(pair.key) !== 'system' || pair.key === MACHINE_SPACE ? [pair] : []
    return pair.key < CLIENT_SPACE ? kept : [...this.end(), ...kept]
  }

  /** What is left to give behind the last pair. */
  end(): readonly Pair[] {
    const clients = this.#clients ?? []
    this.#clients = null
    return clients
  }
}

function clientPairs(clients: readonly ClientConfiguration[]): Pair[] {
  const pairs: Pair[] = []
  const collect = {
    get: () => undefined,
    put: (key: string, value: Uint8Array) => void pairs.push({ key, value }),
    delete: () => undefined,
  }
  new ClientTable(collect).seed(clients)
  return pairs.sort((a, b) => (a.key < b.key ? -1 : 1))
}
