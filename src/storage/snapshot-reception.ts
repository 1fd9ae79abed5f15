/**
 * A snapshot that arrives piece by piece in a file of its own. The bytes are synced at fixed steps and
 * none behind a step is written before, so after a crash everything below the last step is durable and
 * the transfer goes on from there.
 */
import { assert } from '../base/assert.js'
import { bytesEqual, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { SnapshotOffer } from '../consensus/snapshot.js'
import type { SnapshotInfo, SnapshotReception } from '../node/ports.js'
import { type FileHandle, type FileSystem, storageFailed } from './files.js'
import { encodeSnapshotHeader } from './snapshot-format.js'
import type { ReadSnapshot } from './snapshot-reader.js'
import { SYNC_STEP_BYTES } from './snapshot-writer.js'

const PREFIX = 'receiving-'
const SUFFIX = '.part'

export function partName(id: Uint8Array): string {
  return `${PREFIX}${toHex(id)}${SUFFIX}`
}

export function isPartName(name: string): boolean {
  return name.startsWith(PREFIX) && name.endsWith(SUFFIX)
}

export interface ReceptionParts {
  readonly files: FileSystem
  readonly path: string
  readonly offer: SnapshotOffer
  /** 4 MiB. */
  readonly syncStepBytes?: number
  /** Reads and checks the whole file. */
  readonly verify: (path: string) => Promise<ReadSnapshot>
  /** Gives the verified file its name and lists it. */
  readonly admit: (path: string, found: ReadSnapshot) => Promise<SnapshotInfo>
}

/** Opens or begins the file. Throws `StorageFailed`. */
export async function openReception(parts: ReceptionParts): Promise<FileReception> {
  const { files, path, offer, syncStepBytes = SYNC_STEP_BYTES } = parts
  try {
    const there = (await files.stat(path)) !== null
    const handle = await files.open(path, there ? 'append' : 'create')
    const size = Math.min(handle.size, offer.bytes + 1)
    const durable = Math.max(0, Math.floor((size - 1) / syncStepBytes)) * syncStepBytes
    if (handle.size > durable) await handle.truncate(durable)
    return new FileReception(parts, handle)
  } catch (error) {
    throw storageFailed(`receiving into ${path}`, error)
  }
}

export class FileReception implements SnapshotReception {
  readonly offer: SnapshotOffer
  readonly #parts: ReceptionParts
  readonly #step: number
  readonly #handle: FileHandle
  #ended = false

  constructor(parts: ReceptionParts, handle: FileHandle) {
    this.offer = parts.offer
    this.#parts = parts
    this.#step = parts.syncStepBytes ?? SYNC_STEP_BYTES
    this.#handle = handle
  }

  get offset(): number {
    return this.#handle.size
  }

  /** Finished or dropped: takes nothing any more. */
  get ended(): boolean {
    return this.#ended
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(!this.#ended, 'a reception that ended takes no bytes')
    if (this.offset + bytes.length > this.offer.bytes) {
      throw new KnhkError('Corrupt', 'a snapshot sends more bytes than it has')
    }
    try {
      for (let rest = bytes; rest.length > 0; ) {
        const part = rest.subarray(0, this.#step - (this.offset % this.#step))
        await this.#handle.append([part])
        if (this.offset % this.#step === 0) await this.#handle.datasync()
        rest = rest.subarray(part.length)
      }
    } catch (error) {
      throw storageFailed(`writing ${this.#parts.path}`, error)
    }
  }

  async finish(): Promise<SnapshotInfo> {
    assert(!this.#ended, 'a reception is finished once')
    const { path, verify, admit } = this.#parts
    try {
      await this.#handle.datasync()
      await this.#close()
      const found = await verify(path)
      if (!this.#isOffered(found)) throw new KnhkError('Corrupt', 'the snapshot that came is not the one on offer')
      return await admit(path, found)
    } catch (error) {
      const failed = storageFailed(`finishing ${path}`, error)
      if (failed.code !== 'StorageFailed') await this.#forget()
      throw failed
    }
  }

  /** Closes the file and leaves it where it is. */
  async pause(): Promise<void> {
    await this.#close()
  }

  /** Removes what came so far. */
  async drop(): Promise<void> {
    await this.#close()
    await this.#forget()
  }

  #isOffered(found: ReadSnapshot): boolean {
    const { base, id, bytes } = this.offer
    const { clusterId } = found.origin
    const offered = encodeSnapshotHeader({ clusterId, base })
    return bytesEqual(found.id, id) && found.bytes === bytes && bytesEqual(encodeSnapshotHeader(found.origin), offered)
  }

  async #close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#handle.close()
  }

  async #forget(): Promise<void> {
    const { files, path } = this.#parts
    try {
      await files.unlink(path)
    } catch (error) {
      throw storageFailed(`removing ${path}`, error)
    }
  }
}

/** What is here already needs no bytes. */
export function receivedBefore(snapshot: SnapshotInfo): SnapshotReception {
  return {
    offset: snapshot.bytes,
    write: async (bytes) => {
      assert(bytes.length === 0, 'a snapshot that is here takes no bytes')
    },
    finish: async () => snapshot,
  }
}
