/** What commands show of a snapshot file, read-only, wherever it lies. */
import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { LogBase } from '../consensus/snapshot.js'
import { type FileSystem, storageFailed } from './files.js'
import { type ReadSnapshot, readSnapshot } from './snapshot-reader.js'

export interface InspectedSnapshot {
  readonly id: string
  readonly clusterId: string
  readonly base: Omit<LogBase, 'chain'> & { readonly chain: string }
  readonly stateDigest: string
  readonly dataDigest: string
  /** Of the file. */
  readonly bytes: number
  readonly pairs: number
  /** Bytes of the pairs. */
  readonly payloadBytes: number
  /** By the first byte of the key. */
  readonly keySpaces: readonly { readonly prefix: string; readonly pairs: number; readonly bytes: number }[]
}

/** Throws `NotFound`, `Corrupt`, `UnsupportedFormat`, `StorageFailed`. */
export async function inspectSnapshot(files: FileSystem, path: string): Promise<InspectedSnapshot> {
  const spaces = new Map<string, { prefix: string; pairs: number; bytes: number }>()
  const found = await readWhole(files, path, (key, bytes) => {
    const prefix = key.slice(0, 1)
    const space = spaces.get(prefix) ?? { prefix, pairs: 0, bytes: 0 }
    spaces.set(prefix, space)
    space.pairs++
    space.bytes += bytes
  })
  const { origin, trailer, id, bytes } = found
  return {
    id: toHex(id),
    clusterId: toHex(origin.clusterId),
    base: { ...origin.base, chain: toHex(origin.base.chain) },
    stateDigest: toHex(trailer.stateDigest),
    dataDigest: toHex(trailer.dataDigest),
    bytes,
    pairs: trailer.pairs,
    payloadBytes: trailer.payloadBytes,
    keySpaces: [...spaces.values()],
  }
}

export interface VerifiedSnapshot {
  readonly ok: boolean
  readonly id: string | null
  readonly problems: readonly string[]
}

/** Damage is in the answer. Throws `NotFound`, `UnsupportedFormat`, `StorageFailed`. */
export async function verifySnapshot(files: FileSystem, path: string): Promise<VerifiedSnapshot> {
  try {
    const found = await readWhole(files, path)
    const id = toHex(found.id)
    const named = /([0-9a-f]{16})\.snap$/.exec(path)?.[1]
    const renamed = named !== undefined && !id.startsWith(named)
    return { ok: !renamed, id, problems: renamed ? ['its name is that of other content'] : [] }
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'Corrupt')
      return { ok: false, id: null, problems: [error.message] }
    throw error
  }
}

async function readWhole(
  files: FileSystem,
  path: string,
  visit?: (key: string, bytes: number) => void,
): Promise<ReadSnapshot> {
  if ((await files.stat(path))?.kind !== 'file') throw new KnhkError('NotFound', `there is no snapshot ${path}`)
  try {
    // A command has no loop that others wait for.
    const nextTurn = (callback: () => void): void => callback()
    return await readSnapshot({ files, path, nextTurn }, ({ key, value }) => visit?.(key, key.length + value.length))
  } catch (error) {
    throw storageFailed(`reading ${path}`, error)
  }
}
