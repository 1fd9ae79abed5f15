/** Cases on the command line: from flags to the operation, from query answers to the documented JSON. */
import { toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { checkJson } from '../workflow/json-check.js'
import type { Operation } from '../workflow/operations.js'
import { uuidFromBytes, uuidToBytes } from '../workflow/uuid.js'
import * as schema from './schema.js'

const maybeInteger = schema.nullable(schema.integer)
const SUMMARY = {
  caseId: schema.text,
  specId: schema.text,
  state: schema.text,
  createdAtMs: schema.integer,
  startedAtMs: maybeInteger,
  completedAtMs: maybeInteger,
  error: schema.nullable(schema.text),
  createdIndex: schema.integer,
  updatedIndex: schema.integer,
}

export const CASE_SCHEMA = schema.record({ ...SUMMARY, data: schema.anything })
export const CASE_LIST_SCHEMA = schema.record({
  cases: schema.list(schema.record(SUMMARY)),
  cursor: schema.nullable(schema.text),
})
export const CASE_HISTORY_SCHEMA = schema.record({
  caseId: schema.text,
  events: schema.list(
    schema.record({
      index: schema.integer,
      position: schema.integer,
      operation: schema.text,
      state: schema.text,
      atMs: schema.integer,
      actor: schema.nullable(schema.text),
      actorKey: schema.text,
    }),
  ),
  cursor: schema.nullable(schema.text),
})

/** One case as `case.get` and `case.list` answer it; `data`, its JSON text, in `case.get` only. */
export interface CaseAnswer {
  readonly caseId: string
  readonly specId: string
  readonly state: string
  readonly createdAtMs: number
  readonly startedAtMs: number | null
  readonly completedAtMs: number | null
  readonly error: string | null
  readonly createdIndex: number
  readonly updatedIndex: number
}

export interface CaseEvent {
  readonly index: number
  readonly position: number
  readonly operation: string
  readonly state: string
  readonly atMs: number
  readonly actor: string | null
  readonly actorKey: string
}

/** The data goes to the cluster as it was written. Throws `InvalidArgument`. */
export function createCaseOperation(caseId: string, specId: string, dataText: string): Operation {
  const data = toUtf8(dataText.trim())
  const check = checkJson(data)
  if (!check.ok) throw invalidData(`${check.reason}, at byte ${check.at}`)
  // Null and {} go to the state machine: it is the one that says why a case is not admitted.
  if (check.kind !== 'object' && check.kind !== 'null') throw invalidData(`it is of type ${check.kind}, not an object`)
  return { type: 'CreateCase', caseId: parseUuid(caseId, '--case-id'), specId: parseUuid(specId, '--spec-id'), data }
}

/** The lower-case text form of a UUID. Throws `InvalidArgument` that names `what`. */
export function parseUuid(text: string, what: string): string {
  return uuidFromBytes(uuidToBytes(text, what))
}

function invalidData(why: string): KnhkError {
  return new KnhkError('InvalidArgument', `--data is not accepted: ${why}`, {
    hint: `Give a JSON object, for example --data '{"amount":120}'.`,
    details: { flag: 'data' },
  })
}
