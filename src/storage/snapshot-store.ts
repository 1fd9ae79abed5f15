/**
 * The snapshot files of one node: taken here or received, each made under a temporary name and renamed
 * when it is durable. What is listed was read and checked as a whole. A damaged file is kept under
 * another name, as evidence. Beside a snapshot may lie the certificate of its checkpoint.
 */
import { assert } from '../base/assert.js'
import { bytesEqual, toHex } from '../base/bytes.js'
import { hasCode, KnhkError } from '../base/error.js'
import type { SnapshotOffer } from '../consensus/snapshot.js'
import type { SnapshotInfo, SnapshotReception, SnapshotStore, StatePair } from '../node/ports.js'
import { type FileSystem, storageFailed } from './files.js'
import { SnapshotEnvelopes } from './snapshot-envelope.js'
import { isSnapshotName, type SnapshotOrigin, type SnapshotTrailer, snapshotName } from './snapshot-format.js'
import { type ReadSnapshot, readPiece, readSnapshot, walkSnapshot } from './snapshot-reader.js'
import { type FileReception, isPartName, openReception, partName, receivedBefore } from './snapshot-reception.js'
import { SnapshotWriter } from './snapshot-writer.js'

const CREATING_NAME = 'creating.tmp'
const DAMAGED_SUFFIX = '.damaged'
/** One answer to a peer. */
const READ_BYTES_MAX = 4 * 1024 * 1024

export interface SnapshotStoreOptions {
  readonly files: FileSystem
  /** The `snapshots` directory of the data directory; made where it does not exist. */
  readonly directory: string
  readonly clusterId: Uint8Array
  /** Runs a callback in a later turn of the loop. */
  readonly nextTurn: (callback: () => void) => void
  /** Bytes between two syncs of a snapshot that is received; 4 MiB. */
  readonly syncStepBytes?: number
}

/** A file that is not listed, and why. */
export interface SnapshotProblem {
  readonly name: string
  readonly code: KnhkError['code']
  readonly message: string
}

/**
 * Opens the snapshots in a directory: every file is read and checked, in slices. A damaged one is set
 * aside and named in `problems`. Throws `StorageFailed`.
 */
export async function openSnapshotStore(options: SnapshotStoreOptions): Promise<FileSnapshotStore> {
  const store = new FileSnapshotStore(options)
  await store.load()
  return store
}

export class FileSnapshotStore implements SnapshotStore {
  readonly #options: SnapshotStoreOptions
  readonly #envelopes: SnapshotEnvelopes
  readonly #problems: SnapshotProblem[] = []
  /** Oldest first. */
  #listed: readonly SnapshotInfo[] = []
  #attaching: Promise<void> = Promise.resolve()
  #reception: FileReception | null = null
  #creating = false

  constructor(options: SnapshotStoreOptions) {
    this.#options = options
    this.#envelopes = new SnapshotEnvelopes(options.files, options.directory)
  }

  /** What opening found damaged. */
  get problems(): readonly SnapshotProblem[] {
    return this.#problems
  }

  list(): readonly SnapshotInfo[] {
    return this.#listed
  }

