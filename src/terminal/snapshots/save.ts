/**
 * `snapshot save`: makes a node take a snapshot and brings the file here, piece by piece over the
 * client's link. The id is the SHA-256 of the file, so what arrived is what the node has.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hasCode, KnhkError } from '../../base/error.js'
import type { CallOptions } from '../../client/api.js'
import { fileError } from '../../cluster/files.js'
import type { Connection } from '../connection.js'
import type { Output } from '../printer.js'
import { type ListedSnapshot, listOf } from './list.js'

/** Pieces asked for at once: hides the round trips, and bounds what waits in memory. */
const PIECES_IN_FLIGHT = 4
const PIECE_BYTES = 256 * 1024
/** A node keeps few files; under load the one that is being read can go. */
const ATTEMPTS_MAX = 3
const RETRY_MS = 100

/** A snapshot that a certain node has. */
type NodeSnapshot = ListedSnapshot & { readonly node: string }

export interface SavedSnapshot extends Omit<ListedSnapshot, 'createdMs'> {
  /** Absolute; null where it stayed on the node. */
  readonly file: string | null
}

export interface SaveOptions {
  /** Null: the leader. */
  readonly node: string | null
  /** Absolute; null: it stays on the node. */
  readonly out: string | null
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onProgress: (text: string) => void
}

/** Throws `NoLeader`, `NotPermitted` (operators and admins may), `SnapshotGone`, `Corrupt`, `DeadlineExceeded`. */
export async function saveSnapshot({ client }: Connection, options: SaveOptions): Promise<SavedSnapshot> {
  const expiresAtMs = performance.now() + options.timeoutMs
  const call = (): CallOptions => ({
    timeoutMs: Math.max(1, expiresAtMs - performance.now()),
    signal: options.signal,
  })
  const node = options.node ?? (await findLeader(client, call))
  for (let attempt = 1; ; attempt++) {
    options.onProgress(`${node} takes a snapshot`)
    const taken = await takeSnapshot(client, node, call)
    const { createdMs: _, ...snapshot } = taken
    if (options.out === null) return { ...snapshot, file: null }
    try {
      await download(client, taken, options.out, call, options.onProgress)
      return { ...snapshot, file: options.out }
    } catch (error) {
      if (!hasCode(error, 'SnapshotGone') || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

type Client = Connection['client']

async function findLeader(client: Client, call: () => CallOptions): Promise<string> {
  for (;;) {
    const { leader } = await client.clusterStatus(call())
    if (leader !== null) return leader
    if ((call().timeoutMs ?? 0) <= RETRY_MS) {
      throw new KnhkError('NoLeader', 'there is no leader to take a snapshot', {
        hint: 'Name a node: --node ID. Its snapshot holds what it has applied.',
      })
    }
    await delay(RETRY_MS, undefined, { signal: call().signal })
  }
}

/** Inside a long entry there is no state to take a snapshot of; a moment later there is. */
async function takeSnapshot(client: Client, node: string, call: () => CallOptions): Promise<NodeSnapshot> {
  for (;;) {
    try {
      const { detail } = await client.order({ kind: 'takeSnapshot' }, { ...call(), node })
      const { value } = await client.query('snapshot.list', {}, { ...call(), node, read: 'local' })
      const found = listOf(node, value).find((snapshot) => snapshot.id === detail?.id)
      if (found !== undefined) return found
    } catch (error) {
      if (!hasCode(error, 'ResourceExhausted') || (call().timeoutMs ?? 0) <= RETRY_MS) throw error
    }
    await delay(RETRY_MS, undefined, { signal: call().signal })
  }
}

async function download(
  client: Client,
  snapshot: NodeSnapshot,
  out: string,
  call: () => CallOptions,
  onProgress: (text: string) => void,
): Promise<void> {
  const temporary = `${out}.${process.pid}.tmp`
  try {
    await mkdir(dirname(out), { recursive: true })
    const file = await open(temporary, 'w', 0o600)
    try {
      await fill(file, client, snapshot, call, onProgress)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, out)
    const directory = await open(dirname(out), 'r')
    await directory.sync().finally(() => directory.close())
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    if (error instanceof Error && 'syscall' in error) throw fileError(out, 'written', error)
    throw error
  }
}

async function fill(
  file: FileHandle,
  client: Client,
  { id, bytes, node }: NodeSnapshot,
  call: () => CallOptions,
  onProgress: (text: string) => void,
): Promise<void> {
  const hash = createHash('sha256')
  const pieces: Promise<Uint8Array>[] = []
  let asked = 0
  let written = 0
  try {
    while (written < bytes) {
      for (; asked < bytes && pieces.length < PIECES_IN_FLIGHT; asked += PIECE_BYTES) {
        const piece = readPiece(client, { id, offset: asked, bytes: Math.min(PIECE_BYTES, bytes - asked) }, node, call)
        // Who waits for it is told; until then nobody is.
        piece.catch(() => undefined)
        pieces.push(piece)
      }
      const piece = await (pieces.shift() as Promise<Uint8Array>)
      hash.update(piece)
      await file.write(piece)
      written += piece.length
      onProgress(`${Math.floor((100 * written) / bytes)} % of ${bytes} bytes`)
    }
  } finally {
    await Promise.allSettled(pieces)
  }
  if (hash.digest('hex') !== id) {
    throw new KnhkError('Corrupt', `what ${node} sent is not the snapshot ${id}`, { details: { node, id } })
  }
}

async function readPiece(
  client: Client,
  wanted: { readonly id: string; readonly offset: number; readonly bytes: number },
  node: string,
  call: () => CallOptions,
): Promise<Uint8Array> {
  const { id, offset } = wanted
  const { value } = await client.query('snapshot.read', { id, offset }, { ...call(), node, read: 'local' })
  const { bytes } = (value ?? {}) as { readonly bytes?: unknown }
  if (!(bytes instanceof Uint8Array) || bytes.length < wanted.bytes) {
    throw new KnhkError('ProtocolViolation', `${node} sent a piece of a snapshot of the wrong length`)
  }
  return bytes.subarray(0, wanted.bytes)
}

export function saveOutput(saved: SavedSnapshot): Output {
  return {
    value: saved,
    ids: [saved.id],
    text: ({ fields }) =>
      fields([
        ['snapshot', saved.id],
        ['node', saved.node],
        ['index', saved.index],
        ['term', saved.term],
        ['bytes', saved.bytes],
        ['state digest', saved.stateDigest],
        ['data digest', saved.dataDigest],
        ['file', saved.file],
      ]),
  }
}
