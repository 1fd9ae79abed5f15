/**
 * `snapshot list`: what each node has, by its own word, or read from its directory where it does not
 * answer and lies on this machine.
 */
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hasCode, KnhkError } from '../../base/error.js'
import { requireMember } from '../../cluster/data-directories.js'
import { errnoOf, fileError } from '../../cluster/files.js'
import { nodePaths } from '../../cluster/layout.js'
import type { Connection } from '../connection.js'
import type { Output } from '../printer.js'
import { formatLocalTime } from '../times.js'

export interface ListedSnapshot {
  readonly node: string | null
  readonly index: number
  readonly epoch: number
  readonly term: number
  /** SHA-256 of the file, hex. */
  readonly id: string
  readonly bytes: number
  readonly stateDigest: string
  readonly dataDigest: string
  readonly createdMs: number
}

export interface SnapshotListing {
  readonly snapshots: readonly ListedSnapshot[]
  /** Nodes that could not be asked or read, and files that are damaged. */
  readonly problems: readonly { readonly node: string | null; readonly file: string | null; readonly code: string }[]
}

type Listing = { -readonly [K in keyof SnapshotListing]: SnapshotListing[K][number][] }

/** The answer to `snapshot.list`. Throws `ProtocolViolation` for anything else. */
export function listOf<N extends string | null>(node: N, value: unknown): (ListedSnapshot & { readonly node: N })[] {
  if (!Array.isArray(value)) throw new KnhkError('ProtocolViolation', `${node} sent no list of snapshots`)
  return value.map((one) => ({ node, ...(one as Omit<ListedSnapshot, 'node'>) }))
}

/** `only` null: all members. Throws `NotFound` for an unknown one. */
export async function listLive(
  { client, target }: Connection,
  only: string | null,
  call: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<SnapshotListing> {
  if (only !== null) requireMember(target.configuration, only)
  const ids = only === null ? target.configuration.members.map(({ id }) => id as string) : [only]
  const listings = await Promise.all(
    ids.map(async (node) => {
      try {
        const { value } = await client.query('snapshot.list', {}, { ...call, node, read: 'local' })
        return { snapshots: listOf(node, value), problems: [] }
      } catch (error) {
        if (!hasCode(error, 'Unreachable') && !hasCode(error, 'DeadlineExceeded')) throw error
        if (target.dir !== null) return listStored(nodePaths(target.dir, node).data, node)
        return { snapshots: [], problems: [{ node, file: null, code: error.code }] }
      }
    }),
  )
  return {
    snapshots: listings.flatMap(({ snapshots }) => snapshots),
    problems: listings.flatMap(({ problems }) => problems),
  }
}

/** Reads and checks every file: read-only, beside a running node too. */
export async function listStored(dataDir: string, node: string | null): Promise<SnapshotListing> {
  const directory = join(resolve(dataDir), 'snapshots')
  const [{ inspectSnapshot }, { realFiles }] = await Promise.all([
    import('../../storage/snapshot-tools.js'),
    import('../../storage/real-files.js'),
  ])
  const names = await readdir(directory).catch((cause) => {
    throw fileError(directory, 'read', cause)
  })
  const listing: Listing = { snapshots: [], problems: [] }
  for (const name of names.sort()) {
    const file = join(directory, name)
    if (name.endsWith('.damaged')) listing.problems.push({ node, file, code: 'Corrupt' })
    if (!name.endsWith('.snap')) continue
    try {
      const { base, id, bytes, stateDigest, dataDigest } = await inspectSnapshot(realFiles(), file)
      const { index, epoch, term } = base
      const createdMs = Math.floor((await stat(file)).mtimeMs)
      listing.snapshots.push({ node, index, epoch, term, id, bytes, stateDigest, dataDigest, createdMs })
    } catch (error) {
      // A running node removes old files.
      if (hasCode(error, 'NotFound') || errnoOf(error) === 'ENOENT') continue
      if (!(error instanceof KnhkError)) throw error
      listing.problems.push({ node, file, code: error.code })
    }
  }
  return listing
}

export function listOutput(listing: SnapshotListing): Output {
  return {
    value: listing,
    items: listing.snapshots,
    ids: listing.snapshots.map(({ id }) => id),
    text: async ({ table, paint }) => {
      const rows = listing.snapshots.map((one) => [
        one.node,
        one.index,
        one.epoch,
        one.term,
        one.bytes,
        formatLocalTime(one.createdMs),
        one.id.slice(0, 16),
        one.dataDigest.slice(0, 16),
      ])
      const head = ['node', 'index', 'epoch', 'term', 'bytes', 'taken', 'id', 'data digest']
      const problems = listing.problems.map(({ node, file, code }) =>
        paint('red', `${node ?? file}: ${code}${file === null ? '' : ` ${file}`}`),
      )
      return [await table(head, rows), ...problems].join('\n')
    },
  }
}
