/**
 * The plan of a recovery: what survived, which log is the most complete, and what may be lost. The log
 * with the highest (epoch, term, index) at its end is chosen, as an election would (Ongaro and Ousterhout,
 * section 5.4.1): with enough survivors it holds every committed entry. A log of a Byzantine protocol holds
 * decided entries only, each with its certificate (`log verify` checks them): the longest is taken.
 */
import { createHash } from 'node:crypto'
import { KnhkError } from '../../base/error.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import { byzantineFaults, byzantineQuorum, majority } from '../../consensus/quorum.js'
import { formatPublicKey } from '../../crypto/key-encoding.js'
import { uuidFromBytes } from '../../workflow/uuid.js'
import { readTextIfThere, writeFileAtomically } from '../files.js'
import type { SurvivingLog, Survivor } from './survivor.js'

const VERSION = 1
const PLAN_BYTES_MAX = 16 * 1024 * 1024

/** Plain data, as it stands in the file. */
export interface RecoveryPlan {
  readonly version: number
  readonly clusterId: string
  readonly survivors: readonly Survivor[]
  /** The data directory whose log is taken. */
  readonly chosen: string
  readonly lastIndex: number
  readonly lastEpoch: number
  readonly lastTerm: number
  readonly lastChain: string
  /** Null where neither a log nor a cluster file names them. */
  readonly voters: readonly string[] | null
  /** Voters of which no sound log is left. */
  readonly missing: readonly string[]
  readonly quorum: number | null
  /** They could go on without a recovery. */
  readonly quorumSurvives: boolean
  /** Up to here every entry is certainly committed. */
  readonly committedUpTo: number
  /** Chosen, though perhaps never committed; null for none. */
  readonly uncertain: { readonly from: number; readonly to: number } | null
  /** Only missing members may hold entries that were committed after `lastIndex`. */
  readonly committedMayBeLost: boolean
  /** Entries of other survivors that are not taken over. */
  readonly discarded: readonly { readonly node: string; readonly from: number; readonly to: number }[]
  /** Clients of the beginning: they decide what the first entries did. Null where the state is past them. */
  readonly clients: readonly { readonly id: string; readonly publicKey: string; readonly role: string }[] | null
}

export interface SignedPlan {
  readonly plan: RecoveryPlan
  /** SHA-256 over the plan, hex. */
  readonly digest: string
}

/**
 * `configuration` is that of the lost cluster, null where its file is gone too. Throws `InvalidArgument`
 * for directories of different clusters or twice the same node, `NotFound` where none can be used.
 */
export function makePlan(survivors: readonly Survivor[], configuration: ClusterConfiguration | null): SignedPlan {
  const clusterId = oneCluster(survivors, configuration)
  const chosen = mostComplete(survivors)
  const { log } = chosen
  const genesis = configuration?.genesis.map(({ id }) => id as string) ?? null
  const voters = log.voters ?? genesis
  const missing = (voters ?? []).filter((id) => !survivors.some((one) => one.node === id && isSound(one)))
  const byzantine = log.certified || (configuration !== null && configuration.protocol !== 'raft')
  const quorum = voters === null ? null : (byzantine ? byzantineQuorum : majority)(voters.length)
  const committedUpTo = log.certified ? log.lastIndex : Math.min(log.lastIndex, Math.max(...survivors.map(committedBy)))
  const plan: RecoveryPlan = {
    version: VERSION,
    clusterId,
    survivors,
    chosen: chosen.dataDir,
    lastIndex: log.lastIndex,
    lastEpoch: log.lastEpoch,
    lastTerm: log.lastTerm,
    lastChain: log.lastChain,
    voters,
    missing,
    quorum,
    quorumSurvives: voters !== null && quorum !== null && voters.length - missing.length >= quorum,
    committedUpTo,
    uncertain: committedUpTo < log.lastIndex ? { from: committedUpTo + 1, to: log.lastIndex } : null,
    // Of what was answered, f + 1 replicas hold the decision; more hold it only as soon as they hear of it.
    committedMayBeLost:
      voters === null || quorum === null || missing.length >= (byzantine ? byzantineFaults(voters.length) + 1 : quorum),
    discarded: survivors.flatMap((one) =>
      one.log === null || one.log.lastIndex <= log.lastIndex
        ? []
        : [{ node: one.node, from: log.lastIndex + 1, to: one.log.lastIndex }],
    ),
    clients:
      configuration?.clients.map(({ id, publicKey, role }) => ({ id, publicKey: formatPublicKey(publicKey), role })) ??
      null,
  }
  return { plan, digest: digestOf(plan) }
}

