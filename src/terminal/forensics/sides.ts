/**
 * What one side of a contradiction holds: the entries of a log from one index on, each with its verdict,
 * and the view changes that its node kept.
 */
import { assert } from '../../base/assert.js'
import { hasCode, KnhkError } from '../../base/error.js'
import type { ProofRules } from '../../consensus/bft/entry-proof.js'
import type { EpochContext } from '../../consensus/bft/epoch.js'
import type { NewView } from '../../consensus/bft/pbft/messages.js'
import { decodeSafety } from '../../consensus/bft/pbft/safety-record.js'
import type { Entry } from '../../consensus/entry.js'
import { decodeEpochRecord } from '../../consensus/hybrid/epoch-record.js'
import type { Membership } from '../../consensus/membership.js'
import type { FileSystem } from '../../storage/files.js'
import { checkCertificates } from '../../storage/log-certificates.js'
import { type LogView, lookAtLog } from '../../storage/look-at-log.js'
import type { Trust } from '../../workflow/receipts/verify.js'
import { EntryCertificates } from '../logs/certificates.js'
import { HybridCertificates } from '../logs/hybrid-certificates.js'
import { keptLinks } from '../logs/kept-links.js'

/** Later entries that are looked at: their certificates may convict where the first ones do not. */
const LATER_ENTRIES_MAX = 256

export interface LogSide {
  /** Of the epoch of the first entry; null for one of Raft, whose entries carry no certificates. */
  readonly protocol: ProofRules['protocol'] | null
  readonly entries: readonly Entry[]
  /** Why the first entry is not certified; null where it is. */
  readonly problem: string | null
  /** Of the first entry. */
  readonly context: EpochContext | null
  readonly newViews: readonly NewView[]
}

/** Entries from `index` on, of that epoch. Throws as `lookAtLog`. */
export async function sideOfLog(files: FileSystem, directory: string, trust: Trust, index: number): Promise<LogSide> {
  const walk = await walkOf(files, directory, trust)
  return lookAtLog(files, directory, {}, async (view) => {
    const entries: Entry[] = []
    let first: Omit<LogSide, 'entries' | 'newViews'> | null = null
    await checkCertificates(view, (entry, membership) => {
      if (entry.index < index) walk.skip(entry, membership)
      else if (first === null) {
        first = { problem: walk.problem(entry, membership), context: walk.context, protocol: walk.protocol }
        entries.push(entry)
      } else if (entries.length < LATER_ENTRIES_MAX && entry.epoch === entries[0]?.epoch) {
        if (walk.problem(entry, membership) === null) entries.push(entry)
      }
      return null
    })
    const nothing = { problem: 'the entry is not in the log', context: null, protocol: null }
    const side = (first as typeof nothing | null) ?? nothing
    return { ...side, entries, newViews: newViewsOf(view, trust) }
  })
}

/** Judges the entries of one log, in index order. */
interface Walk extends Pick<LogSide, 'context' | 'protocol'> {
  skip(entry: Entry, membership: Membership | null): void
  problem(entry: Entry, membership: Membership | null): string | null
}

async function walkOf(files: FileSystem, directory: string, trust: Trust): Promise<Walk> {
  const { configuration, clusterConfigHash, holds } = trust
  if (configuration.protocol === 'hybrid')
    return new HybridCertificates({ configuration, clusterConfigHash, holds }, await keptLinks(files, directory))
  assert(configuration.protocol !== 'raft', 'entries of plain Raft are not certified')
  return new EntryCertificates(configuration, configuration.protocol, { clusterConfigHash, holds })
}

function newViewsOf({ replay }: LogView, { sha256, configuration, clusterConfigHash }: Trust): NewView[] {
  const { clusterId, protocol } = configuration
  try {
    const safety = pbftSafety(replay.standing.safety, protocol)
    if (safety === null) return []
    const { newView } = decodeSafety({ sha256, clusterId, clusterConfigHash }, safety)
    return newView === null ? [] : [newView]
  } catch (error) {
    // Whoever lies may keep what it likes.
    if (error instanceof KnhkError && hasCode(error, 'ProtocolViolation')) return []
    throw error
  }
}

/** What PBFT must know again after a crash; in a hybrid it stands within the record of the epoch. */
function pbftSafety(safety: Uint8Array | null, protocol: Trust['configuration']['protocol']): Uint8Array | null {
  if (safety === null || protocol === 'pbft') return safety
  if (protocol !== 'hybrid') return null
  const { start, inner } = decodeEpochRecord(safety)
  return start.mode === 'pbft' ? inner : null
}
