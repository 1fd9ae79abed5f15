/**
 * What a block may carry on top of its parent. Height 0 is the epoch's INIT and nothing else. While an
 * INIT or a change of members is undecided below, only empty blocks may stand above it; evidence stands
 * alone, and not twice above the root: what voters refuse follows from the chain alone, so that all refuse
 * the same. What is below the root leaders remember, over restarts too. Leaders and voters ask the same rules. Signatures inside were verified at ingress.
 */

import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { decodeMembership } from '../../membership.js'
import type { Millis } from '../../types.js'
import { orderedBy } from '../change-authority.js'
import { decodeEvidence, evidenceId, evidenceProblem } from '../evidence.js'
import { decodeInit, encodeInit, initProblem } from '../init.js'
import { nextMembersProblem } from '../replicas.js'
import { type BlockHeader, EMPTY_BODY, type HashedHeader, hasPayload } from './block.js'
import { requestBodies } from './requests.js'
import type { HotStuffState } from './state.js'

/** The body of this epoch's INIT, as this node would propose it. */
export function initBody(hs: HotStuffState): Uint8Array {
  const { epoch, members, basis } = hs
  return encodeInit({ epoch, protocol: 'hotstuff', membership: members.membership, basis })
}

/** True while only empty blocks may follow `parent`. */
export function isSealed(hs: HotStuffState, parent: HashedHeader): boolean {
  if (hs.ending !== null) return true
  return hs.tree.undecided(parent).some(({ header }) => header.kind === 'mode' || header.kind === 'membership')
}

/** Why a payload may not follow `parent`; null when it may. */
export function payloadProblem(
  hs: HotStuffState,
  parent: HashedHeader,
  { kind, height, timestampMs }: Pick<BlockHeader, 'kind' | 'height'> & Partial<Pick<BlockHeader, 'timestampMs'>>,
  body: Uint8Array,
): string | null {
  if (height === 0) return kind === 'mode' ? initBodyProblem(hs, body) : 'an epoch begins with INIT'
  if (kind === 'empty') return body === EMPTY_BODY || body.length === 0 ? null : 'an empty block has no body'
  if (isSealed(hs, parent)) return 'an operation that ends or begins an epoch is undecided'
  switch (kind) {
    case 'data':
      return null
    case 'membership':
      return changeProblem(hs, body)
    case 'evidence':
      return evidenceBodyProblem(hs, parent, body)
    case 'mode':
      return modeProblem(hs, parent, body, timestampMs ?? Math.floor(hs.now.wallMs))
    default:
      return 'INIT stands at height 0 only'
  }
}

function initBodyProblem(hs: HotStuffState, body: Uint8Array): string | null {
  return decoded(() => {
    const init = decodeInit(body)
    const { epoch, members } = hs
    const problem = initProblem({ epoch, protocol: 'hotstuff', membership: members.membership }, init)
    if (problem !== null) return problem
    if (init.basis.kind !== hs.basis.kind) return 'INIT rests on something else'
    if (init.basis.kind !== 'checkpoint' || hs.basis.kind !== 'checkpoint') return null
    const [own, theirs] = [hs.basis.certificate.statement, init.basis.certificate.statement]
    const same = bytesEqual(own.digest, theirs.digest) && bytesEqual(own.extra, theirs.extra)
    return same && own.sequence === theirs.sequence ? null : 'INIT rests on another checkpoint'
  })
}

function changeProblem(hs: HotStuffState, body: Uint8Array): string | null {
  return decoded(() => {
    if (!hs.modules.mayChangeMembers(orderedBy(body))) return 'who ordered it may not change the members'
    return nextMembersProblem(hs.members.membership, decodeMembership(body))
  })
}

/** Another protocol, once everything below is decided; who contains this core judges the rest. */
function modeProblem(hs: HotStuffState, parent: HashedHeader, body: Uint8Array, timestampMs: Millis): string | null {
  const { modeRules } = hs.options
  if (modeRules === undefined) return 'INIT stands at height 0 only'
  if (hs.tree.undecided(parent).some(({ header }) => hasPayload(header))) return 'something below it is undecided'
  return decoded(() => modeRules.problem(body, timestampMs))
}

function evidenceBodyProblem(hs: HotStuffState, parent: HashedHeader, body: Uint8Array): string | null {
  return decoded(() => {
    const requests = requestBodies(body)
    if (requests.length !== 1) return 'evidence stands alone'
    const evidence = decodeEvidence(requests[0] as Uint8Array)
    if (evidence.epoch !== hs.epoch || !bytesEqual(evidence.configHash, hs.context.configHash)) return 'another epoch'
    const problem = evidenceProblem(hs.modules.sha256, hs.replicas, evidence)
    if (problem !== null) return problem
    const id = evidenceId(hs.modules.sha256, evidence)
    const isAbove = hs.tree
      .undecided(parent)
      .some((node) => node.header.kind === 'evidence' && node.parts !== null && isSame(hs, node.parts.body, id))
    return isAbove ? 'evidence is ordered once' : null
  })
}

/** True when this framed body holds the evidence with this id. */
export function isSame(hs: HotStuffState, body: Uint8Array, id: Uint8Array): boolean {
  return requestBodies(body).some((request) => bytesEqual(evidenceId(hs.modules.sha256, decodeEvidence(request)), id))
}

/** True when the path up to `tip` decides nothing any more, and may stay as it is. */
export function isFlushed(hs: HotStuffState, tip: HashedHeader): boolean {
  return !hasPayload(tip.header) && hs.tree.undecided(tip).length === 0 && !isLong(hs, tip)
}

/**
 * True where certified blocks, empty ones too, fill half of the tree: everybody proposes then until some commit. Where
 * a few members only are kept busy, by one that asks its way back for ever, no three rounds in a row would.
 */
export function isLong({ tree, options }: HotStuffState, tip: HashedHeader): boolean {
  return tip.header.height - tree.root.header.height >= options.limits.treeBlocksMax / 2
}

function decoded(judge: () => string | null): string | null {
  try {
    return judge()
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return error.message
    throw error
  }
}
