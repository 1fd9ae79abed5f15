/**
 * One operation from its type to its result: who may run it, what governs it, and the module that applies
 * it. The machine around it knows of entries, requests and sequence numbers; this knows of operations.
 */
import { assert } from '../base/assert.js'
import { ByteReader, readU32 } from '../base/bytes.js'
import { applyCreateCase, applyUpdateCaseState, type CaseCounts } from './cases.js'
import { type ApplyContext, type Handler, HandlerSet } from './handlers.js'
import { SMALL_RESULT_BYTES } from './limits.js'
import { ONCE_TYPE, readOnceFields } from './once-codec.js'
import { OPERATION_TYPE } from './operation-codec.js'
import type { OverlayGovernance } from './overlays/apply.js'
import { isOverlayType } from './overlays/codec.js'
import type { ActiveRules } from './overlays/rules.js'
import { GOVERNANCE_TYPE, isGovernanceType, readApprovedFields } from './policies/codec.js'
import { governingRole } from './policies/govern.js'
import type { Governance } from './policies/governance.js'
import type { Approval } from './policies/operation.js'
import { createSubject, customSubject, type Subject, updateSubject } from './policies/subject.js'
import * as refusals from './refusals.js'
import type { RequestKeys } from './request-keys.js'
import { OK } from './result-codec.js'
import { includesRole, type Principal } from './roles.js'
import { encodeSessionId } from './session-id.js'
import type { Session } from './session-window.js'
import type { SessionTable } from './sessions.js'
import { CLEAR_THREAT_TYPE, readClearThreat } from './threats/codec.js'
import type { ThreatTable } from './threats/table.js'

const NO_APPROVALS: readonly Approval[] = []

export interface RunnerModules {
  readonly context: ApplyContext
  readonly handlers: readonly Handler[]
  readonly sessions: SessionTable
  readonly requestKeys: RequestKeys
  readonly cases: CaseCounts
  readonly governance: Governance
  readonly overlays: OverlayGovernance
  readonly rules: ActiveRules
  readonly threats: ThreatTable
}

export class OperationRunner {
  readonly #context: ApplyContext
  readonly #handlers: HandlerSet
  readonly #sessions: SessionTable
  readonly #requestKeys: RequestKeys
  readonly #cases: CaseCounts
  readonly #governance: Governance
  readonly #overlays: OverlayGovernance
  readonly #rules: ActiveRules
  readonly #threats: ThreatTable

  /** `context` is the machine's own, which it fills in before every operation. */
  constructor({
    context,
    handlers,
    sessions,
    requestKeys,
    cases,
    governance,
    overlays,
    rules,
    threats,
  }: RunnerModules) {
    this.#context = context
    this.#handlers = new HandlerSet(handlers)
    this.#sessions = sessions
    this.#requestKeys = requestKeys
    this.#cases = cases
    this.#governance = governance
    this.#overlays = overlays
    this.#rules = rules
    this.#threats = threats
  }

  /**
   * Runs the operation at [start, end) of `body` for a client that is known; `session` null outside one.
   * Throws `ProtocolViolation` where it is malformed, before the first write.
   */
  run(session: Session | null, principal: Principal, body: Uint8Array, start: number, end: number): Uint8Array {
    if (start === end) return refusals.MALFORMED_OPERATION
    const type = body[start]
    if (type === OPERATION_TYPE.openSession) return this.#openSession(principal, body, start, end)
    // Any client that is known may: it changes nothing, and being applied twice does no harm.
    if (type === OPERATION_TYPE.fence) return end - start === 1 ? OK : refusals.MALFORMED_OPERATION
    if (session === null) return refusals.NEEDS_SESSION
    if (type === OPERATION_TYPE.closeSession) {
      if (end - start !== 1) return refusals.MALFORMED_OPERATION
      this.#sessions.close(session)
      return OK
    }
    if (type !== ONCE_TYPE) return this.#inSession(session, principal, body, start, end)
    const fields = readOnceFields(body, start + 1, end)
    if (fields.start === fields.end) return refusals.MALFORMED_OPERATION
    const execute = () => this.#inSession(session, principal, body, fields.start, fields.end)
    return this.#requestKeys.run(this.#context, body, fields, execute)
  }

