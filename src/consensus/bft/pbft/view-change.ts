/**
 * The view change (Castro and Liskov, section 4.4): a replica leaves its view for good before it says
 * so, joins the smallest of the views that f + 1 others ask for, waits for a NEW-VIEW only once a quorum
 * asks for one, and begins a view only with a NEW-VIEW whose order it computed itself.
 */
import { assert } from '../../../base/assert.js'
import type { LogIndex } from '../../types.js'
import type { Certificate } from '../certificate.js'
import { noteStatement, noteVotesOf, takeEvidence } from './accusations.js'
import { adoptCheckpoint } from './checkpoint-rules.js'
import { noteDecision } from './decisions.js'
import { hasOwnCertificates } from './help.js'
import type { NewView, ViewChange } from './messages.js'
import { computeOrder, newViewDigest, sameOrder, viewChangeDigest } from './new-view.js'
import { acceptOrdered } from './normal-case.js'
import type { PbftState } from './state.js'
import { wrongNewView } from './wrong-new-view.js'

/** The time-out of the present view: doubled for each view that failed since the last progress. */
export function timeoutMs({ options: { settings }, failedViews }: PbftState): number {
  return Math.min(settings.requestTimeoutMs * 2 ** Math.min(failedViews, 16), settings.requestTimeoutMaxMs)
}

/** Leaves the present view and asks for `view`. */
export function startViewChange(state: PbftState, view: number): void {
  if (!state.rules.maySign || view <= state.view || !hasOwnCertificates(state)) return
  const { sha256 } = state.modules
  const content = { type: 'pbftViewChange' as const, stable: state.checkpoints.stable, prepared: certificatesOf(state) }
  const vote = state.rules.leaveFor(view, viewChangeDigest(sha256, content))
  const message: ViewChange = { ...content, vote }
  leaveView(state, view)
  state.ownViewChange = message
  state.viewChanges.set(state.self, message)
  state.storeSafety()
  state.broadcast(message)
  afterViewChange(state)
}

function leaveView(state: PbftState, view: number): void {
  state.slow.nextView(timeoutMs(state))
  state.view = view
  state.active = false
  state.newView = null
  state.newViewDueMs = null
  state.proposedUpTo = 0 as LogIndex
  state.slots.resetView()
}

/** Per slot above the stable checkpoint the certificate with the highest view. */
function certificatesOf(state: PbftState): Certificate[] {
  const certificates: Certificate[] = []
  const { log, slots, stableIndex, options } = state
  const end = stableIndex + options.settings.windowSlots
  for (let index = stableIndex + 1; index <= end; index++) {
    const slot = slots.get(index)
    const found = [log.certificate(index), slot?.decided, slot?.prepared].filter(
      (one) => one !== undefined && one !== null,
    )
    const best = found.sort((a, b) => (b as Certificate).statement.view - (a as Certificate).statement.view)[0]
    if (best !== undefined && best !== null) certificates.push(best)
    else assert(index > log.lastIndex, 'what is decided above the stable checkpoint has its certificate at hand')
  }
  return certificates
}

/** A verified view change; of each sender the one for the highest view counts. */
export function receiveViewChange(state: PbftState, message: ViewChange): void {
  const { vote, stable, prepared } = message
  noteStatement(state, vote)
  for (const certificate of prepared) {
    noteVotesOf(state, certificate)
    state.verified.add(certificate)
  }
  if (stable !== null) {
    state.verified.add(stable)
    adoptCheckpoint(state, stable)
  }
  for (const certificate of prepared) if (certificate.statement.type === 'commit') noteDecision(state, certificate)
  const before = state.viewChanges.get(vote.signer)
  if (before !== undefined && before.vote.view >= vote.view) return
  if (vote.view < state.view || (vote.view === state.view && state.active)) return
  state.viewChanges.set(vote.signer, message)
  // A primary that leaves its own view is not waited for.
  const isAbdication = state.active && vote.signer === state.primary
  if (isAbdication && vote.view <= state.view + state.context.replicas.count) startViewChange(state, vote.view)
  else joinOthers(state)
  afterViewChange(state)
}

