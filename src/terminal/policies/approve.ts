/**
 * `policy approve`: signs an operation from a file under a policy, and gives it back with the approval
 * attached, so that the next signer takes what the one before printed, and `propose` the last.
 */
import { writeFileAtomically } from '../../cluster/files.js'
import type { Target } from '../../cluster/target.js'
import { loadKeyPair } from '../../crypto/key-files.js'
import { sign } from '../../crypto/keys.js'
import { sha256 } from '../../crypto/sha256.js'
import { encodeOperation } from '../../workflow/operation-codec.js'
import { operationFromJson, operationToJson } from '../../workflow/operation-json.js'
import type { Operation } from '../../workflow/operations.js'
import { approvalStatement, operationDigest } from '../../workflow/policies/approvals.js'
import type { Approval } from '../../workflow/policies/operation.js'
import { readOperationFile } from '../operation-file.js'
import type { Output } from '../printer.js'
import * as schema from '../schema.js'

export const APPROVED_SCHEMA = schema.record({
  type: schema.text,
  operation: schema.anything,
  approvals: schema.list(
    schema.record({
      policyId: schema.text,
      signer: schema.text,
      expiresAtMs: schema.integer,
      signature: schema.text,
    }),
  ),
})

export interface ApprovalRequest {
  readonly file: string
  readonly policyId: string
  readonly expiresAtMs: number
}

/** The operation of the file with one more approval. Throws `NotFound`, `InvalidFile`, `InvalidArgument`. */
export async function approveFile(
  { file, policyId, expiresAtMs }: ApprovalRequest,
  { configuration, keyPath }: Pick<Target, 'configuration' | 'keyPath'>,
): Promise<Operation> {
  const given = operationFromJson(await readOperationFile(file))
  const operation = given.type === 'Approved' ? given.operation : given
  const { privateKey, publicKey } = await loadKeyPair(keyPath)
  const digest = operationDigest(sha256, encodeOperation(operation))
  const statement = approvalStatement(configuration.clusterId, digest, { policyId, expiresAtMs })
  const approval: Approval = { policyId, signer: publicKey, expiresAtMs, signature: sign(privateKey, statement) }
  const before = given.type === 'Approved' ? given.approvals : []
  const approved: Operation = { type: 'Approved', operation, approvals: [...before, approval] }
  // What cannot be sent is refused here, where it can still be mended.
  encodeOperation(approved)
  return approved
}

/** One line in every form but json and yaml, ready for `propose --file`. */
export async function approvedOutput(approved: Operation, out: string | undefined): Promise<Output> {
  const value = operationToJson(approved)
  const line = JSON.stringify(value)
  if (out !== undefined) await writeFileAtomically(out, `${line}\n`)
  return {
    value,
    ids: out === undefined ? [] : [out],
    text: () => (out === undefined ? line : `the approved operation is in ${out}`),
  }
}
