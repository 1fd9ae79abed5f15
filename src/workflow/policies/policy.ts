/**
 * What a policy is: an element of the policy lattice, or a rule of the doctrine. Both are plain JSON of
 * integers, texts, lists and records, so that one canonical text is their form in operations, in the
 * state and on paper. Rates are parts per million, times are milliseconds of log time.
 */
import type { ClientRole } from '../../consensus/configuration.js'

/** A JSON value whose numbers are safe integers. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface LatencyBound {
  readonly targetP99Ms: number
  readonly strictness: 'Soft' | 'Hard'
}

export interface FailureRateBound {
  /** Failed ones among the finished cases, parts per million. */
  readonly maxErrorPpm: number
  /** How many finished cases are looked at, newest first. */
  readonly window: number
  /** No new case for so long after a failure that broke the limit. */
  readonly coolDownMs: number
}

export interface CapacityBound {
  /** Running cases in all. */
  readonly maxConcurrency: number
  /** Running cases of one specification. */
  readonly maxParallelism: number
}

export type GuardLevel = 'Relax' | 'Tighten'

export type PolicyElement =
  | ({ readonly type: 'Latency' } & LatencyBound)
  | ({ readonly type: 'FailureRate' } & FailureRateBound)
  | { readonly type: 'GuardStrictness'; readonly level: GuardLevel }
  | ({ readonly type: 'Capacity' } & CapacityBound)
  | { readonly type: 'Conjunction'; readonly policies: readonly PolicyElement[] }
  | { readonly type: 'Bottom' }

export type Enforcement = 'Mandatory' | 'Warning' | 'Advisory'

export const DUTIES = ['creator', 'starter', 'suspender', 'resumer', 'completer', 'failer', 'canceller'] as const
/** What a client did with a case. */
export type Duty = (typeof DUTIES)[number]

export const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
export type Weekday = (typeof WEEKDAYS)[number]

export const RESOURCES = ['cases', 'openCases', 'runningCases', 'caseDataBytes', 'operationBytes'] as const
export type Resource = (typeof RESOURCES)[number]

export type RuleConstraint =
  /** `roles`: which clients may sign. */
  | { readonly type: 'ApprovalChain'; readonly requiredSigners: number; readonly roles: readonly ClientRole[] }
  /** Nobody may have two of these duties in one case. */
  | { readonly type: 'SegregationOfDuties'; readonly incompatibleRoles: readonly Duty[] }
  | { readonly type: 'ResourceLimit'; readonly resource: Resource; readonly max: number }
  /** UTC; from `startHour` (0 – 23) up to, not including, `endHour` (0 – 24); past midnight where it is smaller. */
  | {
      readonly type: 'TimeWindow'
      readonly startHour: number
      readonly endHour: number
      readonly days: readonly Weekday[]
    }
  /** Of the data of new cases. */
  | { readonly type: 'Schema'; readonly schema: Json }
  | { readonly type: 'Custom'; readonly ruleType: string; readonly params: { readonly [key: string]: Json } }

export interface DoctrineRule {
  readonly type: 'Rule'
  readonly name: string
  readonly sector: string
  readonly constraint: RuleConstraint
  readonly enforcement: Enforcement
  /** A guard: a violation blocks also where GuardStrictness Tighten is in force, whatever the enforcement. */
  readonly guard: boolean
  /** Where the rule comes from: a law, a handbook, a decision. */
  readonly source: string
  readonly effectiveDateMs: number
  readonly expiresMs: number | null
  /** `CreateCase`, `UpdateCaseState[:STATE]`, `Custom[:NAME]`; null: every operation that writes. */
  readonly operations: readonly string[] | null
  /** Only cases of these specifications; null: all. */
  readonly specIds: readonly string[] | null
}

export type Policy = PolicyElement | DoctrineRule
