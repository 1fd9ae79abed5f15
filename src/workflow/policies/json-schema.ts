/**
 * A fixed subset of JSON Schema 2020-12 for case data, without pattern, format and references, so that
 * every check ends: it is bounded by a budget of steps, and what would exceed it does not conform.
 *
 * Keywords: type, enum, const, required, properties, additionalProperties, minProperties, maxProperties,
 * items, minItems, maxItems, minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
 * allOf, anyOf, oneOf, not; title, description and $schema are notes. Bounds are integers. Numbers of
 * the data are compared as IEEE 754 doubles, which is one result everywhere; none of them is stored.
 */
import { SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX, SCHEMA_STEPS_MAX } from './limits.js'

type Fields = Readonly<Record<string, unknown>>

const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const
const COUNTS: ReadonlySet<string> = new Set([
  'minProperties',
  'maxProperties',
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
])
const BOUNDS: ReadonlySet<string> = new Set(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'])
const NOTES: ReadonlySet<string> = new Set(['title', 'description', '$schema'])
const COMBINATIONS: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf'])
const NAME_CHARS_MAX = 40
const CHARACTERS_PER_STEP = 64

/** Why `schema` is none of the subset; null when it is. */
export function schemaProblem(schema: unknown): string | null {
  return nodeProblem(schema, { nodes: 0 }, 1)
}

function nodeProblem(schema: unknown, counted: { nodes: number }, depth: number): string | null {
  if (typeof schema === 'boolean') return null
  if (!isRecord(schema)) return 'is neither an object nor true nor false'
  if (++counted.nodes > SCHEMA_NODES_MAX) return `has over ${SCHEMA_NODES_MAX} parts`
  if (depth > SCHEMA_DEPTH_MAX) return `is nested over ${SCHEMA_DEPTH_MAX} deep`
  for (const [keyword, value] of Object.entries(schema)) {
    const problem = keywordProblem(keyword, value) ?? partsProblem(keyword, value, counted, depth + 1)
    if (problem !== null) return problem
  }
  return null
}

function keywordProblem(keyword: string, value: unknown): string | null {
  const name = keyword.slice(0, NAME_CHARS_MAX)
  if (COUNTS.has(keyword)) return isCount(value) ? null : `has a ${name} that is no integer from 0`
  if (BOUNDS.has(keyword)) return Number.isSafeInteger(value) ? null : `has a ${name} that is no integer`
  if (NOTES.has(keyword)) return typeof value === 'string' ? null : `has a ${name} that is no text`
  if (keyword === 'type') {
    const types = Array.isArray(value) ? (value as unknown[]) : [value]
    const known = types.length > 0 && types.every((type) => (TYPES as readonly unknown[]).includes(type))
    return known ? null : `has a type that is not among ${TYPES.join(', ')}`
  }
  if (keyword === 'enum')
    return isList(value) && value.every(isSimple) ? null : 'has an enum that is no list of simple values'
  if (keyword === 'const') return isSimple(value) ? null : 'has a const that is no simple value'
  if (keyword === 'required') {
    return Array.isArray(value) && value.every((one) => typeof one === 'string')
      ? null
      : 'has a required that is no list of names'
  }
  if (keyword === 'properties') return isRecord(value) ? null : 'has properties that are no object'
  if (COMBINATIONS.has(keyword)) return isList(value) ? null : `has a ${name} that is no list`
  if (keyword === 'items' || keyword === 'additionalProperties' || keyword === 'not') return null
  return `has the keyword ${name}, which is not supported`
}

/** Checks the schemas inside one. */
function partsProblem(keyword: string, value: unknown, counted: { nodes: number }, depth: number): string | null {
  let parts: readonly unknown[] = []
  if (keyword === 'items' || keyword === 'additionalProperties' || keyword === 'not') parts = [value]
  else if (COMBINATIONS.has(keyword)) parts = value as unknown[]
  else if (keyword === 'properties') parts = Object.values(value as Fields)
  for (const part of parts) {
    const problem = nodeProblem(part, counted, depth)
    if (problem !== null) return problem
  }
  return null
}

export interface SchemaVerdict {
  /** Where and why the value does not conform; null when it does. */
  readonly problem: string | null
  readonly steps: number
}

/** Checks a value that came from `JSON.parse` against a schema without problems. */
export function checkAgainstSchema(schema: unknown, value: unknown): SchemaVerdict {
  const check = new SchemaCheck()
  const problem = check.check(schema, value, '')
  return check.exhausted
    ? { problem: `the check takes over ${SCHEMA_STEPS_MAX} steps`, steps: SCHEMA_STEPS_MAX }
    : { problem, steps: SCHEMA_STEPS_MAX - check.left }
}

class SchemaCheck {
  left = SCHEMA_STEPS_MAX

  get exhausted(): boolean {
    return this.left < 0
  }

  /** The first problem; null for none. Once the budget is spent everything is a problem, so that it ends. */
  check(schema: unknown, value: unknown, path: string): string | null {
    this.left--
    if (this.exhausted) return 'the budget is spent'
    if (schema === true) return null
    if (schema === false) return at(path, 'is not allowed')
    const fields = schema as Fields
    return (
      this.#simple(fields, value, path) ??
      this.#combined(fields, value, path) ??
      (typeof value === 'string' ? this.#text(fields, value, path) : null) ??
      (typeof value === 'number' ? numberProblem(fields, value, path) : null) ??
      (Array.isArray(value) ? this.#list(fields, value, path) : null) ??
      (isRecord(value) ? this.#object(fields, value, path) : null)
    )
  }

  #simple(schema: Fields, value: unknown, path: string): string | null {
    const { type, enum: choices } = schema
    if (type !== undefined) {
      const types = Array.isArray(type) ? (type as unknown[]) : [type]
      if (!types.some((one) => hasType(value, one as string))) return at(path, `is not of type ${types.join(' or ')}`)
    }
    if (choices !== undefined) {
      this.left -= (choices as unknown[]).length
      if (!(choices as unknown[]).includes(value)) return at(path, 'is not one of the allowed values')
    }
    if (Object.hasOwn(schema, 'const') && schema.const !== value) return at(path, 'is not the allowed value')
    return null
  }

  #combined(schema: Fields, value: unknown, path: string): string | null {
    for (const part of (schema.allOf ?? []) as unknown[]) {
      const problem = this.check(part, value, path)
      if (problem !== null) return problem
    }
    if (schema.anyOf !== undefined && this.#matches(schema.anyOf, value, path) === 0)
      return at(path, 'conforms to none of anyOf')
    if (schema.oneOf !== undefined && this.#matches(schema.oneOf, value, path) !== 1)
      return at(path, 'does not conform to exactly one of oneOf')
    if (schema.not !== undefined && this.check(schema.not, value, path) === null) return at(path, 'is excluded')
    return null
  }

  #matches(parts: unknown, value: unknown, path: string): number {
    return (parts as unknown[]).filter((part) => this.check(part, value, path) === null).length
  }

  #text(schema: Fields, value: string, path: string): string | null {
    const { minLength, maxLength } = schema as { minLength?: number; maxLength?: number }
    if (minLength === undefined && maxLength === undefined) return null
    this.left -= Math.ceil(value.length / CHARACTERS_PER_STEP)
    let length = 0
    for (const _ of value) length++
    return rangeProblem(length, minLength, maxLength, path, 'characters')
  }

  #list(schema: Fields, value: readonly unknown[], path: string): string | null {
    const { minItems, maxItems } = schema as { minItems?: number; maxItems?: number }
    const problem = rangeProblem(value.length, minItems, maxItems, path, 'items')
    if (problem !== null || schema.items === undefined) return problem
    for (const [i, item] of value.entries()) {
      const inside = this.check(schema.items, item, `${path}/${i}`)
      if (inside !== null) return inside
    }
    return null
  }

  #object(schema: Fields, value: Fields, path: string): string | null {
    const { minProperties, maxProperties } = schema as { minProperties?: number; maxProperties?: number }
    const names = Object.keys(value)
    const problem = rangeProblem(names.length, minProperties, maxProperties, path, 'members')
    if (problem !== null) return problem
    for (const name of (schema.required ?? []) as string[]) {
      this.left--
      if (!Object.hasOwn(value, name)) return at(`${path}/${name}`, 'is missing')
    }
    const properties = (schema.properties ?? {}) as Fields
    if (schema.properties === undefined && schema.additionalProperties === undefined) return null
    for (const name of names) {
      const part = Object.hasOwn(properties, name) ? properties[name] : (schema.additionalProperties ?? true)
      const inside = this.check(part, value[name], `${path}/${name}`)
      if (inside !== null) return inside
    }
    return null
  }
}

function numberProblem(schema: Fields, value: number, path: string): string | null {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema as Readonly<Record<string, number>>
  if (minimum !== undefined && value < minimum) return at(path, `is under ${minimum}`)
  if (maximum !== undefined && value > maximum) return at(path, `is over ${maximum}`)
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return at(path, `is not over ${exclusiveMinimum}`)
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return at(path, `is not under ${exclusiveMaximum}`)
  return null
}

function rangeProblem(
  count: number,
  min: number | undefined,
  max: number | undefined,
  path: string,
  what: string,
): string | null {
  if (min !== undefined && count < min) return at(path, `has under ${min} ${what}`)
  if (max !== undefined && count > max) return at(path, `has over ${max} ${what}`)
  return null
}

function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case 'object':
      return isRecord(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case 'null':
      return value === null
    default:
      return typeof value === type
  }
}

/** A JSON pointer to the place, cut to what a result can hold. */
function at(path: string, problem: string): string {
  return `${path === '' ? 'the data' : path.slice(0, NAME_CHARS_MAX)} ${problem}`
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isSimple(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
}
