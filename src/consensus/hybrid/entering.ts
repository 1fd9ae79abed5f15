/**
 * Into the next epoch, whatever ended the one before: one write makes the entry durable, and only then the
 * core of the new epoch is made. How long a Byzantine mode has to stay follows from the times in what ended
 * epochs, so that all members count the same.
 */
import type { RestoredLog } from '../core.js'
import type { LogIndex, Millis, Term } from '../types.js'
import { inside } from './effects.js'
import { type EpochLink, LINKS_MAX } from './epoch-links.js'
import type { EpochStart, Stay } from './epoch-record.js'
import { forgottenAfter } from './forgetting.js'
import { makePhase } from './phases.js'
import { residencyAfter } from './revert-rules.js'
import type { HybridState } from './state.js'

/** The next epoch begins when all that is written up to here is on the disk; the log ends at its origin. */
export function enter(state: HybridState, link: EpochLink, next: EpochStart): void {
  enterBy(state, [link], [next])
}

/** Through epochs that others saw, into the last of them. `inner`: what its core begins with, where it has begun without this node. */
export function enterBy(
  state: HybridState,
  links: readonly EpochLink[],
  epochs: readonly EpochStart[],
  inner: Uint8Array | null = null,
): void {
  links.forEach((link, at) => {
    const next = epochs[at] as EpochStart
    state.stay = stayOf(state, link, next)
    state.remembers(forgottenAfter(state.forgotten, endedMs(link)))
    state.ended = state.start
    state.start = next
    state.links = withLink(state, link)
  })
  const { epoch, origin } = state.start
  const hardState = { epoch, term: 0 as Term, votedFor: null }
  state.merger.record({ kind: 'hardState', hardState })
  state.inner = inner
  forget(state)
  state.storeEpoch()
  state.phase = { kind: 'entering' }
  state.merger.whenDurable(() => begin(state, hardState, origin.index))
}

function begin(state: HybridState, hardState: RestoredLog['hardState'], result: LogIndex): void {
  const snapshot = state.snapshots.newest?.snapshot ?? state.modules.restored.snapshot
  const { epoch, mode, configuredAt, membership } = state.start
  // What the epochs before decided is committed in a Raft epoch from its first moment on.
  const commitIndex = mode === 'raft' ? (Math.max(result, state.released) as LogIndex) : state.released
  // Who lost the end of its log may have been in this epoch before, and have forgotten what it signed here.
  const mayVote = state.mayVote && state.forgotten === null
  const given = { hardState, snapshot, commitIndex, mayVote, safety: state.inner, pending: [] }
  state.phase = makePhase(state, state.shadow.restored(given))
  state.pass({ type: 'commit', upTo: result, assurance: 'certified' })
  if (configuredAt !== state.configurationTold) {
    state.configurationTold = configuredAt
    state.merger.emit({ type: 'membershipChanged', record: { index: configuredAt, membership }, committed: true })
  }
  state.merger.emit({ type: 'epochChanged', epoch, mode, isUnderWay: false, reason: 'the switch is decided' })
  // What waits since before the epoch is told only once: without it nobody would miss it here.
  inside(state, { type: 'demand', waitingSinceMs: state.demandMs })
  inside(state, { type: 'tick' })
}

/** What is known of how epochs ended; `encodeEpochRecord` keeps the newest of it. */
export function withLink({ links }: HybridState, link: EpochLink): EpochLink[] {
  return [...links, link].slice(-LINKS_MAX)
}

/** The time in what ended an epoch. */
function endedMs(link: EpochLink): Millis {
  return link.kind === 'switch' ? link.certificate.timestampMs : link.entry.timestampMs
}

function stayOf({ start, stay, ordered, wanted, options }: HybridState, link: EpochLink, next: EpochStart): Stay {
  const sinceMs = endedMs(link)
  const { flaps } = stay
  if (next.mode === 'raft') return start.mode === 'raft' ? stay : { sinceMs, flaps, byOrder: false }
  if (start.mode !== 'raft') return { ...stay, byOrder: wanted?.mode === next.mode || stay.byOrder }
  if (ordered !== null) return { sinceMs, flaps, byOrder: true }
  // A return that lasted less than the stay before it did not hold.
  const isFlap = stay.sinceMs !== null && sinceMs - stay.sinceMs < residencyAfter(flaps, options.residencyMs)
  return { sinceMs, flaps: isFlap ? flaps + 1 : 0, byOrder: false }
}

/** What was said and heard of an epoch that is over. */
function forget(state: HybridState): void {
  for (const orderId of state.openOrders) {
    const reason = 'the protocol is changing'
    state.merger.emit({ type: 'orderRefused', orderId, code: 'EpochChanging', reason, leader: null })
  }
  state.openOrders.clear()
  state.ordered = null
  state.wanted = null
  for (const heard of [state.panics, state.suspects, state.early, state.clears, state.modeOrders]) heard.clear()
  state.modeDue = null
  state.modeSinceMs = null
  state.clearDueMs = state.now.monotonicMs
}
