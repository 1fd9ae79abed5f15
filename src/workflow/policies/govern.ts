/**
 * Applies the governing operations: policies, clients, quotas, purges. They pass no gate: what they
 * change is what the gate asks. Every one is checked completely before the first write.
 */
import { ByteReader, bytesEqual } from '../../base/bytes.js'
import { hasCode } from '../../base/error.js'
import { CLIENT_ROLES, type ClientRole } from '../../consensus/configuration.js'
import type { Sha256 } from '../../consensus/entry.js'
import type { CaseCounts } from '../cases.js'
import type { ApplyContext } from '../handlers.js'
import { MALFORMED_OPERATION, needsRole } from '../refusals.js'
import { OK, ok, rejected } from '../result-codec.js'
import { type ClientTable, includesRole } from '../roles.js'
import type { SessionTable } from '../sessions.js'
import { GOVERNANCE_TYPE, readClientId, readPolicyId, readRotation } from './codec.js'
import { doctrineExcess } from './doctrine.js'
import { normalPolicy } from './lattice.js'
import { CLIENTS_MAX, POLICIES_MAX } from './limits.js'
import type { Policy } from './policy.js'
import { decodePolicy } from './policy-json.js'
import type { PolicyTable } from './policy-table.js'
import { applyPurge } from './purge.js'
import { type QuotaTable, readQuotas } from './quotas.js'
import { rotationStatement } from './rotation.js'
import type { RuleTypes } from './rule-types.js'
import type { SignaturePort } from './signature-port.js'

const KEY_BYTES = 32
/** A signature check in units of a slice. */
const VERIFY_COST = 40
const MESSAGE_CHARS_MAX = 120
const NOTHING_TO_ROTATE = ok(new Uint8Array([0]))
const ROTATED = ok(new Uint8Array([1]))
const ADDED = ok(new Uint8Array([0]))
const REPLACED = ok(new Uint8Array([1]))
const TOO_MANY_POLICIES = rejected('InvalidOperation', `there are ${POLICIES_MAX} policies`, {
  policiesMax: POLICIES_MAX,
})
const TOO_MANY_CLIENTS = rejected('InvalidOperation', `there are ${CLIENTS_MAX} clients`, { clientsMax: CLIENTS_MAX })
const NO_SUCH_CLIENT = rejected('NotFound', 'there is no client with this id')
const LAST_ADMIN = rejected('Refused', 'the last admin can neither be removed nor lose the role')
const UNPROVEN = rejected('InvalidOperation', 'the new key has not signed that it takes over', { field: 'proof' })
const KEY_TAKEN = rejected('ClientExists', 'the key is that of another client, or the one that it began with')
const ID_TAKEN = rejected('ClientExists', 'another key has this client id')

export interface GovernTables {
  readonly policies: PolicyTable
  readonly quotas: QuotaTable
  readonly clients: ClientTable
  readonly sessions: SessionTable
  readonly cases: CaseCounts
  readonly sha256: Sha256
  readonly signatures: SignaturePort
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly ruleTypes: RuleTypes
}

/** The least role that may run a governing operation. */
export function governingRole(type: number): ClientRole {
  switch (type) {
    // Every client its own; those of others only an admin.
    case GOVERNANCE_TYPE.RotateClientKey:
      return 'reader'
    case GOVERNANCE_TYPE.PurgeCases:
      return 'operator'
    default:
      return 'admin'
  }
}

/**
 * Applies the operation of `type` whose fields stand at [start, end); not for Approved. Throws
 * `ProtocolViolation` where they are malformed. `cost` is in units of a slice.
 */
export function applyGoverning(
  context: ApplyContext,
  tables: GovernTables,
  type: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly result: Uint8Array; readonly cost: number } {
  const reader = new ByteReader(bytes.subarray(start, end))
  if (type === GOVERNANCE_TYPE.PurgeCases) return applyPurge(context, tables.cases, tables.sha256, reader)
  if (type === GOVERNANCE_TYPE.RotateClientKey) {
    return { result: rotateClientKey(context, tables, reader), cost: VERIFY_COST }
  }
  return { result: applySmall(context, tables, type, reader), cost: 0 }
}

function applySmall(context: ApplyContext, tables: GovernTables, type: number, reader: ByteReader): Uint8Array {
  switch (type) {
    case GOVERNANCE_TYPE.ApplyPolicy:
      return applyPolicy(context, tables, reader)
    case GOVERNANCE_TYPE.RetractPolicy: {
      const id = readPolicyId(reader)
      reader.end()
      if (!tables.policies.has(id))
        return rejected('PolicyNotFound', 'there is no policy with this id', { policyId: id })
      tables.policies.delete(id)
      return OK
    }
    case GOVERNANCE_TYPE.SetClient:
      return setClient(tables, reader)
    case GOVERNANCE_TYPE.RemoveClient:
      return removeClient(tables, reader)
    case GOVERNANCE_TYPE.SetQuota: {
      const quotas = readQuotas(reader)
      reader.end()
      tables.quotas.set(quotas)
      return OK
    }
    default:
      return MALFORMED_OPERATION
  }
}