  /** Called once, by `openSnapshotStore`. */
  async load(): Promise<void> {
    const { files, directory } = this.#options
    try {
      await files.mkdir(directory)
      const names = await files.readdir(directory)
      for (const name of names) {
        if (name === CREATING_NAME) await files.unlink(this.#path(name))
        else if (isSnapshotName(name)) await this.#loadOne(name)
      }
      await this.#envelopes.tidy(names, this.#listed.map(nameOf))
      // A file may have been seen before its name was durable; from here on a log may rely on it.
      await files.syncDirectory(directory)
    } catch (error) {
      throw storageFailed(`opening the snapshots in ${directory}`, error)
    }
  }

  async create(
    header: SnapshotOrigin,
    pairs: AsyncIterable<readonly StatePair[]>,
    digests: () => Promise<Pick<SnapshotTrailer, 'stateDigest' | 'dataDigest'>>,
  ): Promise<SnapshotInfo> {
    assert(!this.#creating, 'one snapshot is taken at a time')
    this.#creating = true
    const path = this.#path(CREATING_NAME)
    const { files, nextTurn } = this.#options
    try {
      const handle = await files.open(path, 'create')
      try {
        const writer = new SnapshotWriter(handle, nextTurn)
        await writer.header(header)
        for await (const some of pairs) await writer.pairs(some)
        const { stateDigest, dataDigest } = await digests()
        const id = await writer.finish({ stateDigest, dataDigest })
        const info = { base: header.base, id, bytes: handle.size, stateDigest, dataDigest, certificate: null }
        return await this.#admit(path, info)
      } finally {
        await handle.close()
      }
    } catch (error) {
      // What is left is removed now or at the next start.
      await files.unlink(path).catch(() => undefined)
      throw storageFailed('writing a snapshot', error)
    } finally {
      this.#creating = false
    }
  }

  async read(id: Uint8Array, offset: number, maxBytes: number): Promise<Uint8Array | null> {
    const listed = this.#find(id)
    if (listed === undefined || offset > listed.bytes) return null
    return readPiece(
      this.#options.files,
      this.#pathOf(listed),
      offset,
      Math.min(maxBytes, READ_BYTES_MAX, listed.bytes - offset),
    )
  }

  async receive(offer: SnapshotOffer): Promise<SnapshotReception> {
    const listed = this.#find(offer.id)
    if (listed !== undefined) return receivedBefore(listed)
    const current = this.#reception
    if (current !== null && !current.ended) {
      if (bytesEqual(current.offer.id, offer.id)) return current
      await current.drop()
    }
    const { files, syncStepBytes } = this.#options
    await this.#dropParts(partName(offer.id))
    this.#reception = await openReception({
      files,
      path: this.#path(partName(offer.id)),
      offer,
      ...(syncStepBytes === undefined ? {} : { syncStepBytes }),
      verify: (path) => this.#verify(path),
      admit: (path, found) => this.#admit(path, infoOf(found, 0, null)),
    })
    return this.#reception
  }

