/**
 * What a backup checks of a fresh proposal before it votes, beyond signatures. Never again afterwards:
 * what a new view orders, or a certificate decides, was checked by the quorum that voted for it.
 */
import { KnhkError } from '../../../base/error.js'
import { decodeMembership } from '../../membership.js'
import { orderedBy } from '../change-authority.js'
import { decodeInit, initProblem } from '../init.js'
import { endsEpoch } from '../mode-change.js'
import { nextMembersProblem } from '../replicas.js'
import type { Value } from './messages.js'
import type { PbftState } from './state.js'

/** Why this replica does not vote for the proposal; null when it does. */
export function proposalProblem(state: PbftState, index: number, value: Value): string | null {
  const { context, now, options } = state
  if (Math.abs(value.timestampMs - now.wallMs) > options.settings.timestampBoundMs) return 'its time is far off'
  if (index === context.initIndex) return value.kind === 'mode' ? soundInit(state, value) : 'INIT comes first'
  if (!state.initDone) return 'INIT is not decided yet'
  if (hasOpenChange(state, index)) return 'what ends the epoch is alone in its slot'
  switch (value.kind) {
    case 'data':
    case 'evidence':
      return null
    case 'membership':
      return aloneProblem(state, index) ?? membershipChangeProblem(state, value.body)
    case 'mode':
      return aloneProblem(state, index) ?? modeProblem(state, value)
    case 'empty':
      return 'only a new view orders null requests'
  }
}

/** Whether who ordered it may, and what the members may become by one change; null when it is fine. */
export function membershipChangeProblem({ context, modules }: PbftState, body: Uint8Array): string | null {
  try {
    if (!modules.mayChangeMembers(orderedBy(body))) return 'who ordered it may not change the members'
    return nextMembersProblem(context.record.membership, decodeMembership(body))
  } catch (error) {
    if (error instanceof KnhkError) return error.message
    throw error
  }
}

function soundInit(state: PbftState, value: Value): string | null {
  try {
    const record = decodeInit(value.body)
    const { epoch, record: members } = state.context
    const problem = initProblem({ epoch, protocol: 'pbft', membership: members.membership }, record)
    if (problem !== null) return problem
    const { basis } = record
    const { previous, options } = state
    const isHandOver = previous === null && options.handOver !== null
    // What a hand-over proves was judged at ingress.
    if (basis.kind === 'handOver') return isHandOver ? null : 'no hand-over is expected'
    if (basis.kind === 'genesis')
      return previous === null && !isHandOver ? null : 'this epoch does not begin at genesis'
    // The certificate's signatures were checked at ingress against the epoch before.
    if (previous === null) return 'no epoch came before'
    const { digest, sequence, extra } = previous.checkpoint.statement
    const claimed = basis.certificate.statement
    const same =
      claimed.sequence === sequence &&
      claimed.digest.every((byte, i) => byte === digest[i]) &&
      claimed.extra.every((byte, i) => byte === extra[i])
    return same ? null : 'INIT rests on another checkpoint'
  } catch (error) {
    if (error instanceof KnhkError) return error.message
    throw error
  }
}

/**
 * A backup votes for what ends the epoch only once everything before it is decided here, and only if it
 * voted for nothing above it in this view.
 */
function aloneProblem(state: PbftState, index: number): string | null {
  if (state.log.lastIndex !== index - 1) return 'what comes before the end of the epoch is not decided yet'
  if (state.slots.above(index).some((slot) => slot.accepted !== null))
    return 'there are votes above the end of the epoch'
  // What the state allows is known once what comes before is executed.
  if (state.executedIndex < index - 1) return 'what comes before the end of the epoch is not executed yet'
  return null
}

/** Another protocol is for who contains this core to judge. */
function modeProblem({ options }: PbftState, { body, timestampMs }: Value): string | null {
  try {
    if (options.modeRules === undefined) return 'INIT is the first of its epoch'
    return options.modeRules.problem(body, timestampMs)
  } catch (error) {
    if (error instanceof KnhkError) return error.message
    throw error
  }
}

/** Something below `index` that ends the epoch, that this replica voted for, and that is not decided yet. */
export function hasOpenChange(state: PbftState, index: number): boolean {
  return state.slots.above(state.log.lastIndex).some((slot) => {
    if (slot.index >= index || slot.accepted === null) return false
    const value = slot.value(slot.accepted)
    return value !== undefined && endsEpoch(value)
  })
}
