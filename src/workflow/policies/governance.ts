/**
 * All that governs, as one part of the state machine: the policies, quotas and approvals in force, the
 * gate that asks them, and the operations that change them.
 */
import type { Sha256 } from '../../consensus/entry.js'
import type { CaseCounts } from '../cases.js'
import type { ApplyContext } from '../handlers.js'
import { rejected } from '../result-codec.js'
import type { ClientTable, Principal } from '../roles.js'
import type { SessionTable } from '../sessions.js'
import type { StatePort } from '../state-keys.js'
import { UsedApprovals } from './approvals.js'
import { Gate, type Verdict } from './gate.js'
import { applyGoverning, type GovernTables } from './govern.js'
import type { Approval } from './operation.js'
import { PolicyTable } from './policy-table.js'
import { QuotaTable } from './quotas.js'
import { type RuleType, RuleTypes } from './rule-types.js'
import type { SignaturePort } from './signature-port.js'
import type { Subject } from './subject.js'

export interface GovernanceModules {
  readonly state: StatePort
  readonly sha256: Sha256
  readonly signatures: SignaturePort
  /** 16 bytes: what approvals are made out to. */
  readonly clusterId: Uint8Array
  readonly ruleTypes: readonly RuleType[]
}

export interface GovernedTables {
  readonly clients: ClientTable
  readonly sessions: SessionTable
  readonly cases: CaseCounts
}

export class Governance {
  readonly policies: PolicyTable
  readonly quotas: QuotaTable
  readonly usedApprovals: UsedApprovals
  readonly #gate: Gate
  readonly #tables: GovernTables
  #cost = 0

  /** Reads the policies that the state holds; quotas and approvals come with the system spaces. Throws `Corrupt`. */
  constructor({ state, sha256, signatures, clusterId, ruleTypes }: GovernanceModules, governed: GovernedTables) {
    this.policies = new PolicyTable(state)
    this.quotas = new QuotaTable(state)
    this.usedApprovals = new UsedApprovals(state, sha256)
    this.#tables = {
      ...governed,
      policies: this.policies,
      quotas: this.quotas,
      sha256,
      signatures,
      clusterId,
      ruleTypes: new RuleTypes(ruleTypes),
    }
    this.#gate = new Gate({ ...this.#tables, state, used: this.usedApprovals })
  }

  /** False where nothing governs: then no operation has to be looked at. */
  get isActive(): boolean {
    return this.policies.size > 0 || this.quotas.isSet
  }

  /** At the start of an entry. */
  begin(nowMs: number): void {
    this.usedApprovals.expire(nowMs)
  }

  judge(subject: Subject, approvals: readonly Approval[]): Verdict {
    const verdict = this.#gate.judge(subject, approvals)
    this.#cost += verdict.cost
    return verdict
  }

  settle(verdict: Verdict, result: Uint8Array): Uint8Array {
    return this.#gate.settle(verdict, result)
  }

  /** Applies a governing operation whose fields stand at [start, end). Throws `ProtocolViolation`. */
  apply(context: ApplyContext, type: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
    const { result, cost } = applyGoverning(context, this.#tables, type, bytes, start, end)
    this.#cost += cost
    return result
  }

  /** Null where the client may open another session. */
  refuseSession(principal: Principal): Uint8Array | null {
    const max = this.quotas.quotas.sessionsPerClientMax
    if (max === null || this.#tables.sessions.countOf(principal) < max) return null
    const details = { quota: 'sessionsPerClientMax', max, retryAfterMs: null }
    return rejected('QuotaExceeded', 'the quota sessionsPerClientMax is used up', details)
  }

  /** What governing cost since the last call, in units of a slice. */
  takeCost(): number {
    const cost = this.#cost
    this.#cost = 0
    return cost
  }

  /** Writes what lives in memory to the state. */
  store(): void {
    this.quotas.store()
  }
}