/** Result: one byte, 1 where a policy of this id was replaced. */
function applyPolicy(context: ApplyContext, { policies, ruleTypes }: GovernTables, reader: ByteReader): Uint8Array {
  const id = readPolicyId(reader)
  const bytes = reader.bytes()
  reader.end()
  const policy = policyOf(bytes)
  if (policy instanceof Uint8Array) return policy
  const refusal = refusePolicy(policy, ruleTypes)
  if (refusal !== null) return refusal
  const isNew = !policies.has(id)
  if (isNew && policies.size >= POLICIES_MAX) return TOO_MANY_POLICIES
  const { index, position, nowMs, actor } = context
  policies.put(id, { policy, index, position, atMs: nowMs, actor: actor.slice() })
  return isNew ? ADDED : REPLACED
}

/** The policy, or the rejection that says what is wrong with it. */
function policyOf(bytes: Uint8Array): Policy | Uint8Array {
  try {
    return decodePolicy(bytes)
  } catch (error) {
    if (!hasCode(error, 'InvalidArgument')) throw error
    return rejected('InvalidOperation', error.message.slice(0, MESSAGE_CHARS_MAX), {
      field: error.details.field ?? null,
    })
  }
}

function refusePolicy(policy: Policy, ruleTypes: RuleTypes): Uint8Array | null {
  if (policy.type === 'Rule') {
    const { constraint } = policy
    if (constraint.type !== 'Custom' || ruleTypes.find(constraint.ruleType) !== undefined) return null
    return rejected('UnknownRuleType', 'no rule type has this name', { ruleType: constraint.ruleType })
  }
  const excess = doctrineExcess(normalPolicy(policy))
  if (excess === null) return null
  return rejected('PolicyExceedsDoctrine', 'the policy allows more than the doctrine', { ...excess })
}

/** Adds a client, or changes the id and role of a key that is known. */
function setClient({ clients, signatures }: GovernTables, reader: ByteReader): Uint8Array {
  const id = readClientId(reader)
  const key = reader.raw(KEY_BYTES)
  const role = CLIENT_ROLES[reader.u8()]
  reader.end()
  if (role === undefined) return MALFORMED_OPERATION
  const known = clients.find(key)
  const named = clients.findById(id)
  if (named !== undefined && named !== known) return ID_TAKEN
  if (known === undefined) {
    if (clients.findByIdentity(key) !== undefined) return KEY_TAKEN
    const problem = signatures.keyProblem(key)
    if (problem !== null)
      return rejected('InvalidOperation', problem.slice(0, MESSAGE_CHARS_MAX), { field: 'publicKey' })
    if (clients.size >= CLIENTS_MAX) return TOO_MANY_CLIENTS
  } else if (role !== 'admin' && clients.isLastAdmin(known)) return LAST_ADMIN
  clients.set(key.slice(), id, role)
  return known === undefined ? ADDED : REPLACED
}

/**
 * The client goes on under a new key: its role, sessions, duties, quotas and request ids name its identity, which
 * stays. Result: one byte, 0 where it has this key already, so that it can be ordered again.
 */
function rotateClientKey(context: ApplyContext, tables: GovernTables, reader: ByteReader): Uint8Array {
  const { clients, signatures, clusterId } = tables
  const { clientId, publicKey, proof } = readRotation(reader)
  reader.end()
  const actor = clients.findByIdentity(context.actor)
  const client = clients.findById(clientId)
  if (actor === undefined || (client !== actor && !includesRole(actor.role, 'admin'))) return needsRole('admin')
  if (client === undefined) return NO_SUCH_CLIENT
  if (bytesEqual(publicKey, client.key)) return NOTHING_TO_ROTATE
  const known = clients.find(publicKey) ?? clients.findByIdentity(publicKey)
  if (known !== undefined && known !== client) return KEY_TAKEN
  const problem = signatures.keyProblem(publicKey)
  if (problem !== null) {
    return rejected('InvalidOperation', problem.slice(0, MESSAGE_CHARS_MAX), { field: 'publicKey' })
  }
  const isProven =
    proof === null
      ? client !== actor
      : signatures.verify(publicKey, rotationStatement(clusterId, client.key, publicKey), proof)
  if (!isProven) return UNPROVEN
  clients.rotate(client, publicKey.slice())
  return ROTATED
}

/** The client's sessions end with it. */
function removeClient({ clients, sessions, quotas }: GovernTables, reader: ByteReader): Uint8Array {
  const id = readClientId(reader)
  reader.end()
  const client = clients.findById(id)
  if (client === undefined) return NO_SUCH_CLIENT
  if (clients.isLastAdmin(client)) return LAST_ADMIN
  sessions.closeAllOf(client)
  quotas.forget(client.identity)
  clients.remove(client)
  return OK
}
