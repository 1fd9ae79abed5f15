/**
 * Evidence against members that lied, kept for good: one file per piece, named by its id, checksummed,
 * replaced only as a whole. What is listed was read and checked; a damaged file is set aside, so that
 * the piece can be taken in again from others. The oldest are kept: whoever lies often is convicted once.
 */
import { assert } from '../base/assert.js'
import { fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { EvidenceStore } from '../node/ports.js'
import { readCheckedBytes, writeCheckedBytes } from './checked-bytes.js'
import { type FileSystem, storageFailed } from './files.js'

const MAGIC = 'knhkevid'
const DAMAGED_SUFFIX = '.damaged'
export const EVIDENCE_FILES_MAX = 1024
export const EVIDENCE_BYTES_MAX = 1024 * 1024

/** Opens the directory, which is made where it does not exist. Throws `StorageFailed`, `UnsupportedFormat`. */
export async function openEvidenceStore(files: FileSystem, directory: string): Promise<FileEvidenceStore> {
  const store = new FileEvidenceStore(files, directory)
  await store.load()
  return store
}

/** The sound pieces in a directory, in the order of their names, for tools that write nothing. */
export async function readKept(files: FileSystem, directory: string): Promise<Uint8Array[]> {
  const kept: Uint8Array[] = []
  if ((await files.stat(directory)) === null) return kept
  for (const name of (await files.readdir(directory)).filter(isId).sort()) {
    const reading = await readCheckedBytes(files, directory, name, MAGIC, EVIDENCE_BYTES_MAX)
    if (reading.state === 'sound') kept.push(reading.content)
  }
  return kept
}

export class FileEvidenceStore implements EvidenceStore {
  readonly #files: FileSystem
  readonly #directory: string
  /** Ids in hex. */
  readonly #ids = new Set<string>()
  readonly #damaged: string[] = []
  /** Settles when nothing is written any more: one piece at a time. */
  #writing: Promise<void> = Promise.resolve()

  constructor(files: FileSystem, directory: string) {
    this.#files = files
    this.#directory = directory
  }

  /** Names of the files that opening found damaged; they are kept under another name. */
  get damaged(): readonly string[] {
    return this.#damaged
  }

  /** Called once, by `openEvidenceStore`. */
  async load(): Promise<void> {
    const [files, directory] = [this.#files, this.#directory]
    try {
      await files.mkdir(directory)
      for (const name of await files.readdir(directory)) {
        if (name.endsWith('.tmp')) await files.unlink(`${directory}/${name}`)
        else if (isId(name)) await this.#loadOne(name)
      }
      // A file may have been seen before its name was durable.
      await files.syncDirectory(directory)
    } catch (error) {
      throw storageFailed(`opening the evidence in ${directory}`, error)
    }
  }

  /** Ids, in the order of their bytes. */
  list(): Uint8Array[] {
    return [...this.#ids].sort().map(fromHex)
  }

  has(id: Uint8Array): boolean {
    return this.#ids.has(toHex(id))
  }

  /** Null where it is not here. Throws `Corrupt` where it rotted since it was listed, `StorageFailed`. */
  async read(id: Uint8Array): Promise<Uint8Array | null> {
    const name = toHex(id)
    if (!this.#ids.has(name)) return null
    try {
      const reading = await this.#reading(name)
      if (reading.state !== 'sound') throw new KnhkError('Corrupt', `evidence ${name} is damaged`)
      return reading.content
    } catch (error) {
      throw storageFailed(`reading evidence in ${this.#directory}`, error)
    }
  }

  /**
   * True when it is here, durably; false where there is no room for more. `id` has 32 bytes. Throws
   * `StorageFailed`; a later call may try again.
   */
  put(id: Uint8Array, evidence: Uint8Array): Promise<boolean> {
    assert(id.length === 32, 'evidence is named by 32 bytes')
    assert(evidence.length <= EVIDENCE_BYTES_MAX, 'evidence is small')
    const done = this.#writing.then(() => this.#put(toHex(id), evidence))
    this.#writing = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }

  async #put(name: string, evidence: Uint8Array): Promise<boolean> {
    if (this.#ids.has(name)) return true
    if (this.#ids.size >= EVIDENCE_FILES_MAX) return false
    try {
      await writeCheckedBytes(this.#files, this.#directory, name, MAGIC, evidence)
    } catch (error) {
      throw storageFailed(`writing evidence to ${this.#directory}`, error)
    }
    this.#ids.add(name)
    return true
  }

  async #loadOne(name: string): Promise<void> {
    if ((await this.#reading(name)).state === 'sound') {
      this.#ids.add(name)
      return
    }
    this.#damaged.push(name)
    await this.#files.rename(`${this.#directory}/${name}`, `${this.#directory}/${name}${DAMAGED_SUFFIX}`)
  }

  #reading(name: string): ReturnType<typeof readCheckedBytes> {
    return readCheckedBytes(this.#files, this.#directory, name, MAGIC, EVIDENCE_BYTES_MAX)
  }
}

function isId(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name)
}
