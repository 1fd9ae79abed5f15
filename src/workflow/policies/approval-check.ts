/** ApprovalChain: whether enough clients of the right roles have signed this very operation. */
import type { Sha256 } from '../../consensus/entry.js'
import type { ClientTable } from '../roles.js'
import { approvalStatement, operationDigest, type UsedApprovals } from './approvals.js'
import { APPROVAL_VALIDITY_MS_MAX } from './limits.js'
import type { Approval } from './operation.js'
import type { RuleConstraint } from './policy.js'
import type { SignaturePort } from './signature-port.js'
import type { Subject } from './subject.js'

/** A signature check in units of a slice. */
const VERIFY_COST = 40

export interface ApprovalTables {
  readonly sha256: Sha256
  readonly signatures: SignaturePort
  readonly clusterId: Uint8Array
  readonly clients: ClientTable
  readonly used: UsedApprovals
}

export interface ApprovalVerdict {
  /** Null when the approvals suffice. */
  readonly problem: string | null
  /** An approval is not valid: more would not help. */
  readonly isInvalid: boolean
  readonly approved: number
  /** 32 bytes: what there is to sign. */
  readonly digest: Uint8Array
  /** Names of the approvals that are used up when the operation is applied. */
  readonly uses: readonly string[]
  readonly cost: number
}

export function checkApprovals(
  policyId: string,
  constraint: Extract<RuleConstraint, { readonly type: 'ApprovalChain' }>,
  subject: Subject,
  approvals: readonly Approval[],
  tables: ApprovalTables,
): ApprovalVerdict {
  const digest = operationDigest(tables.sha256, subject.bytes)
  const uses = new Map<string, string>()
  let cost = 0
  for (const approval of approvals) {
    if (approval.policyId !== policyId) continue
    const statement = approvalStatement(tables.clusterId, digest, approval)
    const client = tables.clients.find(approval.signer)
    const name = client === undefined ? '' : tables.used.nameOf(client, approval, statement)
    let problem = outdated(approval, subject.nowMs)
    if (client === undefined) problem ??= strangerProblem(approval, tables.clients)
    else if (!constraint.roles.includes(client.role)) problem ??= `its signer has the role ${client.role}`
    else if (uses.has(client.id)) problem ??= 'its signer signed twice'
    else if (tables.used.isUsed(name)) problem ??= 'it was used before'
    if (problem === null) {
      cost += VERIFY_COST
      if (!tables.signatures.verify(approval.signer, statement, approval.signature)) {
        problem = 'its signature is not of this operation, policy, cluster and expiry'
      }
    }
    if (problem !== null || client === undefined) {
      return { problem, isInvalid: true, approved: uses.size, digest, uses: [], cost }
    }
    uses.set(client.id, name)
  }
  const enough = uses.size >= constraint.requiredSigners
  const problem = enough ? null : `${uses.size} of ${constraint.requiredSigners} approvals`
  return { problem, isInvalid: false, approved: uses.size, digest, uses: [...uses.values()], cost }
}

/** A key that was rotated may be in wrong hands: what it signed and was not used yet has to be signed again. */
function strangerProblem({ signer }: Approval, clients: ClientTable): string {
  const rotated = clients.findByIdentity(signer)
  return rotated === undefined ? 'its signer is no client of the cluster' : `the key of ${rotated.id} was rotated since`
}

function outdated({ expiresAtMs }: Approval, nowMs: number): string | null {
  if (expiresAtMs <= nowMs) return 'it has expired'
  return expiresAtMs > nowMs + APPROVAL_VALIDITY_MS_MAX ? 'it is valid for too long' : null
}
