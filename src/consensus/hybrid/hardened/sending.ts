/** What Raft sends, in the form that members sign (R1 to R3, R5). */
import { assert } from '../../../base/assert.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { Effect } from '../../core.js'
import type {
  AppendEntries,
  AppendEntriesReply,
  RaftMessage,
  RequestVote,
  RequestVoteReply,
} from '../../raft/messages.js'
import type { LogIndex, NodeId } from '../../types.js'
import { bareHeader, HEADERS_MAX } from '../headers.js'
import type { HybridAck, HybridAppend, HybridGrant, HybridMessage, HybridVoteRequest } from '../messages.js'
import { type Position, positionOf } from '../positions.js'
import { collects, isProven, sendCommit } from './counting.js'
import { offerNewest, sendOffer } from './offers.js'
import type { HardenedState, Out } from './state.js'

export function sendSigned(raft: HardenedState, effect: Extract<Effect, { type: 'send' }>, out: Out): void {
  const { to, message } = effect
  const wrap = (wrapped: HybridMessage | RaftMessage | null): void => {
    if (wrapped !== null) out.push({ ...effect, message: wrapped })
  }
  switch (message.type) {
    case 'appendEntries':
      return sendAppend(raft, effect, message, out)
    case 'appendEntriesReply':
      return wrap(ackFor(raft, message))
    case 'requestVote':
      return wrap(requestFor(raft, message))
    case 'requestVoteReply':
      return wrap(grantFor(raft, to, message))
    case 'preVote': {
      const { position } = raft.standing
      if (!raft.standing.isWhole) return
      return wrap({ ...message, lastIndex: position.index, lastTerm: position.term })
    }
    case 'heartbeat': {
      const { current } = raft.standing
      if (current !== null && !raft.informed.has(to))
        out.push({
          type: 'send',
          to,
          message: { type: 'hybridTerm', epoch: message.epoch, termCertificate: current },
        })
      else sendCommit(raft, [to], out)
      return wrap(message)
    }
    case 'installSnapshot':
      return sendOffer(raft, to, out)
    case 'membershipHint':
    case 'diverged':
      return
    default:
      out.push(effect)
  }
}

function sendAppend(
  raft: HardenedState,
  effect: Extract<Effect, { type: 'send' }>,
  append: AppendEntries,
  out: Out,
): void {
  const message = appendFor(raft, effect.to, append)
  if (message !== null) out.push({ ...effect, message })
  const { current } = raft.standing
  const isStuck = message === null || (current !== null && message.bridge.length === 0 && isBelow(append, current.tip))
  if (isStuck) offerNewest(raft, effect.to, append.prevIndex, out)
}

/** The entries end below the tip of the term: the peer needs the headers up to it. */
function isBelow({ prevIndex, entries }: AppendEntries, tip: Position): boolean {
  return prevIndex + entries.length < tip.index
}

export function appendFor(raft: HardenedState, to: NodeId, append: AppendEntries): HybridAppend | null {
  const { standing, modules, options } = raft
  const { current, commit, proof } = standing
  const { entries } = append
  const index = (append.prevIndex + append.entries.length) as LogIndex
  const hash = append.entries.at(-1)?.chain ?? modules.shadow.chainAt(index)
  if (hash === undefined || current === null) return null
  const { tip } = current
  const [first] = entries
  // The term at a base that came with a snapshot is not known: that of what continues it is.
  const label = first === undefined || first.kind === 'mode' ? {} : { prevEpoch: first.epoch, prevTerm: first.term }
  const missing = tip.index - index
  const between = missing > 0 ? modules.shadow.slice(index + 1, tip.index, HEADERS_MAX) : []
  const bridge = between.length === missing ? between.map(bareHeader) : []
  const header = raft.rules.header({ term: append.term, index, hash })
  const isInformed = raft.informed.has(to) && options.self !== to
  const termCertificate = isInformed ? null : current
  const isAsking = collects(raft)
  const { of, message: last } = raft.lastAppend ?? { of: null, message: null }
  const isSame = of === append && last.header === header && last.commit === commit && last.collects === isAsking
  if (isSame && last.termCertificate === termCertificate && last.proof === (isAsking ? proof : null)) return last
  const message: HybridAppend = {
    type: 'hybridAppend',
    append: { ...append, ...label },
    header,
    termCertificate,
    commit,
    proof: isAsking ? proof : null,
    collects: isAsking,
    bridge,
  }
  raft.lastAppend = { of: append, message }
  return message
}

export function ackFor(raft: HardenedState, reply: AppendEntriesReply): HybridAck {
  const taken = raft.taken
  const { standing } = raft
  const isVoter = raft.options.epoch.replicas.has(raft.options.self)
  if (!reply.success || taken === null || !taken.isSigned || !isVoter || !standing.holds(taken.end))
    return { type: 'hybridAck', reply, ack: null, held: null }
  assert(reply.matchIndex === taken.end.index, 'an acknowledgement is of what was sent')
  standing.advance(taken.end, taken.term, taken.message.header)
  const before = raft.rules.lastAck
  const ack = extendsAck(raft, taken.end) ? raft.rules.ack(taken.end) : null
  if (raft.rules.lastAck !== before) standing.hasChanged = true
  const isAsked = taken.message.collects || raft.modules.assurance() !== 'fast'
  return { type: 'hybridAck', reply, ack, held: isAsked ? heldBy(raft) : null }
}

/** What it knows to be certified is not proven, as far as this node knows. */
export function lacksProof(raft: HardenedState): boolean {
  const { commit } = raft.standing
  return commit !== null && !isProven(raft, positionOf(commit))
}

/** This node's word that it holds the highest certificate, which is written before; null where nothing is to be said. */
export function heldBy(raft: HardenedState): SignedStatement | null {
  const { standing, options, rules } = raft
  const { commit } = standing
  if (commit === null || !lacksProof(raft) || !options.epoch.replicas.has(options.self)) return null
  if (standing.hasNews) standing.hasChanged = true
  return rules.held(positionOf(commit))
}

/** R5: in one term nothing is acknowledged that does not extend what was acknowledged in it. */
export function extendsAck(raft: HardenedState, { term }: Position): boolean {
  const { lastAck } = raft.rules
  if (lastAck === null || lastAck.view < term) return true
  return raft.standing.holds({ index: lastAck.sequence, hash: lastAck.digest })
}

export function requestFor(raft: HardenedState, request: RequestVote): HybridVoteRequest | null {
  const { standing, options } = raft
  if (!standing.isWhole) return null
  const { tip, term, header, commit, headers } = standing.content(null)
  if (raft.campaign?.term !== request.term) {
    const own = raft.rules.grantFor(request.term, options.self, tip)
    if (own === null) return null
    standing.hasChanged = true
    raft.campaign = { term: request.term, tip, votes: new Map([[options.self, own]]) }
  }
  return { type: 'hybridVoteRequest', request, tip, termCertificate: term, header, commit, headers }
}

export function grantFor(raft: HardenedState, to: NodeId, reply: RequestVoteReply): HybridGrant {
  const asked = raft.asked
  if (!reply.granted) return { type: 'hybridGrant', reply, grant: null }
  // Raft may give its vote where these rules do not: then it is given to nobody.
  if (asked === null || !raft.options.epoch.replicas.has(raft.options.self))
    return { type: 'hybridGrant', reply: { ...reply, granted: false }, grant: null }
  const grant = raft.rules.grantFor(reply.term, to, asked.tip)
  if (grant !== null) raft.standing.hasChanged = true
  return { type: 'hybridGrant', reply: { ...reply, granted: grant !== null }, grant }
}
