/**
 * The governing operations as bytes, strictly: what decodes, encodes to the same bytes again. Behind the
 * u8 type: ApplyPolicy: id, u32 length, canonical JSON of the policy · RetractPolicy: id · SetClient: id,
 * 32 bytes key, u8 role · RemoveClient: id · RotateClientKey: id, 32 bytes key, u8 0, or u8 1 and 64 bytes proof · SetQuota: the quotas, u8 0, or u8 1 and u64, each ·
 * PurgeCases: u16 count, 16 bytes each · Approved: u32 length and the operation, u8 count, then for each
 * approval id, 32 bytes signer, u64 expiry, 64 bytes signature. An id is u8 length and ASCII.
 */
import { ByteReader, type ByteWriter, fromUtf8, toUtf8 } from '../../base/bytes.js'
import { hasCode, KnhkError } from '../../base/error.js'
import { CLIENT_ROLES } from '../../consensus/configuration.js'
import { invalid } from '../json-fields.js'
import { ONCE_TYPE } from '../once-codec.js'
import type { Operation } from '../operations.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from '../uuid.js'
import { APPROVALS_PER_OPERATION_MAX, CLIENT_ID_CHARS_MAX, PURGE_CASES_MAX } from './limits.js'
import type { Approval, GovernanceOperation } from './operation.js'
import type { Policy } from './policy.js'
import { checkPolicyId, decodePolicy, encodePolicy, isPolicyId } from './policy-json.js'
import { readQuotas, writeQuotas } from './quotas.js'

/** Type codes of the operations. */
export const GOVERNANCE_TYPE = {
  ApplyPolicy: 5,
  RetractPolicy: 6,
  SetClient: 7,
  RemoveClient: 8,
  SetQuota: 9,
  PurgeCases: 10,
  Approved: 11,
  RotateClientKey: 12,
} as const

const LAST_TYPE = GOVERNANCE_TYPE.RotateClientKey

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const CLIENT_ID = /^[a-z0-9-]+$/

/** Encodes and decodes the operation inside an Approved one. */
export interface InnerCodec {
  encode(operation: Operation): Uint8Array
  decode(bytes: Uint8Array): Operation
}

export function isGovernanceType(type: number): boolean {
  return type >= GOVERNANCE_TYPE.ApplyPolicy && type <= LAST_TYPE
}

export function isGovernanceOperation(operation: { readonly type: string }): operation is GovernanceOperation {
  return Object.hasOwn(GOVERNANCE_TYPE, operation.type)
}

export function isClientId(text: string): boolean {
  return text.length <= CLIENT_ID_CHARS_MAX && CLIENT_ID.test(text)
}

/** What may be approved: what policies can stop. */
export function isApprovable({ type }: Pick<Operation, 'type'>): boolean {
  return type === 'CreateCase' || type === 'UpdateCaseState' || type === 'Custom'
}

/** Appends type and fields. Throws `InvalidArgument` that names the field where one is not valid. */
export function writeGovernanceOperation(
  out: ByteWriter,
  operation: GovernanceOperation,
  inner: InnerCodec,
): ByteWriter {
  out.u8(GOVERNANCE_TYPE[operation.type])
  switch (operation.type) {
    case 'ApplyPolicy':
      return writeId(out, checkPolicyId(operation.policyId, 'policyId')).bytes(encodePolicy(operation.policy))
    case 'RetractPolicy':
      return writeId(out, checkPolicyId(operation.policyId, 'policyId'))
    case 'SetClient': {
      if (operation.publicKey.length !== KEY_BYTES) throw invalid('publicKey', `does not have ${KEY_BYTES} bytes`)
      return writeId(out, checkClientId(operation.clientId))
        .raw(operation.publicKey)
        .u8(CLIENT_ROLES.indexOf(operation.role))
    }
    case 'RemoveClient':
      return writeId(out, checkClientId(operation.clientId))
    case 'RotateClientKey':
      return writeRotation(out, operation)
    case 'SetQuota':
      writeQuotas(out, operation)
      return out
    case 'PurgeCases': {
      const { caseIds } = operation
      if (caseIds.length === 0 || caseIds.length > PURGE_CASES_MAX)
        throw invalid('caseIds', `are not 1 to ${PURGE_CASES_MAX}`)
      out.u16(caseIds.length)
      for (const id of caseIds) out.raw(uuidToBytes(id, 'caseIds'))
      return out
    }
    case 'Approved': {
      const { operation: approved, approvals } = operation
      if (!isApprovable(approved)) throw invalid('operation', 'is none that can be approved')
      if (approvals.length === 0 || approvals.length > APPROVALS_PER_OPERATION_MAX)
        throw invalid('approvals', `are not 1 to ${APPROVALS_PER_OPERATION_MAX}`)
      out.bytes(inner.encode(approved)).u8(approvals.length)
      for (const approval of approvals) writeApproval(out, approval)
      return out
    }
  }
}