export function writePlan(path: string, { plan, digest }: SignedPlan): Promise<void> {
  return writeFileAtomically(path, `${JSON.stringify({ digest, ...plan }, null, 2)}\n`, 0o600)
}

/** Throws `NotFound`, `InvalidFile` for no plan, `Corrupt` for one that was changed after it was made. */
export async function readPlan(path: string): Promise<SignedPlan> {
  const text = await readTextIfThere(path)
  if (text === null) throw new KnhkError('NotFound', `there is no plan ${path}`, { details: { path } })
  const { digest, ...plan } = parseObject(path, text)
  if (plan.version !== VERSION) {
    throw new KnhkError('InvalidFile', `${path} is no recovery plan of version ${VERSION}`, { details: { path } })
  }
  const computed = digestOf(plan as unknown as RecoveryPlan)
  if (digest !== computed) {
    throw new KnhkError('Corrupt', `${path} is not the plan that was made: its digest does not fit its content`, {
      hint: 'Make the plan again: knhk recover plan.',
      details: { path },
    })
  }
  // The digest fits, so it is what `makePlan` gave.
  return { plan: plan as unknown as RecoveryPlan, digest: computed }
}

function parseObject(path: string, text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = text.length > PLAN_BYTES_MAX ? null : JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw new KnhkError('InvalidFile', `${path} is no recovery plan`, { cause, details: { path } })
  }
  throw new KnhkError('InvalidFile', `${path} is no recovery plan`, { details: { path } })
}

function digestOf(plan: RecoveryPlan): string {
  return createHash('sha256').update(JSON.stringify(plan)).digest('hex')
}

function oneCluster(survivors: readonly Survivor[], configuration: ClusterConfiguration | null): string {
  const ids = new Set(survivors.map(({ clusterId }) => clusterId))
  if (configuration !== null) ids.add(uuidFromBytes(configuration.clusterId))
  const [clusterId] = ids
  if (clusterId === undefined || survivors.length === 0) {
    throw new KnhkError('NotFound', 'there is no data directory to recover from')
  }
  if (ids.size > 1) {
    throw new KnhkError('InvalidArgument', 'the directories belong to different clusters', {
      details: { clusterIds: [...ids].join(', ') },
    })
  }
  const nodes = survivors.map(({ node }) => node)
  const twice = nodes.find((node, i) => nodes.indexOf(node) !== i)
  if (twice !== undefined) {
    throw new KnhkError('InvalidArgument', `two of the directories belong to ${twice}: name the newer one`)
  }
  return clusterId
}

function mostComplete(survivors: readonly Survivor[]): Survivor & { readonly log: SurvivingLog } {
  const usable = survivors.flatMap((one) =>
    one.log === null || one.unusable !== null ? [] : [{ ...one, log: one.log }],
  )
  const [best] = usable.sort(
    (a, b) =>
      b.log.lastEpoch - a.log.lastEpoch ||
      b.log.lastTerm - a.log.lastTerm ||
      b.log.lastIndex - a.log.lastIndex ||
      a.log.damage.length - b.log.damage.length ||
      b.log.appliedIndex - a.log.appliedIndex,
  )
  if (best !== undefined) return best
  throw new KnhkError('NotFound', 'no data directory can be used', {
    hint: 'A snapshot file may be left: knhk snapshot restore.',
    details: { reasons: survivors.map(({ node, unusable }) => `${node}: ${unusable?.message ?? ''}`).join('; ') },
  })
}

/** A log that lost something may have acknowledged what it no longer holds. */
function isSound({ log, unusable }: Survivor): boolean {
  return log !== null && unusable === null && log.damage.length === 0
}

function committedBy({ log }: Survivor): number {
  return log === null ? 0 : Math.max(log.appliedIndex, log.baseIndex, log.snapshotIndex ?? 0)
}
