/** What `doctor` looked at: each thing with its verdict, so that a healthy cluster shows what was checked. */
import { anything, flag, type JsonSchema, list, nullable, record, text } from '../schema.js'

export interface Check {
  /** What was looked at, in few words: `ready`, `clock`, `disk` … */
  readonly check: string
  /** Null for the cluster as a whole. */
  readonly node: string | null
  readonly ok: boolean
  readonly message: string
  /** What to do; empty where all is well. */
  readonly hint: string
  readonly numbers: Readonly<Record<string, number>>
}

export const CHECK_SCHEMA: JsonSchema = record({
  check: text,
  node: nullable(text),
  ok: flag,
  message: text,
  hint: text,
  // Names differ from check to check; the values are numbers.
  numbers: anything,
})

export const CHECKS_SCHEMA: JsonSchema = record({ healthy: flag, checks: list(CHECK_SCHEMA) })

export function good(check: string, node: string | null, message: string, numbers: Check['numbers'] = {}): Check {
  return { check, node, ok: true, message, hint: '', numbers }
}

export function bad(
  check: string,
  node: string | null,
  message: string,
  hint: string,
  numbers: Check['numbers'] = {},
): Check {
  return { check, node, ok: false, message, hint, numbers }
}