/** f + 1 others ask for higher views: one of them is honest. The smallest of those views is joined. */
function joinOthers(state: PbftState): void {
  const views = [...state.viewChanges.values()]
    .filter(({ vote }) => vote.signer !== state.self && vote.view > state.view)
    .map(({ vote }) => vote.view)
  if (views.length > state.context.replicas.f) startViewChange(state, Math.min(...views))
}

/** Starts the timer, or the view, once a quorum asks for it. Who signs nothing can ask for no other: it waits for a NEW-VIEW without a timer. */
function afterViewChange(state: PbftState): void {
  if (state.active || !state.rules.maySign) return
  const { quorum } = state.context.replicas
  const higher = [...state.viewChanges.values()].filter(({ vote }) => vote.view >= state.view)
  if (higher.length >= quorum) state.newViewDueMs ??= state.now.monotonicMs + timeoutMs(state)
  const equal = higher.filter(({ vote }) => vote.view === state.view)
  if (equal.length >= quorum && state.primary === state.self) announceView(state, equal)
}

function announceView(state: PbftState, held: readonly ViewChange[]): void {
  const { modules, context, view, nullValue } = state
  const byReplica = [...held].sort((a, b) => place(state, a) - place(state, b))
  const own = byReplica.filter(({ vote }) => vote.signer === state.self)
  const others = byReplica.filter(({ vote }) => vote.signer !== state.self)
  const viewChanges = [...own, ...others]
    .slice(0, context.replicas.quorum)
    .sort((a, b) => place(state, a) - place(state, b))
  const { order } = computeOrder(modules.sha256, context, nullValue, viewChanges)
  const content = { type: 'pbftNewView' as const, viewChanges, order }
  const message: NewView = { ...content, vote: state.rules.newView(view, newViewDigest(modules.sha256, content)) }
  state.broadcast(message)
  enterView(state, message)
}

function place(state: PbftState, { vote }: ViewChange): number {
  return state.context.replicas.indexOf(vote.signer)
}

/** A verified NEW-VIEW. Its order is computed again: a wrong one ends the view before it began. */
export function receiveNewView(state: PbftState, message: NewView): void {
  const { vote, viewChanges, order } = message
  noteStatement(state, vote)
  if (vote.view < state.view || (vote.view === state.view && state.active)) return
  const outcome = computeOrder(state.modules.sha256, state.context, state.nullValue, viewChanges)
  if (!sameOrder(outcome.order, order)) {
    const evidence = wrongNewView(state.context, message)
    if (evidence !== null) takeEvidence(state, evidence)
    startViewChange(state, vote.view + 1)
    return
  }
  for (const viewChange of viewChanges) {
    noteStatement(state, viewChange.vote)
    for (const certificate of viewChange.prepared) noteVotesOf(state, certificate)
  }
  enterView(state, message)
}

function enterView(state: PbftState, message: NewView): void {
  const { view } = message.vote
  const { stable } = computeOrder(state.modules.sha256, state.context, state.nullValue, message.viewChanges)
  if (view > state.view) leaveView(state, view)
  state.rules.enter(view)
  state.rules.forget(state.stableIndex)
  state.active = true
  state.newView = message
  state.newViewDueMs = null
  state.ownViewChange = null
  for (const [id, { vote }] of state.viewChanges) if (vote.view <= view) state.viewChanges.delete(id)
  if (stable !== null) adoptCheckpoint(state, stable)
  beginView(state)
  state.storeSafety()
  for (const { sequence, digest } of message.order) acceptOrdered(state, state.context.indexOf(sequence), digest)
}

/** The order of the present view's NEW-VIEW is in force: fresh proposals follow it. */
export function beginView(state: PbftState): void {
  const last = state.newView?.order.at(-1)
  const end = last === undefined ? state.stableIndex : state.context.indexOf(last.sequence)
  state.orderedUpTo = Math.max(end, state.context.origin.index) as LogIndex
  state.viewBeganMs = state.now.monotonicMs
}
