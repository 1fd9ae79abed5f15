/**
 * `log verify` with the cluster file at hand: what storage finds, what the certificates of the entries say, and up
 * to where signatures of a quorum prove the log.
 */
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import { sha256 } from '../../crypto/sha256.js'
import { configurationHash } from '../../node/compose.js'
import type { FileSystem } from '../../storage/files.js'
import { type VerifiedLog, verifyLog } from '../../storage/log-verify.js'
import type { LookOptions } from '../../storage/look-at-log.js'
import { segmentName } from '../../storage/segment-header.js'
import { certificateVerifier, pinnedRule } from './certificates.js'
import { HybridCertificates } from './hybrid-certificates.js'
import { keptLinks } from './kept-links.js'
import { type RaftTail, raftTail } from './raft-tail.js'

export interface ProvenLog extends VerifiedLog {
  /**
   * Up to here signatures of a quorum prove the entries; null where none do, where members sign nothing (plain
   * Raft), and where no cluster file says who they are.
   */
  readonly certifiedIndex: number | null
}

export interface ProvenRules extends LookOptions {
  /** Of the cluster's configuration, 32 bytes; by default that of a cluster without operations of its own. */
  readonly clusterConfigHash?: Uint8Array
  /** Whether a signature holds; the pinned Ed25519 rule by default. */
  readonly holds?: (check: SignatureCheck) => boolean
}

/** Throws as `verifyLog`. */
export async function verifyProven(
  files: FileSystem,
  directory: string,
  configuration: ClusterConfiguration | null,
  { clusterConfigHash, holds = pinnedRule(), ...look }: ProvenRules = {},
): Promise<ProvenLog> {
  if (configuration === null || configuration.protocol === 'raft')
    return { ...(await verifyLog(files, directory, look)), certifiedIndex: null }
  const links = await keptLinks(files, directory)
  const hash = clusterConfigHash ?? configurationHash(sha256, configuration)
  const rules = { links, clusterConfigHash: hash, holds }
  const report = await verifyLog(files, directory, {
    ...look,
    verifyCertificate: certificateVerifier(configuration, rules),
  })
  if (configuration.protocol !== 'hybrid') return { ...report, certifiedIndex: certifiedUpTo(report, null) }
  const certificates = new HybridCertificates({ configuration, clusterConfigHash: hash, holds }, links)
  const tail = await raftTail(files, directory, certificates, holds, look)
  const found = tail?.problems ?? []
  const problems = found.map((problem) => ({ ...problem, segment: segmentName(problem.segment) }))
  return {
    ...report,
    ok: report.ok && problems.length === 0,
    problems: [...report.problems, ...problems],
    certifiedIndex: certifiedUpTo(report, tail),
  }
}

/** Below the first entry that does not hold, and in a Raft epoch that goes on as far as its certificate reaches. */
function certifiedUpTo({ problems, firstIndex, lastIndex }: VerifiedLog, tail: RaftTail | null): number | null {
  if (lastIndex === null || firstIndex === null) return null
  const firstBad = Math.min(lastIndex + 1, ...problems.map(({ index }) => index))
  const reach = Math.min(firstBad - 1, tail === null ? lastIndex : (tail.certifiedIndex ?? 0))
  return reach >= firstIndex ? reach : null
}
