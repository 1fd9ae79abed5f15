/** What the hybrid tells of itself: the core of the epoch, or the way between two. */
import { ByteWriter } from '../../base/bytes.js'
import type { CoreStatus } from '../core.js'
import type { MembershipRecord } from '../membership.js'
import type { LogIndex, Term } from '../types.js'
import type { HybridState, Phase } from './state.js'

export function statusOf(state: HybridState): CoreStatus {
  const phase = state.phase
  const threat = state.reported
  const isForgetful = state.forgotten !== null
  if (phase.kind === 'byzantine') return { ...phase.core.status(), threat, isForgetful }
  if (phase.kind === 'raft') return { ...phase.raft.status(), threat, isForgetful }
  const shadow = state.shadow
  return {
    mode: state.start.mode,
    role: 'follower',
    epoch: state.start.epoch,
    term: shadow.termAt(shadow.lastIndex)?.term ?? (0 as Term),
    view: null,
    round: null,
    leader: null,
    firstIndex: (shadow.base.index + 1) as LogIndex,
    lastIndex: shadow.lastIndex,
    commitIndex: state.released,
    peers: [],
    membership: { index: state.start.configuredAt, membership: state.start.membership },
    membershipCommitted: true,
    mayVote: state.mayVote,
    threat,
    isForgetful,
  }
}

export function membershipAt(state: HybridState, index: LogIndex): MembershipRecord {
  const phase = state.phase
  if (phase.kind === 'byzantine') return phase.core.membershipAt(index)
  if (phase.kind === 'raft') return phase.raft.membershipAt(index)
  // Snapshots are taken on the way between two epochs as well.
  return state.shadow.membershipAt(index) ?? { index: 0 as LogIndex, membership: state.options.membership }
}

/** Changes with the epoch and with its end: what was verified for one says nothing in the next. */
export function configHashOf(state: HybridState): Uint8Array {
  const phase = state.phase
  const of = contextOf(phase)
  if (state.configHashCache?.of === of) return state.configHashCache.hash
  const out = new ByteWriter(96).text('knhk/hybrid-context/1').text(phase.kind).u32(statusOf(state).epoch).raw(of)
  state.configHashCache = { of, hash: state.modules.sha256(out.finish()) }
  return state.configHashCache.hash
}

const ENTERING = new Uint8Array(32)

/** What messages are verified under now. */
function contextOf(phase: Phase): Uint8Array {
  switch (phase.kind) {
    case 'raft':
      return phase.raft.core.configHash()
    case 'leaving':
      return phase.instance.configHash()
    case 'entering':
      return ENTERING
    case 'byzantine':
      return phase.core.configHash()
  }
}
