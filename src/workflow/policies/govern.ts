/**
 * Applies the governing operations: policies, clients, quotas, purges. They pass no gate: what they
 * change is what the gate asks. Every one is checked completely before the first write.
 */
import { ByteReader } from '../../base/bytes.js'
import { hasCode } from '../../base/error.js'
import { CLIENT_ROLES, type ClientRole } from '../../consensus/configuration.js'
import type { Sha256 } from '../../consensus/entry.js'
import type { CaseCounts } from '../cases.js'
import type { ApplyContext } from '../handlers.js'
import { MALFORMED_OPERATION } from '../refusals.js'
import { OK, ok, rejected } from '../result-codec.js'
import type { ClientTable } from '../roles.js'
import type { SessionTable } from '../sessions.js'
import { GOVERNANCE_TYPE, readClientId, readPolicyId } from './codec.js'
import { doctrineExcess } from './doctrine.js'
import { normalPolicy } from './lattice.js'
import { CLIENTS_MAX, POLICIES_MAX } from './limits.js'
import type { Policy } from './policy.js'
import { decodePolicy } from './policy-json.js'
import type { PolicyTable } from './policy-table.js'
import { applyPurge } from './purge.js'
import { type QuotaTable, readQuotas } from './quotas.js'
import type { RuleTypes } from './rule-types.js'
import type { SignaturePort } from './signature-port.js'

const KEY_BYTES = 32
const MESSAGE_CHARS_MAX = 120
const ADDED = ok(new Uint8Array([0]))
const REPLACED = ok(new Uint8Array([1]))
const TOO_MANY_POLICIES = rejected('InvalidOperation', `there are ${POLICIES_MAX} policies`, {
  policiesMax: POLICIES_MAX,
})
const TOO_MANY_CLIENTS = rejected('InvalidOperation', `there are ${CLIENTS_MAX} clients`, { clientsMax: CLIENTS_MAX })
const NO_SUCH_CLIENT = rejected('NotFound', 'there is no client with this id')
const LAST_ADMIN = rejected('Refused', 'the last admin can neither be removed nor lose the role')
const ID_TAKEN = rejected('ClientExists', 'another key has this client id')

export interface GovernTables {
  readonly policies: PolicyTable
  readonly quotas: QuotaTable
  readonly clients: ClientTable
  readonly sessions: SessionTable
  readonly cases: CaseCounts
  readonly sha256: Sha256
  readonly signatures: SignaturePort
  readonly ruleTypes: RuleTypes
}

/** The least role that may run a governing operation. */
export function governingRole(type: number): ClientRole {
  return type === GOVERNANCE_TYPE.PurgeCases ? 'operator' : 'admin'
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
    const problem = signatures.keyProblem(key)
    if (problem !== null)
      return rejected('InvalidOperation', problem.slice(0, MESSAGE_CHARS_MAX), { field: 'publicKey' })
    if (clients.size >= CLIENTS_MAX) return TOO_MANY_CLIENTS
  } else if (role !== 'admin' && clients.isLastAdmin(known)) return LAST_ADMIN
  clients.set(key.slice(), id, role)
  return known === undefined ? ADDED : REPLACED
}

/** The client's sessions end with it. */
function removeClient({ clients, sessions, quotas }: GovernTables, reader: ByteReader): Uint8Array {
  const id = readClientId(reader)
  reader.end()
  const client = clients.findById(id)
  if (client === undefined) return NO_SUCH_CLIENT
  if (clients.isLastAdmin(client)) return LAST_ADMIN
  sessions.closeAllOf(client)
  quotas.forget(client.key)
  clients.remove(client)
  return OK
}
