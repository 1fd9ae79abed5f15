/**
 * When a MODE operation is due, and whether this node votes for one. Back to Raft: a quorum says CLEAR, nothing
 * that is held against a member is live, the level is Low at most, and the residency is over. It comes by
 * itself, unless an operator ordered the Byzantine mode. To the other Byzantine protocol: f + 1 members were told.
 */
import { decodeModeChange, encodeModeChange, type ModeRules } from '../../bft/mode-change.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { Now, Stays } from '../../core.js'
import type { Millis, Mode, NodeId } from '../../types.js'
import { type ByzantineRules, currentEpoch } from '../inner.js'
import { residencyAfter, revertRefusal } from '../revert-rules.js'
import type { HybridState } from '../state.js'
import { isAtLeast } from '../threat-model.js'
import { isRecent, modeChecks } from './votes.js'

/** What the core of a Byzantine epoch asks. */
export function byzantineRules(state: HybridState): ByzantineRules {
  const distrusts = (id: NodeId): boolean =>
    state.modules.liveCulprits().includes(id) || state.evidence.some(({ culprit }) => culprit === id)
  return { modeRules: modeRules(state), distrusts }
}

function modeRules(state: HybridState): ModeRules {
  return {
    get due() {
      return state.modeDue
    },
    checks: (body) => modeChecks(currentEpoch(state), state.start, body),
    problem: (body, timestampMs) => modeProblem(state, body, timestampMs),
  }
}

/** Members that are proven to have lied, in replicated state or here, and not yet cleared. */
export function liveCulprits({ modules, evidence }: HybridState): NodeId[] {
  return [...new Set([...modules.liveCulprits(), ...evidence.map(({ culprit }) => culprit)])]
}

/** Why the cluster may not go back to Raft at `atMs`; null when it may. */
function backRefusal(state: HybridState, clears: readonly SignedStatement[], atMs: Millis): Stays | null {
  const { start, stay, options } = state
  const { replicas } = currentEpoch(state)
  const culprits = liveCulprits(state)
  return revertRefusal({
    quorum: replicas.quorum,
    clears: clears.filter((vote) => replicas.has(vote.signer) && isRecent(vote, atMs)).map(({ signer }) => signer),
    // Evidence makes the replicated level Critical; what a member sees alone is in its CLEAR, or in that it gives none.
    level: culprits.length > 0 ? 'critical' : 'none',
    culprits,
    sinceMs: stay.sinceMs ?? start.origin.timestampMs,
    nowMs: Math.floor(atMs),
    residencyMs: residencyAfter(stay.flaps, options.residencyMs),
  })
}

const KEPT = 'an operator ordered this mode, and nobody has ordered Raft since'

/** An operator wants a Byzantine mode, as far as this node was told. */
function isKept({ wanted, stay, now }: HybridState): boolean {
  const isWanted = wanted !== null && now.monotonicMs < wanted.untilMs
  return isWanted ? wanted.mode !== 'raft' : stay.byOrder
}

/** What speaks against a return as this node sees it, by its own threat model too. */
export function refusalHere(state: HybridState, { wallMs, monotonicMs }: Now): Stays | null {
  const { level } = state.reported
  const { quorum } = currentEpoch(state).replicas
  const clears = [...state.clears.values()].filter((vote) => isRecent(vote, wallMs))
  const refusal = backRefusal(state, clears, wallMs)
  // A quorum that sees nothing is enough, whatever this node sees alone.
  if (!isAtLeast(level, 'medium') || clears.length >= quorum || liveCulprits(state).length > 0) return refusal
  const fallsMs = state.threat.nextChangeMs(monotonicMs)
  const retryAfterMs = fallsMs === undefined ? null : Math.max(fallsMs - monotonicMs, refusal?.retryAfterMs ?? 0)
  return { reason: `the threat level is ${level}; it has to be low or none`, retryAfterMs }
}

/** Why the Byzantine mode stays as it is; null where nothing speaks against a return, and in Raft. */
export function staysBecause(state: HybridState, now: Now): Stays | null {
  if (state.phase.kind !== 'byzantine') return null
  const refusal = refusalHere(state, now)
  return refusal ?? (isKept(state) ? { reason: KEPT, retryAfterMs: null } : null)
}

function modeProblem(state: HybridState, body: Uint8Array, timestampMs: Millis): string | null {
  const { epoch, protocol, votes } = decodeModeChange(body)
  if (epoch !== state.start.epoch || protocol === state.start.mode) return 'it is about another epoch'
  // That f + 1 members were told to is in its votes.
  if (protocol !== 'raft') return null
  if (isKept(state)) return KEPT
  return backRefusal(state, votes, timestampMs)?.reason ?? null
}

/** The MODE operation that this node would propose now; null for none. */
export function dueMode(state: HybridState): Uint8Array | null {
  const { start, now } = state
  const other = orderedProtocol(state)
  if (other !== null) return encodeModeChange({ epoch: start.epoch, ...other })
  if (isKept(state)) return null
  const { quorum } = currentEpoch(state).replicas
  const clears = inOrder(state, state.clears, (vote) => isRecent(vote, now.wallMs))
  if (clears.length < quorum || backRefusal(state, clears, now.wallMs) !== null) return null
  return encodeModeChange({ epoch: start.epoch, protocol: 'raft', votes: clears.slice(0, quorum) })
}

/** The other Byzantine protocol, where f + 1 members were told to change to it. */
function orderedProtocol(state: HybridState): { readonly protocol: Mode; readonly votes: SignedStatement[] } | null {
  const { start, modeOrders } = state
  const needed = currentEpoch(state).replicas.f + 1
  if (start.mode === 'raft' || modeOrders.size < needed) return null
  const votes = inOrder(state, modeOrders, () => true)
  const protocol = start.mode === 'pbft' ? 'hotstuff' : 'pbft'
  return votes.length < needed ? null : { protocol, votes: votes.slice(0, needed) }
}

/** In the order of the configuration. */
function inOrder(
  state: HybridState,
  votes: ReadonlyMap<NodeId, SignedStatement>,
  counts: (vote: SignedStatement) => boolean,
): SignedStatement[] {
  const { ids } = currentEpoch(state).replicas
  return ids.flatMap((id) => votes.get(id) ?? []).filter(counts)
}
