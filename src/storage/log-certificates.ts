/**
 * Certificates of entries as the offline tools see them. Storage keeps them as bytes; what they say and
 * whether they hold is known to the room of consensus, whose functions the caller gives.
 */
import type { Entry } from '../consensus/entry.js'
import type { Membership } from '../consensus/membership.js'
import type { LogView } from './look-at-log.js'
import type { LogProblem } from './scan-types.js'
import { walkEntries } from './walk-entries.js'

/**
 * What is wrong with an entry's certificate, or with its absence; null when nothing is. `membership` is
 * the configuration that decided the entry: the newest of those before it; null for that of the cluster
 * file's genesis.
 */
export type CertificateVerifier = (
  entry: Entry,
  membership: Membership | null,
) => string | null | Promise<string | null>

/** Counts the certificates in the log and checks every entry; without a verifier it only counts. */
export async function checkCertificates(
  view: LogView,
  verify: CertificateVerifier | null,
): Promise<{ readonly certificates: number; readonly problems: readonly LogProblem[] }> {
  const problems: LogProblem[] = []
  let certificates = 0
  // Nothing to count, nobody to ask: the log is not read a second time.
  if (verify === null && view.replay.certificates === 0) return { certificates, problems }
  const { positions, memberships } = view.replay
  let membership = view.base.membership?.membership ?? null
  let later = 0
  for await (const entry of walkEntries(view)) {
    while ((memberships[later]?.index ?? Number.POSITIVE_INFINITY) < entry.index)
      membership = memberships[later++]?.membership ?? null
    if (entry.certificate !== null) certificates++
    if (verify === null || (await verify(entry, membership)) === null) continue
    const { segment, offset } = positions.get(entry.index) ?? { segment: 0, offset: 0 }
    problems.push({ index: entry.index, segment, offset, kind: 'certificate' })
  }
  return { certificates, problems }
}
