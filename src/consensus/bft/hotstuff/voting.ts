/**
 * Voting: one vote per round, to the leader of the next one, and only for a block that the safety rules
 * and the rules of its payload allow. The block with its certificate and the vote are durable before
 * the vote leaves. Whoever gathers a quorum of equal votes has the QC.
 */
import { makeCertificate } from '../certificate.js'
import { type SignedStatement, sameStatement } from '../statement.js'
import type { HashedHeader } from './block.js'
import type { BlockNode } from './block-tree.js'
import { qcRound } from './certificates.js'
import { onQc } from './certified.js'
import type { BlockParts } from './messages.js'
import { payloadProblem } from './payload-rules.js'
import type { HotStuffState } from './state.js'

/** Considers a proposal of the current round whose parent is in the tree. */
export function considerVote(hs: HotStuffState, node: BlockNode, parent: HashedHeader): void {
  const { header, parts } = node
  if (parts === null || header.round !== hs.round || hs.ending !== null) return
  if (hs.leaders.leader(header.round, parent) !== header.proposer) return
  if (!isTimely(hs, node, parent) || !notesFailures(hs, node, parent)) return
  if (payloadProblem(hs, parent, header, parts.body) !== null) return
  voteFor(hs, node)
}

/** Votes where the safety rules allow it. The block was stored when it was inserted, or is being stored. */
export function voteFor(hs: HotStuffState, node: BlockNode): void {
  const { safety, tree } = hs
  const parts = node.parts as BlockParts
  const vote = safety.vote(node, parts.justify, parts.tc, extendsLock(hs, node))
  if (vote === null) return
  hs.journal.safety()
  const collector = hs.leaders.leader(node.header.round + 1, node)
  if (collector === hs.self && goesOn(hs, node)) fenceNext(hs, node.header.round + 1)
  if (collector !== hs.self) hs.sendSigned(collector, { type: 'hsVote', vote })
  else if (tree.has(node.key)) hs.journal.whenDurable(() => onVote(hs, vote))
}

/** True where a block will follow this one at once: something needs it to be decided, or waits to be proposed. */
function goesOn(hs: HotStuffState, node: BlockNode): boolean {
  const decided = hs.rule.committed(node, hs.tree.parentOf)?.header.height ?? -1
  const isLeft = hs.tree.undecided(node).some(({ header }) => header.height > decided)
  return isLeft || hs.demandSinceMs !== null
}

/** This node leads the next round: one write less stands between the QC and the block that rests on it. */
function fenceNext(hs: HotStuffState, round: number): void {
  const { epoch } = hs
  hs.safety.fence(round)
  hs.journal.whenDurable(() => {
    if (hs.epoch === epoch) hs.durableFence = round
  })
}

/** The last vote again, after a restart. */
export function resendVote(hs: HotStuffState): void {
  const vote = hs.safety.data.lastVote
  const block = vote === null ? undefined : hs.tree.get(vote.digest)
  if (vote === null || block === undefined || vote.view < qcRound(hs.highQc)) return
  const collector = hs.leaders.leader(vote.view + 1, block)
  if (collector === hs.self) onVote(hs, vote)
  else hs.sendSigned(collector, { type: 'hsVote', vote })
}

/** Takes a verified vote, or one that a time-out carried. */
export function onVote(hs: HotStuffState, vote: SignedStatement): void {
  if (vote.epoch !== hs.epoch || vote.view <= qcRound(hs.highQc)) return
  const before = hs.votes.get(vote.signer)
  if (before !== undefined && before.view >= vote.view) return
  hs.votes.set(vote.signer, vote)
  const equal = [...hs.votes.values()].filter((other) => sameStatement(other, vote))
  if (equal.length < hs.replicas.quorum) return
  onQc(hs, makeCertificate(hs.replicas, vote, equal), true)
}

function extendsLock(hs: HotStuffState, node: BlockNode): boolean {
  const locked = hs.tree.get(hs.safety.data.lockedHash)
  // A lock below the root was decided, or passed over by what was: everything in the tree extends the root.
  if (locked === undefined) return hs.safety.data.lockedRound <= hs.tree.root.header.round
  return hs.tree.extends(node, locked)
}

/** Fresh payloads only: an empty block has no time of its own. */
function isTimely(hs: HotStuffState, { header }: HashedHeader, parent: HashedHeader): boolean {
  if (header.timestampMs === parent.header.timestampMs) return true
  const ahead = header.timestampMs - hs.now.wallMs
  const { clockAheadMaxMs, clockBehindMaxMs } = hs.options.limits
  return ahead <= clockAheadMaxMs && -ahead <= clockBehindMaxMs
}

function notesFailures(hs: HotStuffState, { header }: HashedHeader, parent: HashedHeader): boolean {
  const expected = hs.leaders.failures(header.round, parent)
  if (expected.length !== header.failures.length) return false
  return expected.every(({ replica, round, strikes }, at) => {
    const noted = header.failures[at]
    return noted?.replica === replica && noted.round === round && noted.strikes === strikes
  })
}
