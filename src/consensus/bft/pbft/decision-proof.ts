/**
 * The certificate beside a decided entry, checked offline by `log verify`, by receipts and by peers that
 * catch up: a quorum of the epoch's replicas committed exactly this value at exactly this place.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import type { EntryHeader, Sha256 } from '../../entry.js'
import { type Certificate, certificateChecks, certificateProblem, decodeCertificate } from '../certificate.js'
import type { SignatureCheck } from '../checks.js'
import type { EpochContext } from '../epoch.js'
import { statementProblem } from './statement-rules.js'
import { digestOf } from './value.js'

export type ProofVerdict =
  | { readonly problem: string }
  /** Sound; proven once all checks hold. */
  | { readonly problem: null; readonly certificate: Certificate; readonly checks: readonly SignatureCheck[] }

/** Judges the certificate of a decided entry of this epoch. The entry's chain and body are checked elsewhere. */
export function verifyPbftEntryCertificate(
  sha256: Sha256,
  context: EpochContext,
  entry: EntryHeader,
  proof: Uint8Array,
): ProofVerdict {
  try {
    const certificate = decodeCertificate(proof)
    const { statement } = certificate
    const problem =
      statementProblem(context, statement, 'commit') ??
      certificateProblem(context.replicas, certificate) ??
      placeProblem(sha256, context, entry, certificate)
    if (problem !== null) return { problem }
    return { problem: null, certificate, checks: certificateChecks(context.sign, context.replicas, certificate) }
  } catch (error) {
    if (error instanceof KnhkError) return { problem: error.message }
    throw error
  }
}

function placeProblem(
  sha256: Sha256,
  context: EpochContext,
  entry: EntryHeader,
  { statement }: Certificate,
): string | null {
  if (entry.epoch !== context.epoch) return 'the entry is of another epoch'
  if (!bytesEqual(entry.configHash, context.sign.configHash)) return 'the entry names another configuration'
  if (entry.index !== context.indexOf(statement.sequence)) return 'the certificate is for another slot'
  if (!bytesEqual(statement.digest, digestOf(sha256, context, context.sequenceOf(entry.index), entry)))
    return 'the certificate is for another value'
  return null
}
