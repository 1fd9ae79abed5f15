/**
 * The gate before every operation on cases and every Custom operation: quotas, then the effective
 * policy, then the doctrine rules. Only what is Mandatory blocks; the rest is told in the result.
 * Governing operations never come here, so nobody can be locked out of lifting a policy.
 */
import { toHex } from '../../base/bytes.js'
import { runningOfSpec } from '../cases.js'
import type { ResultWarning } from '../operations.js'
import { OK, rejected, warned } from '../result-codec.js'
import { type ApprovalTables, checkApprovals } from './approval-check.js'
import type { NormalPolicy } from './lattice.js'
import type { Approval } from './operation.js'
import type { DoctrineRule } from './policy.js'
import type { PolicyTable } from './policy-table.js'
import type { QuotaExcess, QuotaTable } from './quotas.js'
import { checkRule, concerns, type RuleTables } from './rule-check.js'
import type { Subject } from './subject.js'

const PARTS_PER_MILLION = 1_000_000
const APPROVALS_FULL = rejected('ResourceExhausted', 'too many used approvals have not expired yet')

export type GateTables = RuleTables & ApprovalTables & { readonly policies: PolicyTable; readonly quotas: QuotaTable }

/** What came of judging one operation. */
export interface Verdict {
  /** Null lets it through. */
  readonly refusal: Uint8Array | null
  readonly warnings: readonly ResultWarning[]
  readonly uses: readonly string[]
  readonly cost: number
}

function refused(refusal: Uint8Array, cost = 0): Verdict {
  return { refusal, warnings: [], uses: [], cost }
}

export class Gate {
  readonly #tables: GateTables

  constructor(tables: GateTables) {
    this.#tables = tables
  }

  /** False where nothing governs: then no operation has to be looked at. */
  get isActive(): boolean {
    return this.#tables.policies.size > 0 || this.#tables.quotas.isSet
  }

  judge(subject: Subject, approvals: readonly Approval[]): Verdict {
    const { policies } = this.#tables
    const refusal = this.#overQuota(subject) ?? this.#againstPolicy(subject, policies.effective)
    return refusal === null ? this.#byRules(subject, approvals) : refused(refusal)
  }

  /** The result of an operation that was let through: its approvals are used up, its warnings stand in it. */
  settle({ uses, warnings }: Verdict, result: Uint8Array): Uint8Array {
    if (result[0] !== OK[0] && result[0] !== 1) return result
    for (const name of uses) this.#tables.used.use(name)
    return warnings.length === 0 ? result : warned(result, warnings)
  }

  #overQuota(subject: Subject): Uint8Array | null {
    const { quotas, cases } = this.#tables
    const { casesMax, openCasesMax } = quotas.quotas
    const excess = quotas.countsRates ? quotas.count(subject.actor, subject.bytes.length, subject.nowMs) : null
    if (excess !== null) return quotaExceeded(excess)
    if (subject.type !== 'CreateCase') return null
    if (casesMax !== null && cases.total >= casesMax) {
      return quotaExceeded({ quota: 'casesMax', max: casesMax, retryAfterMs: null })
    }
    if (openCasesMax !== null && cases.open >= openCasesMax) {
      return quotaExceeded({ quota: 'openCasesMax', max: openCasesMax, retryAfterMs: null })
    }
    return null
  }

  #againstPolicy(subject: Subject, policy: NormalPolicy): Uint8Array | null {
    if (policy.bottom) return rejected('PolicyViolation', 'the policy Bottom lets nothing through', { kind: 'Bottom' })
    if (subject.type === 'CreateCase') return this.#overFailureRate(policy, subject.nowMs)
    if (subject.move?.to !== 'running' || policy.capacity === null) return null
    const { maxConcurrency, maxParallelism } = policy.capacity
    const running = this.#tables.cases.of('running')
    if (running >= maxConcurrency) return overCapacity('maxConcurrency', maxConcurrency, running)
    const ofSpec = runningOfSpec(this.#tables.state, subject.move.record.specId)
    return ofSpec < maxParallelism ? null : overCapacity('maxParallelism', maxParallelism, ofSpec)
  }

  #overFailureRate(policy: NormalPolicy, nowMs: number): Uint8Array | null {
    const block = failureBlock(policy, this.#tables.cases.finished, nowMs)
    if (block === null) return null
    return rejected('PolicyViolation', 'too many of the last cases failed', { kind: 'FailureRate', ...block })
  }

  #byRules(subject: Subject, approvals: readonly Approval[]): Verdict {
    const { policies, used } = this.#tables
    const warnings: ResultWarning[] = []
    const uses = new Set<string>()
    let cost = 0
    for (const { id, rule } of policies.rules) {
      if (!concerns(rule, subject)) continue
      const { constraint } = rule
      if (constraint.type === 'ApprovalChain') {
        const verdict = checkApprovals(id, constraint, subject, approvals, this.#tables)
        cost += verdict.cost
        for (const name of verdict.uses) uses.add(name)
        if (verdict.problem === null) continue
        if (this.#blocks(rule)) {
          const { isInvalid, approved, digest, problem } = verdict
          const details = {
            policyId: id,
            operationDigest: toHex(digest),
            approved,
            requiredSigners: constraint.requiredSigners,
          }
          const refusal = isInvalid
            ? rejected('InvalidApproval', `an approval is not valid: ${problem}`, details)
            : rejected('ApprovalRequired', `the operation has ${problem}`, details)
          return refused(refusal, cost)
        }
      } else {
        const verdict = checkRule(constraint, subject, this.#tables)
        cost += verdict.cost
        if (verdict.problem === null) continue
        if (this.#blocks(rule)) {
          const details = { kind: constraint.type, policyId: id, problem: verdict.problem }
          return refused(rejected('PolicyViolation', 'the operation violates a rule of the doctrine', details), cost)
        }
      }
      warnings.push({ policyId: id, enforcement: rule.enforcement })
    }
    if (uses.size > 0 && used.isFull) return refused(APPROVALS_FULL, cost)
    return { refusal: null, warnings, uses: [...uses], cost }
  }

  /** Guards turn from warnings into errors where GuardStrictness Tighten is in force. */
  #blocks(rule: DoctrineRule): boolean {
    if (rule.enforcement === 'Mandatory') return true
    return rule.guard && this.#tables.policies.effective.guardStrictness === 'Tighten'
  }
}

/** What stops new cases now: the first failure rate of the policy that is passed and still cooling down; null for none. */
export function failureBlock(
  policy: NormalPolicy,
  finishedCases: RuleTables['cases']['finished'],
  nowMs: number,
): { window: number; maxErrorPpm: number; failed: number; finished: number; retryAfterMs: number } | null {
  const { lastFailedMs } = finishedCases
  if (lastFailedMs === null) return null
  for (const { window, maxErrorPpm, coolDownMs } of policy.failureRates) {
    const retryAfterMs = lastFailedMs + coolDownMs - nowMs
    if (retryAfterMs <= 0) continue
    const { failed, finished } = finishedCases.failures(window)
    if (failed * PARTS_PER_MILLION > maxErrorPpm * finished)
      return { window, maxErrorPpm, failed, finished, retryAfterMs }
  }
  return null
}

function overCapacity(bound: 'maxConcurrency' | 'maxParallelism', max: number, running: number): Uint8Array {
  return rejected('PolicyViolation', 'the policy lets no further case run', { kind: 'Capacity', bound, max, running })
}

function quotaExceeded({ quota, max, retryAfterMs }: QuotaExcess): Uint8Array {
  return rejected('QuotaExceeded', `the quota ${quota} is used up`, { quota, max, retryAfterMs })
}
