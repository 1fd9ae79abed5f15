/**
 * `log verify` on a data directory: every checksum, the order of frames and entries, the hash chain
 * and the batch digests recomputed from the bodies, the certificates by whom the caller asks. Read-only, on a stopped or a running node; goes on
 * behind a problem to name them all.
 */
import { KnhkError } from '../base/error.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry } from '../consensus/entry.js'
import { chainMatches, digestMatches } from './entry-check.js'
import type { FileSystem } from './files.js'
import { type CertificateVerifier, checkCertificates } from './log-certificates.js'
import { type LookOptions, lookAtLog, type TornTail } from './look-at-log.js'
import type { LogProblem, ProblemKind, ReportProblem } from './scan-types.js'
import { segmentName } from './segment-header.js'

/** Problems that are listed; a log with more is no better for it. */
const PROBLEMS_MAX = 10_000

export interface VerifyOptions extends LookOptions {
  /** Asked for every entry, with or without a certificate. Null where the log needs none. */
  readonly verifyCertificate?: CertificateVerifier | null
}

export interface VerifiedLog {
  readonly ok: boolean
  /** Null for an empty log, and so `lastIndex`. */
  readonly firstIndex: number | null
  readonly lastIndex: number | null
  readonly entries: number
  /** How many entries have one. */
  readonly certificates: number
  readonly problems: readonly {
    readonly index: number
    readonly segment: string
    readonly offset: number
    readonly kind: ProblemKind
  }[]
  /** Earlier damage that counts no more: where the log goes on in a later segment. */
  readonly repaired: readonly { readonly segment: string; readonly offset: number }[]
  /** No problem in a log that was not stopped cleanly. */
  readonly tornTail: TornTail | null
}

/**
 * Verifies the log in `directory` (the `log` directory of a node). Throws `NotFound` where there is no
 * log, `UnsupportedFormat` for a newer format.
 */
export async function verifyLog(
  files: FileSystem,
  directory: string,
  options: VerifyOptions = {},
): Promise<VerifiedLog> {
  return lookAtLog(files, directory, { ...options, onEntry: verifyEntry }, async (view) => {
    const { certificates, problems: uncertified } = await checkCertificates(view, options.verifyCertificate ?? null)
    const problems = [...view.problems, ...uncertified]
    return {
      ok: problems.length === 0,
      firstIndex: view.firstIndex,
      lastIndex: view.lastIndex,
      entries: view.replay.positions.count,
      certificates,
      problems: problems.slice(0, PROBLEMS_MAX).map(presentProblem),
      repaired: view.scan.repaired.map(({ segment, offset }) => ({ segment: segmentName(segment), offset })),
      tornTail: view.tornTail,
    }
  })
}

function presentProblem({ index, segment, offset, kind }: LogProblem): VerifiedLog['problems'][number] {
  return { index, segment: segmentName(segment), offset, kind }
}

function verifyEntry(bytes: Buffer, start: number, end: number, report: ReportProblem): void {
  const bodyAt = start + ENTRY_HEADER_BYTES
  let entry: Entry
  try {
    entry = decodeEntry(bytes.subarray(start, bodyAt), bytes.subarray(bodyAt, end))
  } catch (error) {
    if (!(error instanceof KnhkError)) throw error
    return report('entryHeader', 0)
  }
  if (!chainMatches(entry)) report('chainWrong', entry.index)
  if (!digestMatches(entry)) report('batchDigestWrong', entry.index)
}