/** Decodes the fields of `type`. Throws `ProtocolViolation`. */
export function readGovernanceOperation(reader: ByteReader, type: number, inner: InnerCodec): GovernanceOperation {
  switch (type) {
    case GOVERNANCE_TYPE.ApplyPolicy:
      return { type: 'ApplyPolicy', policyId: readPolicyId(reader), policy: readPolicyField(reader) }
    case GOVERNANCE_TYPE.RetractPolicy:
      return { type: 'RetractPolicy', policyId: readPolicyId(reader) }
    case GOVERNANCE_TYPE.SetClient: {
      const clientId = readClientId(reader)
      const publicKey = reader.raw(KEY_BYTES)
      const role = CLIENT_ROLES[reader.u8()]
      if (role === undefined) throw violation('a role is unknown')
      return { type: 'SetClient', clientId, publicKey, role }
    }
    case GOVERNANCE_TYPE.RemoveClient:
      return { type: 'RemoveClient', clientId: readClientId(reader) }
    case GOVERNANCE_TYPE.RotateClientKey:
      return { type: 'RotateClientKey', ...readRotation(reader) }
    case GOVERNANCE_TYPE.SetQuota:
      return { type: 'SetQuota', ...readQuotas(reader) }
    case GOVERNANCE_TYPE.PurgeCases: {
      const count = reader.u16()
      if (count === 0 || count > PURGE_CASES_MAX) throw violation('a purge has no cases or too many')
      return { type: 'PurgeCases', caseIds: Array.from({ length: count }, () => uuidFromBytes(reader.raw(UUID_BYTES))) }
    }
    default: {
      const bytes = reader.bytes()
      // Looked at before it is decoded, so that nothing nests.
      const type = bytes[0] ?? GOVERNANCE_TYPE.Approved
      if (isGovernanceType(type) || type === ONCE_TYPE) throw violation('a governing operation is approved')
      const operation = inner.decode(bytes)
      if (!isApprovable(operation)) throw violation('an operation is approved that cannot be')
      return { type: 'Approved', operation, approvals: readApprovals(reader) }
    }
  }
}

/** An Approved operation with its fields where they stand: the bytes inside are what was signed. */
export interface ApprovedFields {
  readonly start: number
  readonly end: number
  readonly approvals: readonly Approval[]
}

/** Reads the fields at [start, end). Throws `ProtocolViolation`. */
export function readApprovedFields(bytes: Uint8Array, start: number, end: number): ApprovedFields {
  const reader = new ByteReader(bytes.subarray(start, end))
  const { length } = reader.bytes()
  const from = start + reader.position - length
  const approvals = readApprovals(reader)
  reader.end()
  return { start: from, end: from + length, approvals }
}

function readApprovals(reader: ByteReader): Approval[] {
  const count = reader.u8()
  if (count === 0 || count > APPROVALS_PER_OPERATION_MAX)
    throw violation('an approved operation has no or too many approvals')
  return Array.from({ length: count }, () => ({
    policyId: readPolicyId(reader),
    signer: reader.raw(KEY_BYTES),
    expiresAtMs: reader.u64(),
    signature: reader.raw(SIGNATURE_BYTES),
  }))
}

function writeApproval(out: ByteWriter, { policyId, signer, expiresAtMs, signature }: Approval): void {
  if (signer.length !== KEY_BYTES) throw invalid('signer', `does not have ${KEY_BYTES} bytes`)
  if (signature.length !== SIGNATURE_BYTES) throw invalid('signature', `does not have ${SIGNATURE_BYTES} bytes`)
  writeId(out, checkPolicyId(policyId, 'policyId')).raw(signer).u64(expiresAtMs).raw(signature)
}

type Rotation = Omit<Extract<GovernanceOperation, { readonly type: 'RotateClientKey' }>, 'type'>

/** Reads the fields of a RotateClientKey. Throws `ProtocolViolation`. */
export function readRotation(reader: ByteReader): Rotation {
  const clientId = readClientId(reader)
  const publicKey = reader.raw(KEY_BYTES)
  return { clientId, publicKey, proof: reader.flag() ? reader.raw(SIGNATURE_BYTES) : null }
}

function writeRotation(out: ByteWriter, { clientId, publicKey, proof }: Rotation): ByteWriter {
  if (publicKey.length !== KEY_BYTES) throw invalid('publicKey', `does not have ${KEY_BYTES} bytes`)
  writeId(out, checkClientId(clientId)).raw(publicKey)
  if (proof === null) return out.u8(0)
  if (proof.length !== SIGNATURE_BYTES) throw invalid('proof', `does not have ${SIGNATURE_BYTES} bytes`)
  return out.u8(1).raw(proof)
}

function writeId(out: ByteWriter, id: string): ByteWriter {
  return out.u8(id.length).raw(toUtf8(id))
}

function readPolicyField(reader: ByteReader): Policy {
  try {
    return decodePolicy(reader.bytes())
  } catch (error) {
    if (!hasCode(error, 'InvalidArgument')) throw error
    throw new KnhkError('ProtocolViolation', 'a policy is not valid', { cause: error })
  }
}

export function readPolicyId(reader: ByteReader): string {
  const id = fromUtf8(reader.raw(reader.u8()))
  if (!isPolicyId(id)) throw violation('a policy id is malformed')
  return id
}

function checkClientId(id: string): string {
  if (!isClientId(id)) throw invalid('clientId', `is not 1 to ${CLIENT_ID_CHARS_MAX} of a-z, 0-9 and -`)
  return id
}

export function readClientId(reader: ByteReader): string {
  const id = fromUtf8(reader.raw(reader.u8()))
  if (!isClientId(id)) throw violation('a client id is malformed')
  return id
}

function violation(message: string): KnhkError {
  return new KnhkError('ProtocolViolation', message)
}
