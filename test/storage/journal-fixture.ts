/** Entries, identities and logs for the tests of the journal. */
import { createHash } from 'node:crypto'
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import type { AbortRecord, PendingRecord, StoreRecord } from '../../src/consensus/core.js'
import { type Entry, GENESIS_CHAIN, makeEntry } from '../../src/consensus/entry.js'
import { encodeRequest, NO_SESSION } from '../../src/consensus/request.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import type { LogBase } from '../../src/consensus/snapshot.js'
import { epoch, logIndex, nodeId, term } from '../../src/consensus/types.js'
import { MemoryFiles, type MemoryFilesOptions } from '../../src/storage/memory-files.js'
import { createLog, type OpenLogOptions, openLog } from '../../src/storage/open-log.js'
import type { SegmentedLog } from '../../src/storage/segmented-log.js'
import { seededRandom } from '../random.js'

export const LOG = 'data/log'
export const IDENTITY = { clusterId: new Uint8Array(16).fill(7), nodeId: 'n1', incarnation: new Uint8Array(16).fill(9) }

export const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest()

/** A body of one request with `operations` operations of `bytes` bytes each. */
export function makeBody(seed: number, operations = 1, bytes = 64): Uint8Array {
  const list = Array.from({ length: operations }, (_, i) => new Uint8Array(bytes).fill(seed + i))
  const header = { session: NO_SESSION, firstSequence: seed, ackedBelow: 0, clientKey: new Uint8Array(32).fill(3) }
  return encodeBody([encodeRequest(header, list)])
}

/** `count` entries that follow `previous`. */
export function makeEntries(
  previous: Pick<Entry, 'index' | 'chain'> | null,
  count: number,
  inTerm = 1,
  body = makeBody,
): Entry[] {
  const entries: Entry[] = []
  let last: Pick<Entry, 'index' | 'chain'> | null = previous
  for (let i = 0; i < count; i++) {
    const index = (last?.index ?? 0) + 1
    const content = body(index)
    const entry: Entry = makeEntry(
      sha256,
      {
        epoch: epoch(0),
        term: term(inTerm),
        index: logIndex(index),
        timestampMs: 1000 + index,
        kind: 'data',
        clusterId: IDENTITY.clusterId,
        configHash: new Uint8Array(32).fill(5),
        batchDigest: computeBatchDigest(sha256, 'data', content),
        previousChain: last?.chain ?? GENESIS_CHAIN,
      },
      content,
    )
    entries.push(entry)
    last = entry
  }
  return entries
}

export const storeEntries = (entries: readonly Entry[]): StoreRecord => ({ kind: 'entries', entries })
export const storeVote = (inTerm: number, votedFor: string | null): StoreRecord => ({
  kind: 'hardState',
  hardState: { epoch: epoch(0), term: term(inTerm), votedFor: votedFor === null ? null : nodeId(votedFor) },
})

/** A proposal or vote for the entry at `index`; `seed` tells it from others. */
export const storeSlot = (index: number, seed: number, bytes = 40, kind: 'slot' | 'block' = 'slot'): PendingRecord => ({
  kind,
  index: logIndex(index),
  payload: new Uint8Array(bytes).fill(seed),
})
export const storeSafety = (seed: number, bytes = 60): StoreRecord => ({
  kind: 'safety',
  safety: new Uint8Array(bytes).fill(seed),
})
export const storeAbort = (ofEpoch: number, seed: number, bytes = 30): AbortRecord => ({
  kind: 'abort',
  epoch: epoch(ofEpoch),
  payload: new Uint8Array(bytes).fill(seed),
})

/** The same entries, each with a certificate of its own. */
export function certified(entries: readonly Entry[], bytes = 50): Entry[] {
  return entries.map((entry) => ({ ...entry, certificate: new Uint8Array(bytes).fill(entry.index) }))
}

/** The base after `entry`. */
export function baseAt(
  { index, epoch, term, chain, timestampMs }: Entry,
  membership: LogBase['membership'] = null,
): LogBase {
  return { index, epoch, term, chain: new Uint8Array(chain), timestampMs, membership }
}
export const storeBase = (base: LogBase): StoreRecord => ({ kind: 'base', base })

export function memoryFiles(options: Partial<MemoryFilesOptions> = {}): MemoryFiles {
  return new MemoryFiles({ random: seededRandom(1), ...options })
}

/** A memory disk with an empty log. */
export async function freshFiles(options: Partial<MemoryFilesOptions> = {}): Promise<MemoryFiles> {
  const files = memoryFiles(options)
  await files.mkdir(LOG)
  await createLog(files, LOG, IDENTITY)
  return files
}

export function open(files: MemoryFiles, options: Partial<OpenLogOptions> = {}): Promise<SegmentedLog> {
  return openLog({ files, directory: LOG, identity: IDENTITY, ...options })
}

export const segmentPath = (segment: number): string => `${LOG}/${segment.toString(16).padStart(16, '0')}.seg`

/** For the tools that look at a log: nobody else writes, so there is no reason to wait. */
export const LOOK = { pause: async (): Promise<void> => undefined }

/** All entries of a log, read one at a time. */
export async function contentOf(log: SegmentedLog): Promise<Entry[]> {
  const content: Entry[] = []
  for (let next = log.firstIndex; next <= log.lastIndex; next = logIndex(next + 1)) {
    content.push(...(await log.read(next, 1)))
  }
  return content
}