  async *pairs(id: Uint8Array): AsyncGenerator<StatePair> {
    const { files, nextTurn } = this.#options
    const listed = this.#find(id)
    if (listed === undefined) throw new KnhkError('NotFound', `there is no snapshot ${toHex(id)}`)
    try {
      for await (const pairs of walkSnapshot({ files, path: this.#pathOf(listed), nextTurn })) yield* pairs
    } catch (error) {
      throw storageFailed(`reading ${this.#pathOf(listed)}`, error)
    }
  }

  /** One at a time: two that are told of the same checkpoint would write the same file. */
  attach(id: Uint8Array, certificate: Uint8Array): Promise<void> {
    const work = this.#attaching.then(() => this.#attach(id, certificate))
    this.#attaching = work.catch(() => undefined)
    return work
  }

  async #attach(id: Uint8Array, certificate: Uint8Array): Promise<void> {
    const listed = this.#find(id)
    if (listed === undefined) return
    try {
      await this.#envelopes.write(nameOf(listed), id, certificate)
      const now = this.#find(id)
      if (now !== undefined) this.#list({ ...now, certificate })
      // Removed meanwhile.
      else await this.#envelopes.remove(nameOf(listed))
    } catch (error) {
      throw storageFailed('writing the certificate of a snapshot', error)
    }
  }

  async retain(keep: (snapshot: SnapshotInfo) => boolean): Promise<void> {
    const { files, directory } = this.#options
    const gone = this.#listed.filter((snapshot) => !keep(snapshot))
    if (gone.length === 0) return
    this.#listed = this.#listed.filter((snapshot) => !gone.includes(snapshot))
    try {
      for (const snapshot of gone) await files.unlink(this.#pathOf(snapshot))
      await files.syncDirectory(directory)
      // Last: a snapshot that a crash keeps keeps its certificate. One without a snapshot goes at the next start.
      for (const snapshot of gone) await this.#envelopes.remove(nameOf(snapshot))
    } catch (error) {
      throw storageFailed('removing a snapshot', error)
    }
  }

  /** An unfinished reception stays on disk and goes on after the next start. */
  async close(): Promise<void> {
    await this.#reception?.pause()
    this.#reception = null
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}`
  }

  #pathOf(snapshot: SnapshotOffer): string {
    return this.#path(nameOf(snapshot))
  }

  #find(id: Uint8Array): SnapshotInfo | undefined {
    return this.#listed.find((snapshot) => bytesEqual(snapshot.id, id))
  }

  async #loadOne(name: string): Promise<void> {
    const { files, directory } = this.#options
    const path = this.#path(name)
    const modifiedMs = (await files.stat(path))?.modifiedMs ?? 0
    try {
      const found = await this.#verify(path)
      if (snapshotName(found.origin.base, toHex(found.id)) !== name)
        throw new KnhkError('Corrupt', `snapshot ${path}: its content does not give its name`)
      this.#list(infoOf(found, modifiedMs, await this.#certificateOf(name, found.id)))
    } catch (error) {
      if (!(error instanceof KnhkError)) throw error
      this.#problems.push({ name, code: error.code, message: error.message })
      if (error.code !== 'Corrupt') return
      await files.rename(path, `${path}${DAMAGED_SUFFIX}`)
      await files.syncDirectory(directory)
    }
  }

  /** A damaged one is dropped: the certificate comes again with the next checkpoint, or from others. */
  async #certificateOf(name: string, id: Uint8Array): Promise<Uint8Array | null> {
    try {
      return await this.#envelopes.read(name, id)
    } catch (error) {
      if (!hasCode(error, 'Corrupt')) throw error
      this.#problems.push({ name, code: 'Corrupt', message: (error as KnhkError).message })
      await this.#envelopes.remove(name)
      return null
    }
  }

  async #verify(path: string): Promise<ReadSnapshot> {
    const { files, nextTurn, clusterId } = this.#options
    const found = await readSnapshot({ files, path, nextTurn })
    if (!bytesEqual(found.origin.clusterId, clusterId))
      throw new KnhkError('ForeignCluster', `snapshot ${path} is of another cluster`)
    return found
  }

  /** A durable, checked file gets its name. */
  async #admit(path: string, snapshot: Omit<SnapshotInfo, 'createdMs'>): Promise<SnapshotInfo> {
    const { files, directory } = this.#options
    const name = this.#pathOf(snapshot)
    await files.rename(path, name)
    await files.syncDirectory(directory)
    const createdMs = (await files.stat(name))?.modifiedMs ?? 0
    // The same snapshot once more, taken or received, is as certified as before.
    const certificate = this.#find(snapshot.id)?.certificate ?? snapshot.certificate
    const info = { ...snapshot, createdMs, certificate }
    this.#list(info)
    return info
  }

  #list(info: SnapshotInfo): void {
    const others = this.#listed.filter((snapshot) => !bytesEqual(snapshot.id, info.id))
    this.#listed = [...others, info].sort((a, b) => a.base.index - b.base.index)
  }

  async #dropParts(keptName: string): Promise<void> {
    const { files, directory } = this.#options
    try {
      for (const name of await files.readdir(directory)) {
        if (isPartName(name) && name !== keptName) await files.unlink(this.#path(name))
      }
    } catch (error) {
      throw storageFailed('dropping an unfinished snapshot', error)
    }
  }
}

function nameOf({ base, id }: SnapshotOffer): string {
  return snapshotName(base, toHex(id))
}

function infoOf(
  { origin, trailer, id, bytes }: ReadSnapshot,
  createdMs: number,
  certificate: Uint8Array | null,
): SnapshotInfo {
  const { stateDigest, dataDigest } = trailer
  return { base: origin.base, id, bytes, stateDigest, dataDigest, createdMs, certificate }
}
