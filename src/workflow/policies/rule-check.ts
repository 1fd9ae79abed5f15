/**
 * Whether an operation violates a doctrine rule. ApprovalChain is not among these: it looks at approvals,
 * not at the operation alone (see `approval-check.ts`).
 */
import { bytesEqual, fromUtf8 } from '../../base/bytes.js'
import type { CaseCounts } from '../cases.js'
import { checkJson } from '../json-check.js'
import type { StatePort } from '../state-keys.js'
import { dutyOf, holderOf } from './duties.js'
import { checkAgainstSchema } from './json-schema.js'
import type { DoctrineRule, Duty, Resource, RuleConstraint } from './policy.js'
import type { RuleTypes } from './rule-types.js'
import type { CaseMove, Subject } from './subject.js'
import { isWithin } from './time-window.js'

const PROBLEM_CHARS_MAX = 80

export interface RuleTables {
  readonly state: StatePort
  readonly cases: CaseCounts
  readonly ruleTypes: RuleTypes
}

export interface RuleVerdict {
  /** Null for no violation. */
  readonly problem: string | null
  /** What the check cost beyond the operation itself, in units of a slice. */
  readonly cost: number
}

const FINE: RuleVerdict = { problem: null, cost: 0 }
const STEPS_PER_UNIT = 64

/** Whether a rule is effective now and speaks of this operation at all. */
export function concerns(rule: DoctrineRule, subject: Subject): boolean {
  const { operations, specIds, effectiveDateMs, expiresMs } = rule
  if (subject.nowMs < effectiveDateMs || (expiresMs !== null && subject.nowMs >= expiresMs)) return false
  if (specIds !== null && (subject.specId === null || !specIds.includes(subject.specId))) return false
  if (operations === null) return subject.writes
  return operations.includes(subject.type) || operations.includes(`${subject.type}:${subject.detail}`)
}

/** Checks a rule that concerns the operation; `constraint` is its own. */
export function checkRule(
  constraint: Exclude<RuleConstraint, { readonly type: 'ApprovalChain' }>,
  subject: Subject,
  tables: RuleTables,
): RuleVerdict {
  switch (constraint.type) {
    case 'TimeWindow':
      return isWithin(constraint, subject.nowMs) ? FINE : violated('outside the hours')
    case 'SegregationOfDuties': {
      const duty = subject.move === null ? null : otherDuty(constraint.incompatibleRoles, subject.move, subject, tables)
      return duty === null ? FINE : violated(`the client is the ${duty} of the case`)
    }
    case 'ResourceLimit': {
      const used = usedOf(constraint.resource, subject, tables.cases)
      return used === null || used <= constraint.max ? FINE : violated(`${constraint.resource} would be ${used}`)
    }
    case 'Schema':
      return checkSchema(constraint.schema, subject)
    case 'Custom': {
      const type = tables.ruleTypes.find(constraint.ruleType)
      // A rule of a type that is not registered is refused when it is applied; the sets agree on all nodes.
      const problem = type === undefined ? 'its type is unknown' : type.check(subject, constraint.params, tables.state)
      return problem === null ? FINE : violated(problem)
    }
  }
}

function checkSchema(schema: unknown, subject: Subject): RuleVerdict {
  if (subject.type !== 'CreateCase' || subject.data === null) return FINE
  const check = checkJson(subject.data)
  // Data that is no object, or an empty one, is for apply to refuse.
  if (!check.ok || check.kind !== 'object' || check.empty) return FINE
  const { problem, steps } = checkAgainstSchema(schema, JSON.parse(fromUtf8(subject.data)))
  const cost = Math.ceil(steps / STEPS_PER_UNIT)
  return { problem: problem === null ? null : problem.slice(0, PROBLEM_CHARS_MAX), cost }
}

/** Another duty of `incompatible` that the client holds; null where this is none of them or it holds no other. */
function otherDuty(
  incompatible: readonly Duty[],
  move: CaseMove,
  subject: Subject,
  { state }: RuleTables,
): Duty | null {
  const duty = dutyOf(move.from, move.to)
  if (!incompatible.includes(duty)) return null
  for (const other of incompatible) {
    if (other === duty) continue
    const holder = holderOf(state, move.id, move.record, other)
    if (holder !== null && bytesEqual(holder, subject.actor)) return other
  }
  return null
}

/** How much of a resource there would be; null where the operation takes none of it. */
function usedOf(resource: Resource, subject: Subject, cases: CaseCounts): number | null {
  switch (resource) {
    case 'operationBytes':
      return subject.bytes.length
    case 'caseDataBytes':
      return subject.type === 'CreateCase' ? (subject.data?.length ?? 0) : null
    case 'cases':
      return subject.type === 'CreateCase' ? cases.total + 1 : null
    case 'openCases':
      return subject.type === 'CreateCase' ? cases.open + 1 : null
    case 'runningCases':
      return subject.move?.to === 'running' ? cases.of('running') + 1 : null
  }
}

function violated(problem: string): RuleVerdict {
  return { problem: problem.slice(0, PROBLEM_CHARS_MAX), cost: 0 }
}
