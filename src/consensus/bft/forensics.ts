/**
 * Who lied, where two decided entries contradict each other (Sheng et al., "BFT Protocol Forensics"):
 * any two quorums share f + 1 replicas, and each of those broke a rule that honest ones keep. Within one
 * view or round the two signatures prove it by themselves; over views, what a replica signed in between
 * does: a view change that hides what it had prepared, a vote against its own lock. Where that is not at
 * hand, those in both quorums are suspects and no more.
 */
import { bytesEqual } from '../../base/bytes.js'
import type { Entry, Sha256 } from '../entry.js'
import type { NodeId } from '../types.js'
import { type Certificate, decodeCertificate, votesOf } from './certificate.js'
import type { SignatureCheck } from './checks.js'
import type { EpochContext } from './epoch.js'
import { type Evidence, equivocation } from './evidence.js'
import { extraRound } from './hotstuff/certificates.js'
import { decodeProof } from './hotstuff/proof.js'
import { DEFAULT_PBFT_SETTINGS } from './pbft/index.js'
import type { NewView } from './pbft/messages.js'
import { viewChangeProblem } from './pbft/new-view.js'
import { type SignContext, type SignedStatement, signBytes } from './statement.js'

export interface Culprit {
  readonly id: NodeId
  readonly reason: 'equivocation' | 'hiddenCertificate' | 'brokenLock'
  /** Both statements, for anybody to check; null where it takes the certificates themselves. */
  readonly evidence: Evidence | null
}

export interface Blame {
  /** Proven, in the order of the configuration. */
  readonly culprits: readonly Culprit[]
  /** In both quorums; f + 1 of them at least lied. Empty where culprits are proven. */
  readonly suspects: readonly NodeId[]
}

/** The decided entries of one side from the contradiction on, certificates verified; the first is the contradicting one. */
export type Decided = readonly [Entry, ...Entry[]]

export interface Testimony {
  readonly sha256: Sha256
  /** Of the epoch of both. */
  readonly context: EpochContext
  readonly commitRule: 2 | 3
  /** View changes that either side keeps; not verified. */
  readonly newViews: readonly NewView[]
  readonly holds: (check: SignatureCheck) => boolean
}

/** Whom two contradicting PBFT decisions convict. Throws `ProtocolViolation`. */
export function blamePbft(testimony: Testimony, a: Decided, b: Decided): Blame {
  const [first, second] = [a, b]
    .map(([{ certificate }]) => decodeCertificate(certificate as Uint8Array))
    .sort((x, y) => x.statement.view - y.statement.view) as [Certificate, Certificate]
  const convicted = equivocators(testimony, first, second)
  if (convicted.length > 0) return { culprits: convicted, suspects: [] }
  const hidden = hiders(testimony, first, second.statement.view)
  return blame(testimony, hidden, first, second)
}

/** Whom two contradicting HotStuff decisions convict. Throws `ProtocolViolation`. */
export function blameHotStuff(testimony: Testimony, a: Decided, b: Decided): Blame {
  const proofsOf = (side: Decided) => side.map(({ certificate }) => decodeProof(certificate as Uint8Array))
  const [proofsA, proofsB] = [proofsOf(a), proofsOf(b)]
  const convicted = new Map<NodeId, Culprit>()
  const convict = (culprits: readonly Culprit[]) => {
    for (const culprit of culprits) if (!convicted.has(culprit.id)) convicted.set(culprit.id, culprit)
  }
  for (const x of proofsA) for (const y of proofsB) convict(equivocators(testimony, x.qc, y.qc))
  for (const [ones, others] of [
    [proofsA, proofsB],
    [proofsB, proofsA],
  ] as const) {
    const [committed] = ones
    // Who voted for the last block of the row had seen the certificate that locks the first.
    const locked = committed?.headers.at(-testimony.commitRule)
    if (committed === undefined || locked === undefined) continue
    for (const { qc } of others) {
      const { statement } = qc
      if (statement.view > committed.qc.statement.view && extraRound(statement) <= locked.round)
        convict(inBoth(testimony, committed.qc, qc).map((id) => ({ id, reason: 'brokenLock', evidence: null })))
    }
  }
  const [firstA, firstB] = [proofsA[0], proofsB[0]]
  if (firstA === undefined || firstB === undefined) return { culprits: [], suspects: [] }
  return blame(testimony, [...convicted.values()], firstA.qc, firstB.qc)
}

/** Whom two sets of signed statements about one thing convict, as in receipts. */
export function blameStatements(
  context: SignContext,
  a: readonly SignedStatement[],
  b: readonly SignedStatement[],
): Culprit[] {
  return a.flatMap((one) =>
    b.flatMap((other) => {
      const evidence = equivocation(context, one, other)
      return evidence === null ? [] : [{ id: one.signer, reason: 'equivocation' as const, evidence }]
    }),
  )
}

function blame({ context }: Testimony, culprits: readonly Culprit[], a: Certificate, b: Certificate): Blame {
  const order = ({ id }: Culprit): number => context.replicas.indexOf(id)
  if (culprits.length > 0) return { culprits: [...culprits].sort((x, y) => order(x) - order(y)), suspects: [] }
  return { culprits: [], suspects: inBoth({ context }, a, b) }
}

function equivocators({ context }: Testimony, a: Certificate, b: Certificate): Culprit[] {
  return blameStatements(context.sign, votesOf(context.replicas, a), votesOf(context.replicas, b))
}

function inBoth({ context }: Pick<Testimony, 'context'>, a: Certificate, b: Certificate): NodeId[] {
  return a.signers
    .filter((signer) => b.signers.includes(signer))
    .map((signer) => context.replicas.ids[signer] as NodeId)
}

/** Who signed COMMIT in an earlier view, and then said in a view change that it knew nothing of it. */
function hiders(testimony: Testimony, committed: Certificate, beforeView: number): Culprit[] {
  const { sha256, context, holds } = testimony
  const { view, sequence } = committed.statement
  const committers = committed.signers.map((signer) => context.replicas.ids[signer] as NodeId)
  const culprits = new Map<NodeId, Culprit>()
  for (const { viewChanges } of testimony.newViews) {
    for (const viewChange of viewChanges) {
      const { vote, stable, prepared } = viewChange
      const publicKey = context.replicas.publicKeyOf(vote.signer)
      if (publicKey === null || !committers.includes(vote.signer)) continue
      if (vote.view <= view || vote.view > beforeView) continue
      if (viewChangeProblem(sha256, context, DEFAULT_PBFT_SETTINGS.windowSlots, viewChange) !== null) continue
      const isOver = stable !== null && stable.statement.sequence >= context.indexOf(sequence)
      const isShown = prepared.some(({ statement }) => statement.sequence === sequence && statement.view >= view)
      if (isOver || isShown) continue
      if (holds({ publicKey, bytes: signBytes(context.sign, vote), signature: vote.signature }))
        culprits.set(vote.signer, { id: vote.signer, reason: 'hiddenCertificate', evidence: null })
    }
  }
  return [...culprits.values()]
}

/** True where both are about one index of one epoch and another value: no two such entries can be decided. */
export function contradicts(a: Entry, b: Entry): boolean {
  if (a.index !== b.index || a.epoch !== b.epoch) return false
  return a.timestampMs !== b.timestampMs || !bytesEqual(a.batchDigest, b.batchDigest)
}
