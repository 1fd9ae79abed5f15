/** Who is epochs behind says so, and is offered a signed snapshot of a later epoch with the links that lead there (`behind.ts`). */
import type { Certificate } from '../bft/certificate.js'
import type { SignedSnapshot } from '../bft/signed-snapshots.js'
import type { ProtocolMessage } from '../core.js'
import type { Epoch, LogIndex, Millis, NodeId, Term } from '../types.js'
import { type EpochLink, epochEndedBy } from './epoch-links.js'
import { FETCHED_MAX } from './fetched.js'
import { currentEpoch } from './inner.js'
import type { HybridFetch } from './messages.js'
import type { HybridState } from './state.js'

/** Something of a later epoch came: this node is behind, and says how far. */
export function askWhere(state: HybridState, to: NodeId): void {
  if (state.phase.kind !== 'entering') state.tell(to, question(state))
}

/**
 * When a node in a Raft epoch next asks the members that it knows whether that goes on; undefined for never. A Byzantine
 * epoch that has nothing to decide reminds nobody, and a leader that is heard proves nothing: heartbeats are not
 * signed. A voter that hears none campaigns, and is answered; who has no vote has nothing else to say.
 */
export function whereDueMs({ phase, whereAskMs }: HybridState): Millis | undefined {
  return phase.kind === 'raft' ? whereAskMs : undefined
}

export function askAround(state: HybridState): void {
  const nowMs = state.now.monotonicMs
  if (nowMs < (whereDueMs(state) ?? Number.POSITIVE_INFINITY)) return
  const { electionTimeoutMaxMs } = state.options.settings
  const isVoter = currentEpoch(state).replicas.has(state.options.self)
  state.whereAskMs = nowMs + (isVoter ? VOTER_ASKS * electionTimeoutMaxMs : electionTimeoutMaxMs)
  state.broadcast(question(state))
}

/** Election time-outs between two questions of a voter: only a liar that plays its leader makes them necessary. */
const VOTER_ASKS = 10

/** Up to where the own log goes, in which epoch. */
function question({ shadow, start }: HybridState): HybridFetch {
  const upTo = shadow.lastIndex
  return { type: 'hybridFetch', epoch: start.epoch, from: (upTo + 1) as LogIndex, upTo }
}

/** A member whose log ends before `from` in `epoch` gets the newest snapshot that was signed, where logs do not help it. */
export function offerJump(state: HybridState, to: NodeId, epoch: Epoch, from: LogIndex): void {
  const { newest } = state.snapshots
  if (newest === null || newest.snapshot.base.index < from) return
  const { snapshot, certificate, proof } = newest
  const links = linksTo(state.links, epoch, certificate)
  if (links === null) return
  const own = links.length === 0 ? ownOffer(newest) : null
  if (own !== null) return state.merger.sendTo(to, own, false)
  const nothing = { leads: 0 as Term, own: null, commit: null }
  state.merger.sendTo(to, { type: 'hybridCheckpoint', epoch, ...nothing, certificate, snapshot, proof, links }, false)
}

/** Inside a Byzantine epoch a member begins behind a snapshot by the rules of its protocol, and asks on from there. */
function ownOffer({ snapshot, certificate, proof }: SignedSnapshot): ProtocolMessage | null {
  switch (certificate.statement.mode) {
    case 'pbft':
      return { type: 'pbftOffer', snapshot, certificate, steps: [] }
    case 'hotstuff':
      return proof === null ? null : { type: 'hsSnapshot', snapshot, checkpoint: certificate, proof, steps: [] }
    case 'raft':
      return null
  }
}

/** From `epoch` to the one that the state is in: behind a signed end of an epoch that is the next one. */
function linksTo(known: readonly EpochLink[], epoch: Epoch, { statement }: Certificate): readonly EpochLink[] | null {
  if (statement.epoch < epoch) return null
  const links = known.filter((link) => epochEndedBy(link) >= epoch && epochEndedBy(link) < statement.epoch)
  if (links.length !== statement.epoch - epoch) return null
  const end = known.find((link) => epochEndedBy(link) === statement.epoch)
  const isEnd = end?.kind === 'wedge' && end.entry.index === statement.sequence
  return isEnd ? [...links, end] : links
}

/** Whether nobody can make up entry by entry for what a log lacks from here on. */
export function isTooFar({ shadow }: HybridState, from: number): boolean {
  return from <= shadow.base.index || shadow.lastIndex - from >= FETCHED_MAX
}
