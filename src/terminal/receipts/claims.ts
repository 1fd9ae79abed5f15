/**
 * What a receipt proves, in words, and what it does not: one text per claim and protocol, so that
 * nobody reads more into a signature than it carries.
 */
import type { ProvenReceipt } from '../../workflow/receipts/verify.js'

export interface Claim {
  /** Members whose signatures it rests on. */
  readonly by: readonly string[]
  readonly proves: string
  readonly assumes: string
}

export function inclusionClaim({ receipt, deciders, signers, clientSigned, faults }: ProvenReceipt): Claim {
  const { entry } = receipt
  const client = clientSigned ? ' The client itself signed the request.' : ''
  if (deciders.length === 0 && faults.signers > 0) {
    return {
      by: signers,
      proves: `${signers.length} members signed that this entry of a Raft epoch stands at index ${entry.index}: one of them at least is honest, and an honest one signs what is committed.${client}`,
      assumes: `that at most ${faults.signers} of the members lie.`,
    }
  }
  if (deciders.length === 0) {
    return {
      by: signers,
      proves: `${signers.join(', ')} signed, while it led, that this entry of term ${entry.term} stands at index ${entry.index} of its log.`,
      assumes:
        'that this one member is honest: plain Raft tolerates crashes, not lies, and no other member signs anything. It does show who claimed it: two such receipts that contradict each other convict their signer.',
    }
  }
  return {
    by: deciders,
    proves: `A quorum of the members of epoch ${entry.epoch} decided this entry at index ${entry.index}: no other one can be decided there.${client}`,
    assumes: `that at most ${faults.deciders} of the members lie. Two such receipts that contradict each other prove more liars than that; \`knhk forensics\` names them.`,
  }
}

/** Null where the receipt claims no result. */
export function resultClaim({ receipt, signers, deciders, faults }: ProvenReceipt): Claim | null {
  if (receipt.result === null) return null
  if (deciders.length === 0 && faults.signers === 0) {
    return {
      by: signers,
      proves: 'The leader signed what the operation came to, with the results of all entries before it.',
      assumes: 'that this one member is honest.',
    }
  }
  return {
    by: signers,
    proves: `${signers.length} members signed what the operation came to when they executed it, and the chain of the log up to there: one of them at least is honest.`,
    assumes: `that at most ${faults.signers} of the members lie.`,
  }
}
