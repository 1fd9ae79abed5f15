/**
 * Reads the fields of parsed JSON strictly, for operations, policies and overlays: a field that is
 * missing, unknown or of the wrong type is an `InvalidArgument` that names it.
 */
import { KnhkError } from '../base/error.js'
import { uuidFromBytes, uuidToBytes } from './uuid.js'

export type JsonObject = Readonly<Record<string, unknown>>

/** Names that a caller gave appear in messages and results; they are cut to this. */
const NAME_CHARS_MAX = 64

export function asObject(value: unknown, field: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'is not a JSON object')
  return value as JsonObject
}

export function readText(object: JsonObject, field: string): string {
  const value = fieldOf(object, field)
  if (value === undefined) throw invalid(field, 'is missing')
  if (typeof value !== 'string') throw invalid(field, 'is not a text')
  return value
}

/** Lower-case text form. */
export function readUuid(object: JsonObject, field: string): string {
  return uuidFromBytes(uuidToBytes(readText(object, field), field))
}

export function readInteger(object: JsonObject, field: string, min: number, max: number): number {
  const value = fieldOf(object, field)
  if (value === undefined) throw invalid(field, 'is missing')
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw invalid(field, `is not an integer of ${min} to ${max}`)
  }
  // Minus zero has no encoding of its own.
  return value + 0
}

/** One of a few words; `absent` stands where the field is missing, and without it the field is required. */
export function readChoice<T extends string>(
  object: JsonObject,
  field: string,
  choices: readonly T[],
  absent?: NoInfer<T>,
): T {
  if (absent !== undefined && isAbsent(object, field)) return absent
  const value = readText(object, field)
  const choice = choices.find((one) => one === value)
  if (choice === undefined) throw invalid(field, `is not one of ${choices.join(', ')}`)
  return choice
}

export function readList(object: JsonObject, field: string, min: number, max: number): readonly unknown[] {
  const value = fieldOf(object, field)
  if (value === undefined) throw invalid(field, 'is missing')
  if (!Array.isArray(value) || value.length < min || value.length > max) {
    throw invalid(field, `is not a list of ${min} to ${max}`)
  }
  return value
}

/** Absent and null are the same. */
export function isAbsent(object: JsonObject, field: string): boolean {
  return (fieldOf(object, field) ?? null) === null
}

export function allowFields(object: JsonObject, fields: readonly string[]): void {
  for (const field of Object.keys(object)) {
    if (!fields.includes(field)) throw invalid(field.slice(0, NAME_CHARS_MAX), 'is not a field here')
  }
}

export function invalid(field: string, problem: string): KnhkError {
  return new KnhkError('InvalidArgument', `${field} ${problem}`, { details: { field } })
}

function fieldOf(object: JsonObject, field: string): unknown {
  return Object.hasOwn(object, field) ? object[field] : undefined
}
