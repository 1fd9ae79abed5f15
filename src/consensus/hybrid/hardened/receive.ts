/** What other members say, judged and set right before Raft sees it (R2 to R6); what they broke is told. */
import { bytesEqual } from '../../../base/bytes.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { ProtocolMessage } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { AppendEntries, AppendEntriesReply, RaftMessage } from '../../raft/messages.js'
import type { LogIndex, Millis, NodeId } from '../../types.js'
import type { HybridAck, HybridAppend, HybridCommit, HybridGrant, HybridVoteRequest } from '../messages.js'
import { comparePlaces, grantStatement, type TermCertificate, termOf } from '../positions.js'
import { judgeAppend } from './append-rules.js'
import { compareAppend, compareCommit, compareRequest, noteHeard } from './branches.js'
import { isChangeDue } from './changing.js'
import { receiveCheckpoint } from './checkpoints.js'
import { collect, isLeading, noteHeld, tallies } from './counting.js'
import { heldBy, lacksProof } from './sending.js'
import type { HardenedState, Out } from './state.js'
import { pass } from './stepping.js'
import { receiveInstalled, receiveOffer } from './transfer.js'
import { claimedEnd, isLeader, isShunned, soundHeartbeat } from './trust.js'
import { contradicts, deservesVote, TERM_LEAP_MAX } from './vote-rules.js'

/** A message that says nothing about the end of its sender's log. */
const NOT_SAID = 0 as LogIndex

export function receive(raft: HardenedState, from: NodeId, message: ProtocolMessage, out: Out): void {
  const { term, role } = raft.core.status()
  switch (message.type) {
    case 'hybridAppend':
      return receiveAppend(raft, from, message, out)
    case 'hybridAck':
      return receiveAck(raft, from, message, out)
    case 'hybridVoteRequest':
      return receiveVoteRequest(raft, from, message, out)
    case 'hybridGrant':
      return receiveGrant(raft, from, message, out)
    case 'hybridTerm':
      return learnTerm(raft, message.termCertificate, out)
    case 'hybridCommit':
      return receiveCommit(raft, from, message, out)
    case 'hybridCheckpoint':
      receiveCheckpoint(raft, from, message, out)
      return receiveOffer(raft, from, message, out)
    case 'installSnapshotReply':
      return receiveInstalled(raft, from, message, out)
    case 'hybridHeld':
      if (!isLeading(raft)) return
      if (message.waits) collect(raft, out)
      if (message.held !== null) noteHeld(raft, message.held)
      return
    case 'heartbeat': {
      if (message.term < term) return pass(raft, from, message, out)
      if (!isLeader(raft, from, message.term)) return
      if (raft.modules.assurance() !== 'fast') sayHeld(raft, from, out)
      return pass(raft, from, soundHeartbeat(raft, message.term, message.readPosition, message.lastIndex), out)
    }
    case 'preVote': {
      const claimed = { term: message.lastTerm, index: message.lastIndex, hash: new Uint8Array(0) }
      const isEnough = comparePlaces(claimed, raft.standing.position) >= 0 && !isShunned(raft, from, message.term)
      return pass(raft, from, { ...message, ...claimedEnd(raft, isEnough) }, out)
    }
    case 'preVoteReply':
      if (message.granted || message.term <= term || role === 'preCandidate') pass(raft, from, message, out)
      return
    case 'heartbeatReply':
      return receiveReply(raft, from, message, out)
    case 'readIndexRequest':
    case 'readIndexReply':
    case 'timeoutNow':
      if (message.term <= term) pass(raft, from, message, out)
      return
    default:
  }
}

/** A certified leader of a later term is followed at once, this node's own leadership given up. */
export function learnTerm(raft: HardenedState, certificate: TermCertificate, out: Out): void {
  raft.standing.learnTerm(certificate)
  const term = termOf(certificate)
  const { candidate } = certificate
  if (term > raft.core.status().term && candidate !== raft.options.self)
    pass(raft, candidate, soundHeartbeat(raft, term, 0, NOT_SAID), out)
}

