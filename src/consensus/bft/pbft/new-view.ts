/**
 * What follows from a quorum of view changes (Castro and Liskov, section 4.4): h* is the highest stable
 * checkpoint in them; every slot from there to the highest one with a certificate gets the value of the
 * certificate with the highest view, or a null request. The new primary computes it, every backup
 * computes it again and compares.
 */
import { ByteWriter, bytesEqual } from '../../../base/bytes.js'
import type { Sha256 } from '../../entry.js'
import type { SequenceNumber } from '../../types.js'
import { type Certificate, certificateProblem } from '../certificate.js'
import type { EpochContext } from '../epoch.js'
import type { Statement } from '../statement.js'
import { writeOrder, writeViewChangeContent } from './codec.js'
import type { NewView, OrderedSlot, Value, ViewChange } from './messages.js'
import { checkpointProblem, statementProblem } from './statement-rules.js'
import { digestOf } from './value.js'

export interface Outcome {
  /** The highest stable checkpoint; null for the epoch's origin. */
  readonly stable: Certificate | null
  readonly order: readonly OrderedSlot[]
}

export function viewChangeDigest(sha256: Sha256, viewChange: Omit<ViewChange, 'vote'>): Uint8Array {
  const out = new ByteWriter(1024).text('knhk/pbft/view-change/1')
  writeViewChangeContent(out, viewChange as ViewChange)
  return sha256(out.finish())
}

/** Binds the view changes by signer and digest, and the order. */
export function newViewDigest(sha256: Sha256, { viewChanges, order }: Omit<NewView, 'vote'>): Uint8Array {
  const out = new ByteWriter(1024).text('knhk/pbft/new-view/1').u32(viewChanges.length)
  for (const { vote } of viewChanges) out.text(vote.signer).raw(vote.digest)
  writeOrder(out, order)
  return sha256(out.finish())
}

/** The same for every replica that computes it from the same view changes, in whatever order. */
export function computeOrder(
  sha256: Sha256,
  context: EpochContext,
  nullValue: Value,
  viewChanges: readonly ViewChange[],
): Outcome {
  let stable: Certificate | null = null
  for (const viewChange of viewChanges) {
    if (viewChange.stable === null) continue
    if (stable === null || viewChange.stable.statement.sequence > stable.statement.sequence) stable = viewChange.stable
  }
  const first = stable === null ? 0 : context.sequenceOf(stable.statement.sequence) + 1
  const best = new Map<number, Statement>()
  let last = first - 1
  for (const { prepared } of viewChanges) {
    for (const { statement } of prepared) {
      if (statement.sequence < first) continue
      last = Math.max(last, statement.sequence)
      const before = best.get(statement.sequence)
      if (before === undefined || statement.view > before.view) best.set(statement.sequence, statement)
    }
  }
  const order: OrderedSlot[] = []
  for (let at = first; at <= last; at++) {
    const sequence = at as SequenceNumber
    const digest = best.get(at)?.digest ?? digestOf(sha256, context, sequence, nullValue)
    order.push({ sequence, digest })
  }
  return { stable, order }
}

/** True when both orders are the same, byte for byte. */
export function sameOrder(a: readonly OrderedSlot[], b: readonly OrderedSlot[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ sequence, digest }, i) => {
      const other = b[i] as OrderedSlot
      return sequence === other.sequence && bytesEqual(digest, other.digest)
    })
  )
}

/** What is wrong with a view change apart from its signatures; null when nothing is. */
export function viewChangeProblem(
  sha256: Sha256,
  context: EpochContext,
  windowSlots: number,
  viewChange: ViewChange,
): string | null {
  const { vote, stable, prepared } = viewChange
  const problem = statementProblem(context, vote, 'viewChange')
  if (problem !== null) return problem
  if (!context.replicas.has(vote.signer)) return 'a stranger asks for a view'
  if (vote.sequence !== 0 || vote.view === 0) return 'a view change names a view above the first, and no slot'
  if (!bytesEqual(vote.digest, viewChangeDigest(sha256, viewChange))) return 'the digest is not that of the content'
  if (stable !== null) {
    const broken = checkpointProblem(context, stable)
    if (broken !== null) return broken
  }
  const floor = stable === null ? -1 : context.sequenceOf(stable.statement.sequence)
  let before = floor
  for (const certificate of prepared) {
    const { statement } = certificate
    const type = statement.type === 'commit' ? 'commit' : 'prepare'
    const broken = statementProblem(context, statement, type) ?? certificateProblem(context.replicas, certificate)
    if (broken !== null) return broken
    if (statement.view >= vote.view) return 'a certificate is of the new view or a later one'
    if (statement.sequence <= before) return 'certificates stand in the order of their slots, one each'
    if (statement.sequence > floor + windowSlots) return 'a certificate is beyond the window'
    before = statement.sequence
  }
  return null
}

/** What is wrong with a new view apart from signatures and its order; null when nothing is. */
export function newViewProblem(
  sha256: Sha256,
  context: EpochContext,
  windowSlots: number,
  newView: NewView,
): string | null {
  const { vote, viewChanges } = newView
  const problem = statementProblem(context, vote, 'newView')
  if (problem !== null) return problem
  if (vote.sequence !== 0 || vote.signer !== context.primary(vote.view)) return 'not of the primary of that view'
  if (!bytesEqual(vote.digest, newViewDigest(sha256, newView))) return 'the digest is not that of the content'
  if (viewChanges.length !== context.replicas.quorum) return 'a new view rests on exactly a quorum'
  let before = -1
  for (const viewChange of viewChanges) {
    const at = context.replicas.indexOf(viewChange.vote.signer)
    if (at <= before) return 'view changes stand in the order of the configuration, one per replica'
    before = at
    if (viewChange.vote.view !== vote.view) return 'a view change for another view'
    const broken = viewChangeProblem(sha256, context, windowSlots, viewChange)
    if (broken !== null) return broken
  }
  return null
}
