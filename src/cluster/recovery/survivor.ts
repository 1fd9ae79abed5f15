/**
 * What one data directory still holds, found out by opening a copy of it the way its node would.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { ErrorCode } from '../../base/error-codes.js'
import { type DataIdentity, readDataDirectory } from '../../storage/data-directory.js'
import { type NodeStorage, openNodeStorage } from '../../storage/node-storage.js'
import { realFiles } from '../../storage/real-files.js'
import { uuidFromBytes } from '../../workflow/uuid.js'
import { copyDataDirectory, printOf, requireStopped } from './data-copy.js'

/** Plain data: it stands in the plan file as it is. */
export interface Survivor {
  readonly dataDir: string
  /** SHA-256 over all its files, hex. */
  readonly print: string
  readonly clusterId: string
  readonly node: string
  /** What it can give; null where it cannot be opened. */
  readonly log: SurvivingLog | null
  /** Why it cannot be used; null where it can. */
  readonly unusable: { readonly code: ErrorCode; readonly message: string } | null
}

export interface SurvivingLog {
  /** Of its hard state. */
  readonly epoch: number
  readonly term: number
  readonly votedFor: string | null
  /** The log follows this index; a snapshot covers what is before. */
  readonly baseIndex: number
  readonly lastIndex: number
  /** Of the last entry. */
  readonly lastEpoch: number
  readonly lastTerm: number
  readonly lastChain: string
  /** A certificate proves the last entry, and with it all before: nothing in this log is undecided. */
  readonly certified: boolean
  /** Applied before, hence certainly committed. */
  readonly appliedIndex: number
  /** Of the newest sound snapshot; null without one. */
  readonly snapshotIndex: number | null
  /** Damage: the sound part before it is what the fields above describe. */
  readonly damage: readonly { readonly index: number; readonly kind: string }[]
  /** The configuration in force at the last entry; null for that of the beginning. */
  readonly voters: readonly string[] | null
}

/** Throws `DataDirectoryLocked`, `DataDirectoryLost` or `Corrupt` where it is not even known whose it is. */
export async function lookAtSurvivor(dataDir: string): Promise<Survivor> {
  await requireStopped(dataDir)
  const { identity } = await readDataDirectory(realFiles(), dataDir)
  const scratch = await mkdtemp(join(tmpdir(), 'knhk-recover-'))
  try {
    const copy = join(scratch, 'data')
    await copyDataDirectory(dataDir, copy)
    const print = await printOf(copy)
    if ((await printOf(dataDir)) !== print) {
      throw new KnhkError('DataDirectoryLocked', `${dataDir} changes while it is read: something runs on it`)
    }
    const common = { dataDir, print, clusterId: uuidFromBytes(identity.clusterId), node: identity.nodeId }
    return { ...common, ...(await openAndLook(copy, identity)) }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Opens the copy of a data directory with all its stores. */
export async function openCopy(
  copy: string,
  identity: Pick<DataIdentity, 'clusterId' | 'nodeId'>,
): Promise<NodeStorage> {
  const { clusterId, nodeId } = identity
  const onFailed = (): void => undefined
  // A failed write is met again, and thrown, by whatever is done next.
  return openNodeStorage({ files: realFiles(), path: copy, clusterId, nodeId, nextTurn: setImmediate, onFailed })
}

async function openAndLook(copy: string, identity: DataIdentity): Promise<Pick<Survivor, 'log' | 'unusable'>> {
  let storage: NodeStorage
  try {
    storage = await openCopy(copy, identity)
  } catch (error) {
    if (!(error instanceof KnhkError)) throw error
    return { log: null, unusable: { code: error.code, message: error.message.replaceAll(copy, '…') } }
  }
  try {
    const log = describe(storage)
    return { log, unusable: unusableLog(log) }
  } finally {
    await storage.close()
  }
}

function describe({ log, state, snapshots }: NodeStorage): SurvivingLog {
  const { hardState, base, lastIndex, termRuns, tail, memberships } = log.restored
  const last = termRuns.at(-1) ?? base
  const membership = (memberships.at(-1) ?? base.membership)?.membership ?? null
  return {
    epoch: hardState.epoch,
    term: hardState.term,
    votedFor: hardState.votedFor,
    baseIndex: base.index,
    lastIndex,
    lastEpoch: last.epoch,
    lastTerm: last.term,
    lastChain: toHex(tail.at(-1)?.chain ?? base.chain),
    certified: tail.at(-1) !== undefined && tail.at(-1)?.certificate !== null,
    appliedIndex: state.appliedIndex,
    snapshotIndex: snapshots.list().at(-1)?.base.index ?? null,
    damage: log.report.problems.map(({ index, kind }) => ({ index, kind })),
    voters: membership?.members.filter(({ role }) => role === 'voter').map(({ id }) => id) ?? null,
  }
}

function unusableLog({ appliedIndex, lastIndex }: SurvivingLog): Survivor['unusable'] {
  if (lastIndex === 0) return { code: 'NotFound', message: 'it holds no entry' }
  if (appliedIndex <= lastIndex) return null
  const message = `its log ends at ${lastIndex}, and its state is already that of ${appliedIndex}`
  return { code: 'Corrupt', message }
}