export function receiveAppend(raft: HardenedState, from: NodeId, message: HybridAppend, out: Out): void {
  const { standing, modules, options } = raft
  const { append } = message
  raft.modules.onStatement(message.header)
  compareAppend(raft, message)
  if (message.termCertificate !== null) learnTerm(raft, message.termCertificate, out)
  if (message.commit !== null) {
    compareCommit(raft, message.commit)
    standing.learnCommit(message.commit)
  }
  if (message.proof !== null) standing.learnProof(message.proof)
  const { term, commitIndex, mayVote } = raft.core.status()
  if (append.term < term) return pass(raft, from, { ...append, commitIndex: 0 as LogIndex }, out)
  const current = standing.current
  if (current === null || !isLeader(raft, from, append.term)) return
  const clusterId = options.epoch.sign.clusterId
  const view = {
    epoch: options.epoch,
    shadow: modules.shadow,
    standing,
    commitIndex,
    clusterId,
    wallMs: raft.now.wallMs,
    isChangeDue: (change: Entry) => isChangeDue(raft, change),
  }
  const verdict = judgeAppend(view, message, current)
  switch (verdict.kind) {
    case 'drop':
      return
    case 'unsound':
      return raft.modules.onUnsound(from)
    case 'refuse':
      // A sign of life all the same; a damaged node waits for a word about the end of the leader's log.
      if (mayVote) pass(raft, from, soundHeartbeat(raft, append.term, append.readPosition, NOT_SAID), out)
      return refuseAppend(raft, from, append, verdict.hintIndex, out)
    case 'stuck':
      raft.isBehindChange = true
      return
    case 'take':
      raft.taken = { ...verdict, message, term: current }
      pass(raft, from, verdict.append, out)
      raft.taken = null
      if (standing.holds(verdict.end)) noteHeard(raft, message.header)
      if (standing.holds(verdict.end) && verdict.covered > raft.covered) raft.covered = verdict.covered
  }
}

export function refuseAppend(
  raft: HardenedState,
  to: NodeId,
  append: AppendEntries,
  hintIndex: LogIndex,
  out: Out,
): void {
  const { epoch, term } = raft.core.status()
  const reply: AppendEntriesReply = {
    type: 'appendEntriesReply',
    epoch,
    term,
    success: false,
    prevIndex: append.prevIndex,
    matchIndex: 0 as LogIndex,
    hintIndex,
    // What is committed is the same everywhere: nobody has to look below it.
    hintEpoch: epoch,
    hintTerm: term,
    readPosition: append.readPosition,
    wallMs: Math.floor(raft.now.wallMs),
  }
  out.push({ type: 'send', to, message: { type: 'hybridAck', reply, ack: null, held: null } })
}

export function receiveAck(raft: HardenedState, from: NodeId, message: HybridAck, out: Out): void {
  const { reply, ack, held } = message
  const { term, role } = raft.core.status()
  if (ack !== null) raft.modules.onStatement(ack)
  if (role !== 'leader' || reply.term !== term) return receiveReply(raft, from, reply, out)
  if (reply.success && !isOwn(raft, from, reply, ack)) return
  tallies(raft, term)
  // Who has no vote says by a success alone that it knows the certificate of the term.
  if (reply.success && (ack !== null || !raft.options.epoch.replicas.has(from))) raft.informed.add(from)
  if (reply.success && ack !== null) {
    raft.acks.note({ term, index: reply.matchIndex, hash: ack.digest }, ack)
  }
  if (held !== null) noteHeld(raft, held)
  pass(raft, from, reply, out)
}

/** A success is of what this leader holds, and signed where its own entries are acknowledged. */
export function isOwn(
  raft: HardenedState,
  from: NodeId,
  { matchIndex, term }: AppendEntriesReply,
  ack: SignedStatement | null,
): boolean {
  const { current } = raft.standing
  const { shadow } = raft.modules
  if (matchIndex > shadow.lastIndex || current === null) return false
  // Who has no vote signs nothing, and counts for nothing.
  if (ack === null) return matchIndex <= settled(raft) || !raft.options.epoch.replicas.has(from)
  const own = shadow.chainAt(matchIndex)
  return ack.view === term && ack.sequence === matchIndex && own !== undefined && bytesEqual(own, ack.digest)
}

/** Up to here nothing is in question any more: what a follower says of its log there needs no signature. */
function settled({ standing }: HardenedState): number {
  const { current, certified } = standing
  return Math.max(current?.tip.index ?? 0, standing.holds(certified) ? certified.index : 0)
}

