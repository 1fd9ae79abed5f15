/**
 * The end of a hybrid's log while a Raft epoch goes on. No entry there carries a certificate; what is committed is
 * proven by the newest commit certificate, which the member keeps beside them: through the hash chain it covers
 * everything below its place. What lies above it may still be replaced by a later leader.
 */
import { bytesEqual } from '../../base/bytes.js'
import type { Certificate } from '../../consensus/bft/certificate.js'
import { type SignedStatement, sameStatement, signBytes } from '../../consensus/bft/statement.js'
import type { StoredRaft } from '../../consensus/hybrid/hardened/standing.js'
import {
  checksOfCertificate,
  type Position,
  positionOf,
  positionStatement,
  quorumProblem,
  type RaftEpoch,
  type TermCertificate,
  termProblem,
} from '../../consensus/hybrid/positions.js'
import type { FileSystem } from '../../storage/files.js'
import { type LogView, type LookOptions, lookAtLog } from '../../storage/look-at-log.js'
import type { LogProblem } from '../../storage/scan-types.js'
import type { HybridCertificates, HybridRules } from './hybrid-certificates.js'
import { keptStanding, readable } from './kept-standing.js'

export interface RaftTail {
  /** Up to here signatures of a quorum prove the log; null where it shows nothing that they prove. */
  readonly certifiedIndex: number | null
  /** What the member keeps does not hold; at the place that it is about. */
  readonly problems: readonly LogProblem[]
}

/** Null where no Raft epoch goes on. Throws as `lookAtLog`. */
export function raftTail(
  files: FileSystem,
  directory: string,
  certificates: HybridCertificates,
  holds: HybridRules['holds'],
  options: LookOptions = {},
): Promise<RaftTail | null> {
  return lookAtLog(files, directory, options, (view) => tailOf(view, certificates, holds))
}

async function tailOf(
  view: LogView,
  certificates: HybridCertificates,
  holds: HybridRules['holds'],
): Promise<RaftTail | null> {
  const read = readable(() => ({ kept: keptStanding(view) }))
  if (read === null) return { certifiedIndex: null, problems: [problemAt(view, view.lastIndex ?? 0)] }
  const { kept } = read
  if (kept === null) return null
  const epoch = certificates.raftEpoch(kept.epoch)
  // What is wrong with the links is said of every entry of the epoch.
  if (epoch === null) return { certifiedIndex: null, problems: [] }
  const { raft } = kept
  if (raft === null) return { certifiedIndex: withinLog(view, epoch.origin.index), problems: [] }
  const wrong = wrongIn(epoch, raft, holds)
  if (wrong !== null) return { certifiedIndex: withinLog(view, epoch.origin.index), problems: [problemAt(view, wrong)] }
  const { commit, proof } = raft.standing
  const places = [commit, proof].flatMap((one) => (one === null ? [] : [positionOf(one)]))
  let certifiedIndex: number = epoch.origin.index
  for (const place of places) {
    // The log may end before it, or hold what another leader left there until the present one replaces it.
    if (place.index > certifiedIndex && (await holdsPlace(view, place))) certifiedIndex = place.index
  }
  return { certifiedIndex: withinLog(view, certifiedIndex), problems: [] }
}

function withinLog({ base }: LogView, index: number): number | null {
  return index > 0 && index >= base.index ? index : null
}

async function holdsPlace({ base, reader, replay }: LogView, { index, hash }: Position): Promise<boolean> {
  if (index === base.index) return bytesEqual(base.chain, hash)
  const { positions } = replay
  if (positions.get(index) === undefined) return false
  const [entry] = await reader.readEntries(positions, index, 1)
  return entry !== undefined && bytesEqual(entry.chain, hash)
}

/** The place of the first thing in it that does not hold; null where all of it does. */
function wrongIn(epoch: RaftEpoch, { standing }: StoredRaft, holds: HybridRules['holds']): number | null {
  const { commit, proof, term, current, header, position } = standing
  for (const [type, certificate] of [
    ['ack', commit],
    ['held', proof],
  ] as const) {
    if (certificate === null) continue
    if (quorumProblem(epoch, type, certificate) !== null || !isSigned(epoch, certificate, holds))
      return certificate.statement.sequence
  }
  for (const one of [term, current]) {
    if (one !== null && (termProblem(epoch, one) !== null || !isSigned(epoch, one.certificate, holds)))
      return one.tip.index
  }
  return header === null || isLeadersWord(epoch, term, position, header, holds) ? null : position.index
}

function isSigned(epoch: RaftEpoch, certificate: Certificate, holds: HybridRules['holds']): boolean {
  return checksOfCertificate(epoch, certificate).every(holds)
}

function isLeadersWord(
  epoch: RaftEpoch,
  term: TermCertificate | null,
  position: Position,
  header: SignedStatement,
  holds: HybridRules['holds'],
): boolean {
  const publicKey = epoch.replicas.publicKeyOf(header.signer)
  if (term === null || publicKey === null || header.signer !== term.candidate) return false
  if (!sameStatement(header, positionStatement('header', epoch.epoch, position))) return false
  return holds({ publicKey, bytes: signBytes(epoch.sign, header), signature: header.signature })
}

function problemAt({ replay, scan }: LogView, index: number): LogProblem {
  const { segment, offset } = replay.positions.get(index) ?? scan.end
  return { index, segment, offset, kind: 'certificate' }
}
