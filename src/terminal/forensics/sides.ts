/**
 * What one side of a contradiction holds: the entries of a log from one index on, each with its verdict,
 * and the view changes that its node kept.
 */
import { hasCode, KnhkError } from '../../base/error.js'
import type { ProofRules } from '../../consensus/bft/entry-proof.js'
import type { EpochContext } from '../../consensus/bft/epoch.js'
import type { NewView } from '../../consensus/bft/pbft/messages.js'
import { decodeSafety } from '../../consensus/bft/pbft/safety-record.js'
import type { Entry } from '../../consensus/entry.js'
import type { FileSystem } from '../../storage/files.js'
import { checkCertificates } from '../../storage/log-certificates.js'
import { type LogView, lookAtLog } from '../../storage/look-at-log.js'
import type { Trust } from '../../workflow/receipts/verify.js'
import { EntryCertificates } from '../logs/certificates.js'

/** Later entries that are looked at: their certificates may convict where the first ones do not. */
const LATER_ENTRIES_MAX = 256

export interface LogSide {
  readonly entries: readonly Entry[]
  /** Why the first entry is not certified; null where it is. */
  readonly problem: string | null
  /** Of the first entry. */
  readonly context: EpochContext | null
  readonly newViews: readonly NewView[]
}

/** Entries from `index` on, of that epoch. Throws as `lookAtLog`. */
export async function sideOfLog(
  files: FileSystem,
  directory: string,
  trust: Trust,
  rules: ProofRules,
  index: number,
): Promise<LogSide> {
  return lookAtLog(files, directory, {}, async (view) => {
    const { configuration, clusterConfigHash, holds } = trust
    const walk = new EntryCertificates(configuration, rules.protocol, { clusterConfigHash, holds })
    const entries: Entry[] = []
    let first: { readonly problem: string | null; readonly context: EpochContext | null } | null = null
    await checkCertificates(view, (entry, membership) => {
      if (entry.index < index) walk.skip(entry, membership)
      else if (first === null) {
        first = { problem: walk.problem(entry, membership), context: walk.context }
        entries.push(entry)
      } else if (entries.length < LATER_ENTRIES_MAX && entry.epoch === entries[0]?.epoch) {
        if (walk.problem(entry, membership) === null) entries.push(entry)
      }
      return null
    })
    const nothing = { problem: 'the entry is not in the log', context: null }
    return { ...((first as typeof nothing | null) ?? nothing), entries, newViews: newViewsOf(view, trust, rules) }
  })
}

function newViewsOf(
  { replay }: LogView,
  { sha256, configuration, clusterConfigHash }: Trust,
  rules: ProofRules,
): NewView[] {
  const { safety } = replay.standing
  if (rules.protocol !== 'pbft' || safety === null) return []
  try {
    const { clusterId } = configuration
    const { newView } = decodeSafety({ sha256, clusterId, clusterConfigHash }, safety)
    return newView === null ? [] : [newView]
  } catch (error) {
    // Whoever lies may keep what it likes.
    if (error instanceof KnhkError && hasCode(error, 'ProtocolViolation')) return []
    throw error
  }
}