/** Answers of later terms move nobody by themselves: f + 1 say so, or a certificate does. */
export function receiveReply(raft: HardenedState, from: NodeId, message: RaftMessage, out: Out): void {
  const { term, role } = raft.core.status()
  if (message.term <= term) return pass(raft, from, message, out)
  if (message.term > term + TERM_LEAP_MAX) return
  raft.claims.set(from, message.term)
  const above = [...raft.claims.values()].filter((claimed) => claimed > term).length
  if (role === 'candidate' || above > raft.options.epoch.replicas.f || isStranded(raft, from))
    pass(raft, from, message, out)
}

/**
 * One member alone says so: a liar, or an honest one that voted for somebody who never led, and that can go
 * back to no lower term. It is heeded in the end, and each time only after twice as long.
 */
function isStranded(raft: HardenedState, from: NodeId): boolean {
  const nowMs = raft.now.monotonicMs
  const before = raft.stranded.get(from)
  const { sinceMs, waitMs } = before ?? { sinceMs: nowMs, waitMs: STRANDED_MS }
  const isHeeded = nowMs - sinceMs >= waitMs
  if (before === undefined || isHeeded)
    raft.stranded.set(from, { sinceMs: nowMs, waitMs: isHeeded ? 2 * waitMs : waitMs })
  return isHeeded
}

const STRANDED_MS: Millis = 10_000

export function receiveVoteRequest(raft: HardenedState, from: NodeId, message: HybridVoteRequest, out: Out): void {
  const { request } = message
  const { term } = raft.core.status()
  if (request.term > term + TERM_LEAP_MAX) return
  if (message.header !== null) raft.modules.onStatement(message.header)
  compareRequest(raft, message)
  if (message.commit !== null) raft.standing.learnCommit(message.commit)
  const { position, header, term: own } = raft.standing
  const chainAt = (index: number): Uint8Array | undefined => raft.modules.shadow.chainAt(index)
  if (header !== null && own !== null && raft.standing.holds(position)) {
    if (contradicts(raft.options.epoch, message, position, chainAt)) raft.modules.onUnsound(own.candidate)
  }
  const isEnough = !isShunned(raft, from, request.term) && deservesVote(raft.options.epoch, message, raft.standing)
  raft.asked = isEnough ? message : null
  pass(raft, from, { ...request, transfer: false, ...claimedEnd(raft, isEnough) }, out)
  raft.asked = null
}

export function receiveGrant(raft: HardenedState, from: NodeId, { reply, grant }: HybridGrant, out: Out): void {
  const campaign = raft.campaign
  const { epoch } = raft.options
  if (grant !== null) raft.modules.onStatement(grant)
  if (!reply.granted) return receiveReply(raft, from, reply, out)
  if (campaign === null || grant === null || reply.term !== campaign.term) return
  const expected = grantStatement(epoch.sha256, epoch.epoch, campaign.term, raft.options.self, campaign.tip)
  if (!bytesEqual(grant.digest, expected.digest)) return
  campaign.votes.set(from, grant)
  pass(raft, from, reply, out)
}

export function receiveCommit(raft: HardenedState, from: NodeId, message: HybridCommit, out: Out): void {
  const { standing } = raft
  const { commit, proof, collects } = message
  compareCommit(raft, commit)
  standing.learnCommit(commit)
  if (proof !== null) standing.learnProof(proof)
  const { term, role, mayVote } = raft.core.status()
  if (role === 'leader' || !isLeader(raft, from, term)) return
  if (mayVote && standing.holds(standing.certified)) {
    const effects: Out = []
    pass(raft, from, soundHeartbeat(raft, term, 0, NOT_SAID), effects)
    // It asked for nothing: heartbeats of its own ask whether this node is there.
    out.push(...effects.filter((effect) => effect.type !== 'send' || effect.message.type !== 'heartbeatReply'))
  }
  if (collects || raft.modules.assurance() !== 'fast') sayHeld(raft, from, out)
}

/** To a leader that collects, or that has to learn that somebody waits for proofs. */
function sayHeld(raft: HardenedState, to: NodeId, out: Out): void {
  if (!lacksProof(raft)) return
  const waits = raft.modules.assurance() !== 'fast'
  const { epoch } = raft.options.epoch
  out.push({ type: 'send', to, message: { type: 'hybridHeld', epoch, held: heldBy(raft), waits } })
}
