/**
 * Checks a value against the part of JSON Schema that the commands publish (src/terminal/schema.ts).
 */
import type { JsonSchema } from '../../src/terminal/schema.js'

/** Where and how `value` departs from `schema`; empty when it does not. */
export function violations(schema: JsonSchema, value: unknown, path = '$'): string[] {
  if (Array.isArray(schema.anyOf)) {
    const tried = (schema.anyOf as JsonSchema[]).map((one) => violations(one, value, path))
    return tried.some((found) => found.length === 0) ? [] : (tried[0] ?? [])
  }
  if (schema.type === undefined) return []
  if (!isOfType(schema.type as string, value))
    return [`${path} is not ${String(schema.type)}: ${JSON.stringify(value)}`]
  if (schema.type === 'array') {
    return (value as unknown[]).flatMap((item, i) => violations(schema.items as JsonSchema, item, `${path}[${i}]`))
  }
  if (schema.type !== 'object') return []
  const record = value as Record<string, unknown>
  const properties = schema.properties as Record<string, JsonSchema>
  const missing = (schema.required as string[])
    .filter((name) => !(name in record))
    .map((name) => `${path} lacks ${name}`)
  const unknown = Object.keys(record)
    .filter((name) => !(name in properties))
    .map((name) => `${path}.${name} is not in the schema`)
  const inner = Object.entries(properties).flatMap(([name, one]) =>
    name in record ? violations(one, record[name], `${path}.${name}`) : [],
  )
  return [...missing, ...unknown, ...inner]
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'null':
      return value === null
    case 'integer':
      return Number.isSafeInteger(value)
    default:
      return typeof value === type
  }
}
