/**
 * The end of a Byzantine epoch. Where another protocol follows, its core is done once the state after the
 * MODE operation is certified. After a change of members the same core goes on: the hybrid takes note.
 */
import { assert } from '../../../base/assert.js'
import type { Wedge, WedgedCore } from '../../bft/mode-change.js'
import { GENESIS_CHAIN } from '../../entry.js'
import type { Term } from '../../types.js'
import { enter, withLink } from '../entering.js'
import { type EpochLink, walkLinks } from '../epoch-links.js'
import type { EpochStart } from '../epoch-record.js'
import { linkRules } from '../inner.js'
import type { HybridState } from '../state.js'

/** Another protocol follows: what is not durable yet of this epoch is in writes before this one. */
function leaveByzantine(state: HybridState, wedge: Wedge): void {
  const { epoch, mode } = state.start
  const link: EpochLink = { kind: 'wedge', ...wedge }
  const walk = walkLinks(linkRules(state.options, state.modules), state.start, [link])
  assert(typeof walk !== 'string', 'a core shows how its epoch ended')
  const next = walk.epochs[1] as EpochStart
  assert(state.shadow.lastIndex === next.origin.index, 'an epoch ends with its last entry')
  state.merger.emit({ type: 'roleChanged', role: 'follower', epoch, term: 0 as Term, leader: null })
  const reason = `an ordered operation ended the epoch in favour of ${next.mode}`
  state.merger.emit({ type: 'epochChanged', epoch, mode, isUnderWay: true, reason })
  enter(state, link, next)
}

/** What the core of a Byzantine epoch came to: other members, or its end. */
export function followCore(state: HybridState): void {
  const { phase } = state
  if (phase.kind !== 'byzantine') return
  followMembers(state, phase.core)
  if (phase.core.wedge !== null) leaveByzantine(state, phase.core.wedge)
}

/** The core went on in a later epoch by itself: other members. */
function followMembers(state: HybridState, core: WedgedCore): void {
  const { epoch, membership: record } = core.status()
  if (epoch === state.start.epoch) return
  assert(epoch > state.start.epoch, 'epochs only grow')
  for (const step of core.steps) {
    if (step.entry.epoch < state.start.epoch) continue
    const { index, chain, timestampMs } = step.entry
    const { membership } = core.membershipAt(index)
    state.links = withLink(state, { kind: 'wedge', ...step })
    const origin = { index, chain, timestampMs }
    state.start = {
      ...state.start,
      epoch: (step.entry.epoch + 1) as EpochStart['epoch'],
      origin,
      membership,
      configuredAt: index,
    }
  }
  if (state.start.epoch < epoch) {
    // The steps came with a snapshot, or are not kept: what counts of the beginning is its place.
    const { index, membership } = record
    const origin = { index, chain: state.shadow.chainAt(index) ?? GENESIS_CHAIN, timestampMs: state.now.wallMs }
    state.start = { ...state.start, epoch, origin, membership, configuredAt: index }
  }
  state.clears.clear()
  state.modeOrders.clear()
  state.storeEpoch()
}
