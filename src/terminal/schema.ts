/**
 * The published JSON Schemas of results (`knhk commands --json`), written with a few helpers so that
 * a command's schema reads like its result. Reference: JSON Schema 2020-12.
 */
export type JsonSchema = Readonly<Record<string, unknown>>

export const text: JsonSchema = { type: 'string' }
export const integer: JsonSchema = { type: 'integer' }
export const number: JsonSchema = { type: 'number' }
export const flag: JsonSchema = { type: 'boolean' }
export const anything: JsonSchema = {}

export function nullable(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] }
}

/** Of a command with results of several shapes. */
export function either(...schemas: readonly JsonSchema[]): JsonSchema {
  return { anyOf: schemas }
}

export function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items }
}

/** Every property is required: what does not apply is null, never missing. */
export function record(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}
