/**
 * The certificate beside an entry, whichever Byzantine protocol made it: one question for `log verify`,
 * receipts, forensics and the chain of epochs.
 */
import type { ClusterConfiguration, ClusterSettings } from '../configuration.js'
import { type Entry, type Sha256, verifyChain } from '../entry.js'
import type { SignatureCheck } from './checks.js'
import type { EpochContext } from './epoch.js'
import { verifyHotStuffEntryCertificate } from './hotstuff/proof.js'
import { verifyPbftEntryCertificate } from './pbft/decision-proof.js'

/** What of a cluster's configuration decides what counts as a proof. */
export interface ProofRules {
  readonly protocol: 'pbft' | 'hotstuff'
  readonly settings: Pick<ClusterSettings, 'commitRule'>
}

/**
 * The signatures that make an entry final, all of which must hold; a text that says what is wrong where
 * they need not be looked at. The body is checked elsewhere. Throws `ProtocolViolation` for bytes that
 * are no proof.
 */
export function entryProof(
  sha256: Sha256,
  { protocol, settings }: ProofRules,
  context: EpochContext,
  entry: Entry,
): readonly SignatureCheck[] | string {
  const { certificate } = entry
  if (certificate === null) return 'the entry has no certificate'
  const { sign, replicas } = context
  if (protocol === 'hotstuff') {
    const commitRule = settings.commitRule ?? 3
    return verifyHotStuffEntryCertificate({ sha256, context: sign, replicas, commitRule }, entry)
  }
  const verdict = verifyPbftEntryCertificate(sha256, context, entry, certificate)
  return verdict.problem ?? verdict.checks
}

/** What is wrong with the header of an entry of a Byzantine epoch by itself; null when nothing is. */
export function headerProblem(sha256: Sha256, entry: Entry): string | null {
  if (entry.term !== 0) return 'an entry of a Byzantine epoch has no term'
  return verifyChain(sha256, entry) ? null : 'the chain of the entry does not follow from its header'
}

/** True for a cluster whose entries carry certificates. */
export function hasCertificates(
  configuration: ClusterConfiguration,
): configuration is ClusterConfiguration & { readonly protocol: 'pbft' | 'hotstuff' } {
  return configuration.protocol === 'pbft' || configuration.protocol === 'hotstuff'
}
