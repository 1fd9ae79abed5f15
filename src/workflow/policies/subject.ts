/**
 * The operation that policies judge: read once, before it is applied. What apply itself will refuse
 * (malformed, no such case, an illegal transition) is no subject: apply says it better.
 */
import { ByteReader } from '../../base/bytes.js'
import { type CaseRecord, caseKey, decodeCaseRecord, isPurged } from '../case-record.js'
import { caseStateOf, isLegalTransition } from '../case-states.js'
import type { ApplyContext, Handler } from '../handlers.js'
import type { CaseState } from '../operations.js'
import { binaryString } from '../state-keys.js'
import { UUID_BYTES, uuidFromBytes } from '../uuid.js'
import type { RuleSubject } from './rule-types.js'

export interface CaseMove {
  /** Case id as a binary string. */
  readonly id: string
  readonly from: CaseState
  readonly to: CaseState
  readonly record: CaseRecord
}

export interface Subject extends RuleSubject {
  readonly writes: boolean
  /** Of a case that moves to another state. */
  readonly move: CaseMove | null
  /** Spec id, 16 bytes. */
  readonly spec: Uint8Array | null
  /** The operation. */
  readonly bytes: Uint8Array
}

/** Of a CreateCase whose operation stands at [start, end) of `bytes`. Throws `ProtocolViolation`. */
export function createSubject(context: ApplyContext, bytes: Uint8Array, start: number, end: number): Subject {
  const reader = new ByteReader(bytes.subarray(start + 1, end))
  const caseId = uuidFromBytes(reader.raw(UUID_BYTES))
  const spec = reader.raw(UUID_BYTES)
  const data = reader.bytes()
  reader.end()
  return {
    ...shared(context, bytes, start, end),
    type: 'CreateCase',
    detail: null,
    caseId,
    specId: uuidFromBytes(spec),
    spec,
    data,
    writes: true,
    move: null,
  }
}

/** Of an UpdateCaseState; null where apply will refuse it. Throws `ProtocolViolation`. */
export function updateSubject(context: ApplyContext, bytes: Uint8Array, start: number, end: number): Subject | null {
  const reader = new ByteReader(bytes.subarray(start + 1, end))
  const caseId = reader.raw(UUID_BYTES)
  const to = caseStateOf(reader.u8())
  const id = binaryString(caseId)
  const stored = context.state.get(caseKey(id))
  if (to === undefined || stored === undefined || isPurged(stored)) return null
  const record = decodeCaseRecord(stored)
  if (!isLegalTransition(record.state, to)) return null
  return {
    ...shared(context, bytes, start, end),
    type: 'UpdateCaseState',
    detail: to,
    caseId: uuidFromBytes(caseId),
    specId: uuidFromBytes(record.specId),
    spec: record.specId,
    data: null,
    writes: true,
    move: { id, from: record.state, to, record },
  }
}

/** Of a Custom operation whose data begin at `dataAt`. */
export function customSubject(
  context: ApplyContext,
  handler: Handler,
  bytes: Uint8Array,
  span: { readonly start: number; readonly dataAt: number; readonly end: number },
): Subject {
  return {
    ...shared(context, bytes, span.start, span.end),
    type: 'Custom',
    detail: handler.name,
    caseId: null,
    specId: null,
    spec: null,
    data: bytes.subarray(span.dataAt, span.end),
    writes: !handler.readOnly,
    move: null,
  }
}

function shared(context: ApplyContext, bytes: Uint8Array, start: number, end: number) {
  return { actor: context.actor, nowMs: context.nowMs, bytes: bytes.subarray(start, end) }
}