  /** An operation that is not about sessions. */
  #inSession(session: Session, principal: Principal, body: Uint8Array, start: number, end: number): Uint8Array {
    const type = body[start]
    switch (type) {
      case OPERATION_TYPE.custom:
      case OPERATION_TYPE.createCase:
      case OPERATION_TYPE.updateCaseState:
        return this.#governed(session, principal, body, start, end, NO_APPROVALS)
      case GOVERNANCE_TYPE.Approved: {
        const inner = readApprovedFields(body, start + 1, end)
        return this.#governed(session, principal, body, inner.start, inner.end, inner.approvals)
      }
      default:
        return this.#governing(principal, type as number, body, start, end)
    }
  }

  /** Operations that govern: nothing governs them but the role of the client. */
  #governing(principal: Principal, type: number, body: Uint8Array, start: number, end: number): Uint8Array {
    if (isGovernanceType(type)) {
      const role = governingRole(type)
      if (!includesRole(principal.role, role)) return refusals.needsRole(role)
      return this.#governance.apply(this.#context, type, body, start + 1, end)
    }
    if (type === CLEAR_THREAT_TYPE) return this.#clearThreat(principal, body, start, end)
    if (!isOverlayType(type)) return refusals.MALFORMED_OPERATION
    if (!includesRole(principal.role, 'operator')) return refusals.needsRole('operator')
    return this.#overlays.apply(this.#context, type, body, start + 1, end)
  }

  /** The governance rule by default: one admin's word. */
  #clearThreat(principal: Principal, body: Uint8Array, start: number, end: number): Uint8Array {
    if (!includesRole(principal.role, 'admin')) return refusals.needsRole('admin')
    const reader = new ByteReader(body.subarray(start + 1, end))
    const { node } = readClearThreat(reader)
    reader.end()
    return this.#threats.clear(node, this.#context.index)
  }

  /** An operation on cases or a Custom one, through the gate of the policies where there are any. */
  #governed(
    session: Session,
    principal: Principal,
    body: Uint8Array,
    start: number,
    end: number,
    approvals: readonly Approval[],
  ): Uint8Array {
    if (!this.#governance.isActive) return this.#apply(session, principal, body, start, end)
    const subject = this.#subject(principal, body, start, end)
    if (subject === null) return this.#apply(session, principal, body, start, end)
    const verdict = this.#governance.judge(subject, approvals)
    return verdict.refusal ?? this.#governance.settle(verdict, this.#apply(session, principal, body, start, end))
  }

  #apply(session: Session, principal: Principal, body: Uint8Array, start: number, end: number): Uint8Array {
    switch (body[start]) {
      case OPERATION_TYPE.custom:
        return this.#custom(session, principal, body, start, end)
      case OPERATION_TYPE.createCase:
        if (!includesRole(principal.role, 'writer')) return refusals.needsRole('writer')
        return applyCreateCase(this.#context, this.#cases, this.#rules, body, start + 1, end)
      case OPERATION_TYPE.updateCaseState:
        if (!includesRole(principal.role, 'writer')) return refusals.needsRole('writer')
        return applyUpdateCaseState(this.#context, this.#cases, this.#rules, body, start + 1, end)
      default:
        return refusals.MALFORMED_OPERATION
    }
  }

  /** What policies judge; null for what is refused without them. Throws `ProtocolViolation`. */
  #subject({ role }: Principal, body: Uint8Array, start: number, end: number): Subject | null {
    const mayWrite = includesRole(role, 'writer')
    switch (body[start]) {
      case OPERATION_TYPE.createCase:
        return mayWrite ? createSubject(this.#context, body, start, end) : null
      case OPERATION_TYPE.updateCaseState:
        return mayWrite ? updateSubject(this.#context, body, start, end) : null
      case OPERATION_TYPE.custom: {
        const dataAt = customDataAt(body, start, end)
        const handler = dataAt < 0 ? undefined : this.#handlers.find(body, start + 2, body[start + 1] as number)
        if (handler === undefined || !includesRole(role, handler.role)) return null
        return customSubject(this.#context, handler, body, { start, dataAt, end })
      }
      default:
        return null
    }
  }

  #openSession(principal: Principal, body: Uint8Array, start: number, end: number): Uint8Array {
    const ordered = body[start + 1] as number
    if (end - start !== 2 || ordered > 1) return refusals.MALFORMED_OPERATION
    const refusal = this.#governance.refuseSession(principal)
    if (refusal !== null) return refusal
    const { index, position, nowMs } = this.#context
    const session = this.#sessions.open(index, position, principal, ordered === 1, nowMs)
    return session === undefined ? refusals.SESSION_LIMIT : encodeSessionId(session)
  }

  #custom(session: Session, principal: Principal, body: Uint8Array, start: number, end: number): Uint8Array {
    const dataAt = customDataAt(body, start, end)
    if (dataAt < 0) return refusals.MALFORMED_OPERATION
    const nameLength = body[start + 1] as number
    const handler = this.#handlers.find(body, start + 2, nameLength)
    if (handler === undefined) return refusals.unknownOperation(body.subarray(start + 2, start + 2 + nameLength))
    if (!includesRole(principal.role, handler.role)) return refusals.needsRole(handler.role)
    const result = handler.apply(this.#context, body, dataAt, end)
    if (result.length <= SMALL_RESULT_BYTES) return result
    assert(handler.readOnly, `handler ${handler.name} writes and returns a large result`)
    return this.#sessions.hasRoomFor(session, result.length) ? result : refusals.RESULTS_FULL
  }

  /** What governing cost since the last call, in units of a slice. */
  takeCost(): number {
    return this.#governance.takeCost() + this.#overlays.takeCost()
  }
}

/** Where the data of a Custom operation begin; −1 where it is malformed. */
function customDataAt(body: Uint8Array, start: number, end: number): number {
  const dataAt = start + 6 + (body[start + 1] as number)
  if (end - start < 2 || dataAt > end || readU32(body, dataAt - 4) !== end - dataAt) return -1
  return dataAt
}
