/**
 * What the certificate beside an entry says of itself, for people: which protocol decided the entry, and
 * in which view or round. Nothing here is proof of anything.
 */
import { hasCode } from '../../base/error.js'
import { decodeCertificate } from './certificate.js'
import { decodeProof } from './hotstuff/proof.js'

export type DescribedCertificate =
  | { readonly mode: 'pbft'; readonly view: number }
  /** The round of the entry's own block. */
  | { readonly mode: 'hotstuff'; readonly round: number }

/** Null for bytes that are no entry's certificate. */
export function describeCertificate(certificate: Uint8Array): DescribedCertificate | null {
  const statement = decodedOrNull(() => decodeCertificate(certificate))?.statement
  if (statement !== undefined) return statement.mode === 'pbft' ? { mode: 'pbft', view: statement.view } : null
  const block = decodedOrNull(() => decodeProof(certificate))?.headers[0]
  return block === undefined ? null : { mode: 'hotstuff', round: block.round }
}

/** The number that lists of entries show as their view; null for none. */
export function viewOfCertificate(certificate: Uint8Array | null): number | null {
  const described = certificate === null ? null : describeCertificate(certificate)
  if (described === null) return null
  return described.mode === 'pbft' ? described.view : described.round
}

function decodedOrNull<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch (error) {
    if (hasCode(error, 'ProtocolViolation')) return null
    throw error
  }
}
