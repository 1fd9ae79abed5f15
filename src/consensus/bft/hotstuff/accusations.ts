/**
 * Equivocation: every verified statement is noted, and the second one of a signer in one slot is
 * evidence, told to the driver and to all at once. Evidence names who signed, never who delivered. The
 * next leader orders it as a block of its own, once.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { decodeEvidence, encodeEvidence, equivocation, evidenceId } from '../evidence.js'
import type { SignedStatement } from '../statement.js'
import { hashHeader } from './block.js'
import { proposalStatement } from './certificates.js'
import type { HotStuffMessage, HsEvidence, SignedHeader } from './messages.js'
import type { HotStuffState } from './state.js'

/** Notes what a verified message says; contradictions become evidence. */
export function watch(hs: HotStuffState, message: HotStuffMessage): void {
  for (const statement of statementsIn(hs, message)) {
    if (statement.epoch !== hs.epoch) continue
    const before = hs.book.note(statement)
    if (before === null) continue
    const evidence = equivocation(hs.context, before, statement)
    if (evidence === null) continue
    const id = evidenceId(hs.modules.sha256, evidence)
    const bytes = encodeEvidence(evidence)
    if (hs.evidence.add({ culprit: evidence.culprit, id }, bytes)) tell(hs, bytes)
  }
}

/** Evidence that a peer found, verified at ingress. */
export function handleEvidence(hs: HotStuffState, { evidence: bytes }: HsEvidence): void {
  const evidence = decodeEvidence(bytes)
  if (evidence.epoch !== hs.epoch || !bytesEqual(evidence.configHash, hs.context.configHash)) return
  const id = evidenceId(hs.modules.sha256, evidence)
  if (hs.evidence.add({ culprit: evidence.culprit, id }, bytes)) tell(hs, bytes)
}

function tell(hs: HotStuffState, evidence: Uint8Array): void {
  hs.emit({ type: 'evidence', evidence })
  hs.broadcast({ type: 'hsEvidence', epoch: hs.epoch, evidence })
}

/** The signed statements of a message, by whoever signed them. */
function statementsIn(hs: HotStuffState, message: HotStuffMessage): readonly SignedStatement[] {
  switch (message.type) {
    case 'hsProposal':
      return [signedProposal(hs, message)]
    case 'hsVote':
      return [message.vote]
    case 'hsTimeout':
      return [
        message.timeout,
        ...(message.lastVote === null ? [] : [message.lastVote]),
        ...(message.lastBlock === null ? [] : [signedProposal(hs, message.lastBlock)]),
      ]
    case 'hsCheckpoint':
      return [message.checkpoint]
    default:
      return []
  }
}

/** What the proposer of a block signed. */
export function signedProposal(hs: HotStuffState, { header, signature }: SignedHeader): SignedStatement {
  const statement = proposalStatement(hashHeader(hs.modules.sha256, header))
  return { ...statement, signer: header.proposer, signature }
}
