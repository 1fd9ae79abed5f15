/**
 * Which incarnation each other member showed first. A member that comes back with another one lost its
 * disk: it must not vote or acknowledge under its old name until it was replaced.
 */
import { bytesEqual, fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { readCheckedJson, writeCheckedJson } from './checked-json.js'
import { type FileSystem, storageFailed } from './files.js'

const FILE = 'known-peers.json'
const FORMAT = 1
const PEERS_MAX = 1024

export type PeerStanding = 'known' | 'unknown' | 'different'

export class KnownPeers {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #incarnations: Map<string, Uint8Array>
  #writing: Promise<void> = Promise.resolve()

  private constructor(files: FileSystem, directory: string, incarnations: Map<string, Uint8Array>) {
    this.#files = files
    this.#directory = directory
    this.#incarnations = incarnations
  }

  /** Reads `known-peers.json` in the data directory; empty where it does not exist. Throws `Corrupt`, `UnsupportedFormat`. */
  static async load(files: FileSystem, directory: string): Promise<KnownPeers> {
    const fields = await readCheckedJson(files, directory, FILE, FORMAT)
    const incarnations = new Map<string, Uint8Array>()
    const { peers = {} } = fields ?? {}
    if (typeof peers !== 'object' || peers === null) throw new KnhkError('Corrupt', `${directory}/${FILE} is damaged`)
    for (const [nodeId, incarnation] of Object.entries(peers)) {
      if (typeof incarnation !== 'string') throw new KnhkError('Corrupt', `${directory}/${FILE} is damaged`)
      incarnations.set(nodeId, fromHex(incarnation))
    }
    return new KnownPeers(files, directory, incarnations)
  }

  standing(nodeId: string, incarnation: Uint8Array): PeerStanding {
    const known = this.#incarnations.get(nodeId)
    if (known === undefined) return 'unknown'
    return bytesEqual(known, incarnation) ? 'known' : 'different'
  }

  /** Records a member's incarnation, also in place of an older one; durable when it resolves. Throws `StorageFailed`. */
  remember(nodeId: string, incarnation: Uint8Array): Promise<void> {
    if (this.standing(nodeId, incarnation) === 'known') return this.#writing
    if (this.#incarnations.size >= PEERS_MAX && !this.#incarnations.has(nodeId)) {
      throw new KnhkError('ResourceExhausted', `more than ${PEERS_MAX} members are known`)
    }
    this.#incarnations.set(nodeId, incarnation.slice())
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    const peers = Object.fromEntries(
      [...this.#incarnations].map(([nodeId, incarnation]) => [nodeId, toHex(incarnation)]),
    )
    try {
      await writeCheckedJson(this.#files, this.#directory, FILE, FORMAT, { peers })
    } catch (error) {
      throw storageFailed(`writing ${FILE}`, error)
    }
  }
}
