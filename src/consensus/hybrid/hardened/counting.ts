/** What a leader makes of the answers: commit certificates, commit proofs, and the certificate that its term begins with. */
import { assert } from '../../../base/assert.js'
import { makeCertificate } from '../../bft/certificate.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { EntryKind } from '../../entry.js'
import { encodeBody } from '../../request-body.js'
import type { LogIndex, Millis, NodeId, Term } from '../../types.js'
import type { HybridCommit } from '../messages.js'
import { comparePlaces, encodeTerm, grantStatement, type Position, positionOf } from '../positions.js'
import type { HardenedState, Out } from './state.js'
import { Tally } from './tally.js'

export function tallies(raft: HardenedState, term: number): void {
  if (term === raft.tallyTerm) return
  const { epoch } = raft.options
  raft.tallyTerm = term
  raft.acks = new Tally(epoch, 'ack')
  raft.held = new Tally(epoch, 'held')
  raft.informed.clear()
  raft.claims.clear()
}

/** Proofs are collected for so long after a member said that it waits for them. */
const COLLECT_MS: Millis = 1000

/** Whether anybody waits for proofs: this node, or a member that said so not long ago. */
export function collects({ modules, now, collectUntilMs }: HardenedState): boolean {
  return modules.assurance() !== 'fast' || now.monotonicMs < collectUntilMs
}

/** A member waits for proofs: all are asked what they hold. */
export function collect(raft: HardenedState, out: Out): void {
  const isAsking = collects(raft)
  raft.collectUntilMs = raft.now.monotonicMs + COLLECT_MS
  if (!isAsking) sendCommit(raft, others(raft), out)
}

/** The leader's own word counts like any other, once its certificate is on its disk. */
export function holdOwn(raft: HardenedState): void {
  const { standing, written, rules, tallyTerm } = raft
  if (!collects(raft) || !isLeading(raft)) return
  if (standing.hasNews) standing.hasChanged = true
  if (written === null || written.term !== tallyTerm || tallyTerm === 0 || isProven(raft, written)) return
  noteHeld(raft, rules.held(written))
}

export function noteHeld(raft: HardenedState, held: SignedStatement): void {
  // Nobody would forget them where no proof comes of them.
  if (!collects(raft)) return
  const { term } = raft.core.status()
  tallies(raft, term)
  const position = { term: held.view as Term, index: held.sequence as LogIndex, hash: held.digest }
  if (position.term !== term || !raft.standing.holds(position) || isProven(raft, position)) return
  raft.held.note(position, held)
  const proof = raft.held.certify(position)
  if (proof === null) return
  raft.standing.learnProof(proof)
  raft.held.forget(position.index)
  announce(raft)
}

/** One proof of a place is enough. */
export function isProven({ standing }: HardenedState, position: Position): boolean {
  return standing.proof !== null && comparePlaces(position, positionOf(standing.proof)) <= 0
}

/** A leader makes the highest commit certificate that the acknowledgements give, its own included. */
export function certify(raft: HardenedState): void {
  const { term, role } = raft.core.status()
  if (role !== 'leader') return
  tallies(raft, term)
  const { quorum } = raft.options.epoch.replicas
  for (const index of raft.acks.indexes()) {
    if (index <= raft.standing.certified.index) break
    const hash = raft.modules.shadow.chainAt(index)
    if (hash === undefined || index > raft.durable || raft.acks.count(index) < quorum - 1) continue
    const position = { term, index: index as LogIndex, hash }
    const own = raft.rules.ack(position)
    if (own !== null) raft.acks.note(position, own)
    const commit = raft.acks.certify(position)
    if (commit === null) continue
    raft.standing.learnCommit(commit)
    raft.covered = Math.max(raft.covered, index) as LogIndex
    raft.acks.forget(index)
    announce(raft)
    return
  }
}

/**
 * Followers learn certificates with the next append; where this turn of the loop brings none, at its end: by a
 * tick, which comes after everything that arrived.
 */
function announce(raft: HardenedState): void {
  raft.announceMs ??= raft.now.monotonicMs
}

export function tellAnnounced(raft: HardenedState, out: Out): void {
  if (raft.announceMs === undefined) return
  raft.announceMs = undefined
  const { standing, modules } = raft
  if (isLeading(raft) && standing.certified.index >= modules.shadow.lastIndex) sendCommit(raft, others(raft), out)
}

export function sendCommit(raft: HardenedState, peers: readonly NodeId[], out: Out): void {
  const { commit, proof } = raft.standing
  if (commit === null) return
  const { epoch } = raft.options.epoch
  const isAsking = collects(raft)
  const message: HybridCommit = {
    type: 'hybridCommit',
    epoch,
    commit,
    proof: isAsking ? proof : null,
    collects: isAsking,
  }
  for (const to of peers) out.push({ type: 'send', to, message })
}

/** Learners too: they have to know what is decided. */
export function others(raft: HardenedState): NodeId[] {
  const { record, self } = raft.options
  return record.membership.members.map(({ id }) => id).filter((id) => id !== self)
}

/** The first entry of a term names its certificate, so that terms follow from what the log holds. */
export function firstEntry(raft: HardenedState): { readonly kind: EntryKind; readonly body: Uint8Array } {
  const campaign = raft.campaign
  const { epoch, self } = raft.options
  assert(campaign !== null, 'a leader was a candidate')
  const { term, tip, votes } = campaign
  const certificate = makeCertificate(
    epoch.replicas,
    grantStatement(epoch.sha256, epoch.epoch, term, self, tip),
    votes.values(),
  )
  const record = { candidate: self, tip, certificate }
  raft.standing.learnTerm(record)
  raft.campaign = null
  return { kind: 'mode', body: encodeBody([encodeTerm(record)]) }
}

export function isLeading(raft: HardenedState): boolean {
  return raft.core.status().role === 'leader'
}
