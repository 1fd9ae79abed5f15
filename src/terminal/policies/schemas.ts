/** The published schemas of what governs. */
import * as schema from '../schema.js'

const maybeText = schema.nullable(schema.text)
const maybeInteger = schema.nullable(schema.integer)

export interface PolicyRow {
  readonly policyId: string
  readonly policy: { readonly type: string } & Readonly<Record<string, unknown>>
  readonly index: number
  readonly position: number
  readonly atMs: number
  readonly actor: string | null
  readonly actorKey: string
}

export const POLICY_LIST_SCHEMA = schema.record({
  policies: schema.list(
    schema.record({
      policyId: schema.text,
      policy: schema.anything,
      index: schema.integer,
      position: schema.integer,
      atMs: schema.integer,
      actor: maybeText,
      actorKey: schema.text,
    }),
  ),
  cursor: maybeText,
})

export interface EffectivePolicy {
  readonly id: string
  readonly bottom: boolean
  readonly latency: { readonly targetP99Ms: number; readonly strictness: string } | null
  readonly failureRates: readonly {
    readonly maxErrorPpm: number
    readonly window: number
    readonly coolDownMs: number
  }[]
  readonly guardStrictness: string | null
  readonly capacity: { readonly maxConcurrency: number; readonly maxParallelism: number } | null
  readonly sources: readonly { readonly policyId: string; readonly id: string }[]
  readonly rules: readonly string[]
  readonly policies: number
  readonly doctrine: Readonly<Record<string, number | string>>
  readonly runningCases: number
  readonly newCasesBlockedForMs: number | null
}

export const EFFECTIVE_SCHEMA = schema.record({
  id: schema.text,
  bottom: schema.flag,
  latency: schema.nullable(schema.record({ targetP99Ms: schema.integer, strictness: schema.text })),
  failureRates: schema.list(
    schema.record({ maxErrorPpm: schema.integer, window: schema.integer, coolDownMs: schema.integer }),
  ),
  guardStrictness: maybeText,
  capacity: schema.nullable(schema.record({ maxConcurrency: schema.integer, maxParallelism: schema.integer })),
  sources: schema.list(schema.record({ policyId: schema.text, id: schema.text })),
  rules: schema.list(schema.text),
  policies: schema.integer,
  doctrine: schema.record({
    targetP99MsMax: schema.integer,
    maxErrorPpmMax: schema.integer,
    maxConcurrencyMax: schema.integer,
    maxParallelismMax: schema.integer,
    guardStrictness: schema.text,
  }),
  runningCases: schema.integer,
  newCasesBlockedForMs: maybeInteger,
})

export interface ClientRow {
  readonly id: string
  /** Hex. */
  readonly publicKey: string
  readonly role: string
  /** The first key that it had, hex. */
  readonly identity: string
}

export const CLIENT_LIST_SCHEMA = schema.record({
  clients: schema.list(
    schema.record({ id: schema.text, publicKey: schema.text, role: schema.text, identity: schema.text }),
  ),
  cursor: maybeText,
})

const QUOTAS_SCHEMA = schema.record({
  casesMax: maybeInteger,
  openCasesMax: maybeInteger,
  sessionsPerClientMax: maybeInteger,
  operationsPerMinuteMax: maybeInteger,
  bytesPerMinuteMax: maybeInteger,
})

export interface QuotaAnswer {
  readonly quotas: Readonly<Record<string, number | null>>
  readonly cases: number
  readonly openCases: number
  readonly clients: readonly { readonly id: string; readonly operations: number; readonly bytes: number }[]
}

export const QUOTA_SCHEMA = schema.record({
  quotas: QUOTAS_SCHEMA,
  cases: schema.integer,
  openCases: schema.integer,
  clients: schema.list(schema.record({ id: schema.text, operations: schema.integer, bytes: schema.integer })),
})
