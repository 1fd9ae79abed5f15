/**
 * A node's data directory: its layout and whose it is. A directory is made once, for one member of one
 * cluster, with an incarnation of its own; an empty disk never passes for the member that it was.
 * docs/data-directory.md describes the files.
 */
import { bytesEqual, fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { readCheckedJson, writeCheckedJson } from './checked-json.js'
import { type FileSystem, storageFailed } from './files.js'
import { createLog } from './open-log.js'
import { type JournalIdentity, SEGMENT_HEADER_BYTES } from './segment-header.js'

export const IDENTITY_FILE = 'identity.json'
const IDENTITY_FORMAT = 1
const CREATED_FIRST: readonly string[] = ['log', 'snapshots', 'state']

export interface DataIdentity extends JournalIdentity {
  readonly createdAtMs: number
}

export interface DataDirectory {
  readonly path: string
  readonly logDirectory: string
  readonly stateDirectory: string
  readonly snapshotDirectory: string
  /** Made when it is first opened. */
  readonly evidenceDirectory: string
  /** The same. */
  readonly epochDirectory: string
  readonly identity: DataIdentity
}

/**
 * Makes an empty data directory for a member that takes part for the first time. Throws `Refused`
 * where the directory holds anything, but for the leftovers of a format that was interrupted.
 */
export async function formatDataDirectory(files: FileSystem, path: string, identity: DataIdentity): Promise<void> {
  try {
    await clearInterruptedFormat(files, path)
    const { logDirectory, stateDirectory, snapshotDirectory } = layout(path)
    for (const directory of [path, logDirectory, stateDirectory, snapshotDirectory]) await files.mkdir(directory)
    await createLog(files, logDirectory, identity)
    // Last: with it the directory counts as formatted.
    await writeCheckedJson(files, path, IDENTITY_FILE, IDENTITY_FORMAT, {
      clusterId: toHex(identity.clusterId),
      nodeId: identity.nodeId,
      incarnation: toHex(identity.incarnation),
      createdAtMs: identity.createdAtMs,
    })
  } catch (error) {
    throw storageFailed(`making the data directory ${path}`, error)
  }
}

/**
 * Reads whose directory this is, and checks it. Takes no lock: opening the state store does. Throws
 * `DataDirectoryLost` where there is no identity, `IdentityMismatch`, `UnsupportedFormat`, `Corrupt`.
 */
export async function openDataDirectory(
  files: FileSystem,
  path: string,
  expected: { readonly clusterId: Uint8Array; readonly nodeId: string },
): Promise<DataDirectory> {
  const directory = await readDataDirectory(files, path)
  const { clusterId, nodeId } = directory.identity
  if (!bytesEqual(clusterId, expected.clusterId)) {
    throw new KnhkError('IdentityMismatch', `${path} belongs to another cluster`, {
      details: { clusterId: toHex(clusterId) },
    })
  }
  if (nodeId !== expected.nodeId) {
    throw new KnhkError('IdentityMismatch', `${path} belongs to node ${nodeId}, not ${expected.nodeId}`, {
      details: { nodeId },
    })
  }
  // The file of known peers may have been seen before its name was durable.
  await files.syncDirectory(path)
  return directory
}

/** The same without an expectation, for tools. */
export async function readDataDirectory(files: FileSystem, path: string): Promise<DataDirectory> {
  let fields: Readonly<Record<string, unknown>> | null
  try {
    fields = await readCheckedJson(files, path, IDENTITY_FILE, IDENTITY_FORMAT)
  } catch (error) {
    throw storageFailed(`reading ${path}/${IDENTITY_FILE}`, error)
  }
  if (fields === null)
    throw new KnhkError('DataDirectoryLost', `${path} holds no ${IDENTITY_FILE}: it is empty or was lost`)
  return { path, ...layout(path), identity: decodeIdentity(fields, path) }
}

/** True where `path` does not exist or is empty: a member could be formatted there. */
export async function isUnformatted(files: FileSystem, path: string): Promise<boolean> {
  const status = await files.stat(path)
  return status === null || (status.kind === 'directory' && (await files.readdir(path)).length === 0)
}

/** Where a node keeps how its epochs led to each other. */
export function epochDirectoryOf(path: string): string {
  return layout(path).epochDirectory
}

function layout(path: string): Omit<DataDirectory, 'identity' | 'path'> {
  return {
    logDirectory: `${path}/log`,
    stateDirectory: `${path}/state`,
    snapshotDirectory: `${path}/snapshots`,
    evidenceDirectory: `${path}/evidence`,
    epochDirectory: `${path}/epochs`,
  }
}

function decodeIdentity(fields: Readonly<Record<string, unknown>>, path: string): DataIdentity {
  const { clusterId, nodeId, incarnation, createdAtMs } = fields
  const sound =
    isId(clusterId) &&
    isId(incarnation) &&
    typeof nodeId === 'string' &&
    typeof createdAtMs === 'number' &&
    Number.isSafeInteger(createdAtMs)
  if (!sound) throw new KnhkError('Corrupt', `${path}/${IDENTITY_FILE} lacks a field`)
  return { clusterId: fromHex(clusterId), nodeId, incarnation: fromHex(incarnation), createdAtMs }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}

/** A crash while formatting leaves empty directories and at most an unused first segment: nothing that anybody relied on. */
async function clearInterruptedFormat(files: FileSystem, path: string): Promise<void> {
  if (await isUnformatted(files, path)) return
  const refused = new KnhkError('Refused', `${path} is not empty`, {
    hint: 'Choose an empty directory, or start the node on this one.',
  })
  if ((await files.stat(path))?.kind !== 'directory') throw refused
  const unused: string[] = []
  for (const name of await files.readdir(path)) {
    const inner = `${path}/${name}`
    if (name === `${IDENTITY_FILE}.tmp`) unused.push(inner)
    else if (!CREATED_FIRST.includes(name) || (await files.stat(inner))?.kind !== 'directory') throw refused
    else {
      for (const leaf of await files.readdir(inner)) {
        const status = await files.stat(`${inner}/${leaf}`)
        if (name !== 'log' || status === null || status.kind !== 'file' || status.size > SEGMENT_HEADER_BYTES)
          throw refused
        unused.push(`${inner}/${leaf}`)
      }
    }
  }
  for (const leaf of unused) await files.unlink(leaf)
}
