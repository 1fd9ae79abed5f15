/** What the tests of governance share: policies and rules in short, signers with real keys, one story with an admin and a writer. */
import type { ClientRole } from '../../src/consensus/configuration.js'
import type { SessionId } from '../../src/consensus/request.js'
import { type KeyPair, keyPairOfSeed, sign } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import type { Operation } from '../../src/workflow/operations.js'
import { approvalStatement, operationDigest } from '../../src/workflow/policies/approvals.js'
import type { Approval } from '../../src/workflow/policies/operation.js'
import type { DoctrineRule, Policy, RuleConstraint } from '../../src/workflow/policies/policy.js'
import { NO_QUOTAS } from '../../src/workflow/policies/quotas.js'
import { rotationStatement } from '../../src/workflow/policies/rotation.js'
import type { PlacedResult } from '../../src/workflow/result-codec.js'
import { bytes, CASE_ID, CLUSTER_ID, codeOf, create, keyOf, move, Story } from './harness.js'

export const apply = (policyId: string, policy: Policy): Operation => ({ type: 'ApplyPolicy', policyId, policy })
export const retract = (policyId: string): Operation => ({ type: 'RetractPolicy', policyId })
export const capacity = (maxConcurrency: number, maxParallelism = maxConcurrency): Policy => ({
  type: 'Capacity',
  maxConcurrency,
  maxParallelism,
})

export function rule(constraint: RuleConstraint, fields: Partial<DoctrineRule> = {}): DoctrineRule {
  return {
    type: 'Rule',
    name: 'a rule',
    sector: 'finance',
    constraint,
    enforcement: 'Mandatory',
    guard: false,
    source: 'handbook 4.2',
    effectiveDateMs: 0,
    expiresMs: null,
    operations: null,
    specIds: null,
    ...fields,
  }
}

export const signers: readonly KeyPair[] = await Promise.all(
  ['anna', 'ben', 'carl'].map((name) => keyPairOfSeed(sha256(bytes(`signer ${name}`)))),
)

export const setClient = (clientId: string, publicKey: Uint8Array, role: ClientRole): Operation => ({
  type: 'SetClient',
  clientId,
  publicKey,
  role,
})

/** The order of `clientId` to go on from `oldKey` under the key of `next`, which says so itself. */
export function rotate(clientId: string, oldKey: Uint8Array, next: KeyPair, clusterId = CLUSTER_ID): Operation {
  const proof = sign(next.privateKey, rotationStatement(clusterId, oldKey, next.publicKey))
  return { type: 'RotateClientKey', clientId, publicKey: next.publicKey, proof }
}

/** A signed approval; `clusterId` is that of every story. */
export function approve(
  operation: Operation,
  policyId: string,
  expiresAtMs: number,
  signer = signers[0] as KeyPair,
  clusterId = CLUSTER_ID,
): Approval {
  const digest = operationDigest(sha256, encodeOperation(operation))
  const statement = approvalStatement(clusterId, digest, { policyId, expiresAtMs })
  return { policyId, signer: signer.publicKey, expiresAtMs, signature: sign(signer.privateKey, statement) }
}

export const approved = (operation: Operation, ...approvals: Approval[]): Operation => ({
  type: 'Approved',
  operation,
  approvals,
})

/** One of each, for what looks at all operations. */
export const GOVERNING: readonly Operation[] = [
  apply('p', capacity(3, 2)),
  apply('r', rule({ type: 'ResourceLimit', resource: 'cases', max: 3 })),
  retract('p'),
  setClient('new', (signers[1] as KeyPair).publicKey, 'writer'),
  { type: 'RemoveClient', clientId: 'the-reader' },
  rotate('the-admin', keyOf('admin'), signers[2] as KeyPair),
  { type: 'RotateClientKey', clientId: 'the-admin', publicKey: (signers[2] as KeyPair).publicKey, proof: null },
  { type: 'SetQuota', ...NO_QUOTAS, casesMax: 7 },
  { type: 'PurgeCases', caseIds: [CASE_ID] },
  approved(create(), approve(create(), 'p', 1)),
]

/** The n-th of many case ids. */
export const caseId = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** A story with an open session of the admin and one of the writer. */
export class GovernedStory extends Story {
  readonly #admin: SessionId = this.open('admin')
  readonly #writer: SessionId = this.open('writer')

  /** By the admin; throws where one is rejected. */
  govern(...operations: Operation[]): void {
    for (const result of this.submit(this.#admin, operations, 'admin')) {
      if (!result.outcome.ok) throw new Error(`${result.outcome.code}: ${result.outcome.message}`)
    }
  }

  asAdmin(operation: Operation): PlacedResult {
    return this.submit(this.#admin, [operation], 'admin')[0] as PlacedResult
  }

  /** By the writer. */
  do(operation: Operation): PlacedResult {
    return this.submit(this.#writer, [operation], 'writer')[0] as PlacedResult
  }

  /** What comes of an operation of the writer. */
  code(operation: Operation): string {
    return codeOf(this.do(operation))
  }

  /** Creates and starts the n-th case. */
  run(n: number, specId?: string): string {
    this.code(create(caseId(n), '{"a":1}', specId))
    return this.code(move('running', caseId(n)))
  }

  finish(n: number, failed = false): string {
    return this.code(failed ? move('failed', caseId(n), 'no') : move('completed', caseId(n)))
  }
}

/** The details of a rejection. */
export function detailsOf(result: PlacedResult): unknown {
  return result.outcome.ok ? null : result.outcome.details
}
