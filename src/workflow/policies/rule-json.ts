/** Reads doctrine rules from JSON, strictly (see `policy-json.ts`). */
import { CLIENT_ROLES } from '../../consensus/configuration.js'
import { isCaseState } from '../case-states.js'
import {
  allowFields,
  asObject,
  invalid,
  isAbsent,
  type JsonObject,
  readChoice,
  readInteger,
  readList,
  readText,
} from '../json-fields.js'
import { isHandlerName } from '../names.js'
import { uuidFromBytes, uuidToBytes } from '../uuid.js'
import { schemaProblem } from './json-schema.js'
import {
  APPROVALS_PER_OPERATION_MAX,
  RULE_OPERATIONS_MAX,
  RULE_PARAMS_MAX,
  RULE_SPECS_MAX,
  RULE_TEXT_CHARS_MAX,
} from './limits.js'
import { type DoctrineRule, DUTIES, type Json, RESOURCES, type RuleConstraint, WEEKDAYS } from './policy.js'

const FIELDS = [
  'type',
  'name',
  'sector',
  'constraint',
  'enforcement',
  'guard',
  'source',
  'effectiveDateMs',
  'expiresMs',
  'operations',
  'specIds',
]
const CONSTRAINTS = ['ApprovalChain', 'SegregationOfDuties', 'ResourceLimit', 'TimeWindow', 'Schema', 'Custom'] as const

/** `object.type` is 'Rule'. Throws `InvalidArgument`. */
export function readRule(object: JsonObject): DoctrineRule {
  allowFields(object, FIELDS)
  const effectiveDateMs = readTime(object, 'effectiveDateMs') ?? 0
  const expiresMs = readTime(object, 'expiresMs')
  if (expiresMs !== null && expiresMs <= effectiveDateMs) throw invalid('expiresMs', 'is not after effectiveDateMs')
  if (!isAbsent(object, 'guard') && typeof object.guard !== 'boolean')
    throw invalid('guard', 'is neither true nor false')
  return {
    type: 'Rule',
    name: readShortText(object, 'name'),
    sector: readShortText(object, 'sector'),
    constraint: readConstraint(asObject(object.constraint, 'constraint')),
    enforcement: readChoice(object, 'enforcement', ['Mandatory', 'Warning', 'Advisory']),
    guard: object.guard === true,
    source: readShortText(object, 'source'),
    effectiveDateMs,
    expiresMs,
    operations: isAbsent(object, 'operations')
      ? null
      : unique('operations', readList(object, 'operations', 1, RULE_OPERATIONS_MAX).map(readOperationName)),
    specIds: isAbsent(object, 'specIds')
      ? null
      : unique('specIds', readList(object, 'specIds', 1, RULE_SPECS_MAX).map(readSpecId)),
  }
}

function readConstraint(object: JsonObject): RuleConstraint {
  const type = readChoice(object, 'type', CONSTRAINTS)
  switch (type) {
    case 'ApprovalChain':
      allowFields(object, ['type', 'requiredSigners', 'roles'])
      return {
        type,
        requiredSigners: readInteger(object, 'requiredSigners', 1, APPROVALS_PER_OPERATION_MAX),
        roles: readChoices(object, 'roles', CLIENT_ROLES, 1),
      }
    case 'SegregationOfDuties':
      allowFields(object, ['type', 'incompatibleRoles'])
      return { type, incompatibleRoles: readChoices(object, 'incompatibleRoles', DUTIES, 2) }
    case 'ResourceLimit':
      allowFields(object, ['type', 'resource', 'max'])
      return {
        type,
        resource: readChoice(object, 'resource', RESOURCES),
        max: readInteger(object, 'max', 0, Number.MAX_SAFE_INTEGER),
      }
    case 'TimeWindow': {
      allowFields(object, ['type', 'startHour', 'endHour', 'days'])
      const startHour = readInteger(object, 'startHour', 0, 23)
      const endHour = readInteger(object, 'endHour', 0, 24)
      if (startHour === endHour) throw invalid('endHour', 'equals startHour; a whole day is 0 to 24')
      return { type, startHour, endHour, days: readChoices(object, 'days', WEEKDAYS, 1) }
    }
    case 'Schema': {
      allowFields(object, ['type', 'schema'])
      const problem = schemaProblem(object.schema)
      if (problem !== null) throw invalid('schema', problem)
      return { type, schema: object.schema as Json }
    }
    case 'Custom':
      allowFields(object, ['type', 'ruleType', 'params'])
      return { type, ruleType: readRuleType(object), params: readParams(object) }
  }
}

function readRuleType(object: JsonObject): string {
  const ruleType = readText(object, 'ruleType')
  if (!isHandlerName(ruleType)) throw invalid('ruleType', 'is not a name of printable ASCII characters')
  return ruleType
}

/** Texts, integers, true and false by name. */
function readParams(object: JsonObject): { readonly [key: string]: Json } {
  if (isAbsent(object, 'params')) return {}
  const params = asObject(object.params, 'params')
  if (Object.keys(params).length > RULE_PARAMS_MAX) throw invalid('params', `are over ${RULE_PARAMS_MAX}`)
  for (const value of Object.values(params)) {
    const isSimple = typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
    if (!isSimple) throw invalid('params', 'hold something that is no text, integer, true or false')
  }
  return params as { readonly [key: string]: Json }
}

/** Null for none. */
function readTime(object: JsonObject, field: string): number | null {
  return isAbsent(object, field) ? null : readInteger(object, field, 0, Number.MAX_SAFE_INTEGER)
}

function readShortText(object: JsonObject, field: string): string {
  const text = readText(object, field)
  if (text.trim() === '') throw invalid(field, 'is empty')
  if (text.length > RULE_TEXT_CHARS_MAX) throw invalid(field, `is over ${RULE_TEXT_CHARS_MAX} characters`)
  return text
}

/** A list of words without repetition, in the order of `choices`: one set has one form. */
function readChoices<T extends string>(object: JsonObject, field: string, choices: readonly T[], min: number): T[] {
  const given = readList(object, field, min, choices.length)
  for (const one of given) {
    if (!(choices as readonly unknown[]).includes(one)) throw invalid(field, `are among ${choices.join(', ')}`)
  }
  unique(field, given)
  return choices.filter((choice) => given.includes(choice))
}

function readOperationName(value: unknown): string {
  if (typeof value !== 'string') throw invalid('operations', 'holds something that is no text')
  const at = value.indexOf(':')
  const [type, detail] = at === -1 ? [value, null] : [value.slice(0, at), value.slice(at + 1)]
  const isKnown =
    (type === 'CreateCase' && detail === null) ||
    (type === 'UpdateCaseState' && (detail === null || isCaseState(detail))) ||
    (type === 'Custom' && (detail === null || isHandlerName(detail)))
  if (!isKnown) throw invalid('operations', 'are CreateCase, UpdateCaseState[:STATE] and Custom[:NAME]')
  return value
}

function readSpecId(value: unknown): string {
  if (typeof value !== 'string') throw invalid('specIds', 'holds something that is no text')
  return uuidFromBytes(uuidToBytes(value, 'specIds'))
}

function unique<T>(field: string, values: readonly T[]): readonly T[] {
  if (new Set(values).size !== values.length) throw invalid(field, 'repeats an element')
  return values
}
