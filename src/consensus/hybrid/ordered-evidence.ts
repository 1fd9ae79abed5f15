/**
 * The evidence that an entry brings into the replicated state: an entry of its own, or what the hand-over
 * at the end of a Raft epoch held against its members, which the INIT behind it carries.
 */

import { decodeEvidence, type Evidence } from '../bft/evidence.js'
import { decodeInit, isInit } from '../bft/init.js'
import type { EntryKind } from '../entry.js'
import { forEachRequest } from '../request-body.js'
import { decodeBasis } from './basis.js'
import { decodeHandOver } from './switch-certificate.js'

/** For a decided entry of any kind. Throws `ProtocolViolation` where it is not what its kind says. */
export function evidenceIn(entry: { readonly kind: EntryKind; readonly body: Uint8Array }): readonly Evidence[] {
  if (entry.kind === 'evidence') {
    const evidence: Evidence[] = []
    forEachRequest(entry.body, (start, end) => evidence.push(decodeEvidence(entry.body.slice(start, end))))
    return evidence
  }
  if (!isInit(entry)) return []
  const { basis } = decodeInit(entry.body)
  if (basis.kind !== 'handOver') return []
  const link = decodeBasis(basis.proof)
  if (link.kind !== 'switch') return []
  const decided = decodeInit(link.certificate.body).basis
  return decided.kind === 'handOver' ? decodeHandOver(decided.proof).evidence : []
}
