/**
 * The envelope beside a snapshot file: the certificate of the checkpoint that it holds. Certificates
 * differ from node to node (any quorum may have signed), so they have no place in the file, which is the
 * same bytes everywhere. It names its snapshot by the whole id: a lookalike's proves nothing.
 */
import { assert } from '../base/assert.js'
import { bytesEqual, concatBytes } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { readCheckedBytes, writeCheckedBytes } from './checked-bytes.js'
import type { FileSystem } from './files.js'

const MAGIC = 'knhkcert'
const SUFFIX = '.cert'
const ID_BYTES = 32
const NAME = /^([0-9a-f]{16}-[0-9a-f]{16}\.snap)\.cert(\.tmp)?$/
/** A quorum of 64 members has 43 signatures of 64 bytes. */
export const SNAPSHOT_CERTIFICATE_BYTES_MAX = 64 * 1024

/** Names are those of the snapshot files. */
export class SnapshotEnvelopes {
  readonly #files: FileSystem
  readonly #directory: string

  constructor(files: FileSystem, directory: string) {
    this.#files = files
    this.#directory = directory
  }

  /** Null where there is none. Throws `Corrupt` where it cannot be told what it said, or of what. */
  async read(name: string, id: Uint8Array): Promise<Uint8Array | null> {
    const bytesMax = ID_BYTES + SNAPSHOT_CERTIFICATE_BYTES_MAX
    const reading = await readCheckedBytes(this.#files, this.#directory, name + SUFFIX, MAGIC, bytesMax)
    if (reading.state === 'absent') return null
    if (reading.state === 'sound' && bytesEqual(reading.content.subarray(0, ID_BYTES), id))
      return reading.content.slice(ID_BYTES)
    throw new KnhkError('Corrupt', `the certificate beside ${name} is damaged`)
  }

  /** Durable when it resolves. */
  write(name: string, id: Uint8Array, certificate: Uint8Array): Promise<void> {
    assert(certificate.length <= SNAPSHOT_CERTIFICATE_BYTES_MAX, 'a checkpoint certificate is small')
    return writeCheckedBytes(this.#files, this.#directory, name + SUFFIX, MAGIC, concatBytes([id, certificate]))
  }

  async remove(name: string): Promise<void> {
    const path = `${this.#directory}/${name}${SUFFIX}`
    if ((await this.#files.stat(path)) !== null) await this.#files.unlink(path)
  }

  /** Removes, of `found` in the directory, envelopes without a snapshot in `kept` and half-written ones. */
  async tidy(found: readonly string[], kept: readonly string[]): Promise<void> {
    for (const name of found) {
      const match = NAME.exec(name)
      if (match === null) continue
      const isHalf = match[2] !== undefined
      if (isHalf || !kept.includes(match[1] as string)) await this.#files.unlink(`${this.#directory}/${name}`)
    }
  }
}
