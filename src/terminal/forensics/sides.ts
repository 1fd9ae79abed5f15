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
import { HEADERS_MAX } from '../../consensus/hybrid/headers.js'
import type { RaftEpoch } from '../../consensus/hybrid/positions.js'
import type { KeptOfEpoch } from '../../consensus/hybrid/raft-forensics.js'
import type { Membership } from '../../consensus/membership.js'
import type { FileSystem } from '../../storage/files.js'
import { checkCertificates } from '../../storage/log-certificates.js'
import { type LogView, lookAtLog } from '../../storage/look-at-log.js'
import { walkEntries } from '../../storage/walk-entries.js'
import type { Trust } from '../../workflow/receipts/verify.js'
import { EntryCertificates } from '../logs/certificates.js'
import { HybridCertificates } from '../logs/hybrid-certificates.js'
import { keptLinks } from '../logs/kept-links.js'
import { keptHistory, keptStanding, readable } from '../logs/kept-standing.js'

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
  /** What its member keeps of a Raft epoch; null for another protocol, or where nothing shows how the epoch began. */
  readonly raft: { readonly epoch: RaftEpoch; readonly kept: KeptOfEpoch } | null
}

/** Entries from `index` on, of that epoch. Throws as `lookAtLog`. */
export async function sideOfLog(files: FileSystem, directory: string, trust: Trust, index: number): Promise<LogSide> {
  const walk = await walkOf(files, directory, trust)
  return lookAtLog(files, directory, {}, async (view) => {
    const entries: Entry[] = []
    let first: Pick<LogSide, 'problem' | 'context' | 'protocol'> | null = null
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
    const epoch = entries[0] === undefined ? null : walk.raftEpoch(entries[0].epoch)
    const raft = epoch === null ? null : { epoch, kept: await keptOf(view, epoch, index) }
    return { ...side, entries, newViews: newViewsOf(view, trust), raft }
  })
}

/** Judges the entries of one log, in index order. */
interface Walk extends Pick<LogSide, 'context' | 'protocol'> {
  raftEpoch(epoch: number): RaftEpoch | null
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

/** With the entries from here on that evidence can show. */
async function keptOf(view: LogView, { epoch }: RaftEpoch, index: number): Promise<KeptOfEpoch> {
  const standing = readable(() => keptStanding(view))
  const entries: Entry[] = []
  for await (const entry of walkEntries(view, index, index + HEADERS_MAX - 1)) {
    if (entry.epoch !== epoch || entry.index !== index + entries.length) break
    entries.push(entry)
  }
  return { standing: standing?.epoch === epoch ? standing.raft : null, history: keptHistory(view, epoch), entries }
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
