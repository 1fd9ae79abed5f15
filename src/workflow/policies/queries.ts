/** Queries about what governs: the policies, what follows from them, and the quotas. */
import { toHex } from '../../base/bytes.js'
import type { CaseCounts } from '../cases.js'
import { ArgumentReader, cursorOf, type QueryArguments } from '../query-args.js'
import { type Pair, type Query, type RangeOptions, readPage } from '../query-reads.js'
import type { ClientTable } from '../roles.js'
import { endOfPrefix, POLICY_SPACE } from '../state-keys.js'
import { DOCTRINE } from './doctrine.js'
import { failureBlock } from './gate.js'
import type { Governance } from './governance.js'
import { idOfPolicy } from './lattice.js'
import { decodePolicyRecord, POLICIES_FROM } from './policy-table.js'

export interface GovernanceTables {
  readonly governance: Pick<Governance, 'policies' | 'quotas'>
  readonly cases: CaseCounts
  readonly clients: ClientTable
  readonly nowMs: number
}

/**
 * `{ limit?, cursor? }` → `{ policies: [{ policyId, policy, index, position, atMs, actor, actorKey }],
 * cursor }`, in order of the ids; `cursor` null means that there is no more.
 */
export function* listPolicies(args: QueryArguments, clients: ClientTable): Query {
  const reader = new ArgumentReader(args)
  const limit = reader.limit()
  const to = endOfPrefix(POLICY_SPACE)
  const range: RangeOptions = { from: POLICIES_FROM, to, reverse: false, after: reader.cursor(POLICIES_FROM, to) }
  reader.end()
  const page = yield* readPage(range, limit, (pair) => policyRow(pair, clients))
  return { policies: page.rows, cursor: page.more && page.lastKey !== null ? cursorOf(page.lastKey) : null }
}

// biome-ignore lint/correctness/useYield: a policy needs no further read, but rows are generators
function* policyRow(pair: Pair, clients: ClientTable): Query<{ row: Record<string, unknown>; bytes: number }> {
  const { policy, index, position, atMs, actor } = decodePolicyRecord(pair.value)
  const client = clients.findByIdentity(actor)?.id ?? null
  const row = { policyId: pair.key.slice(1), policy, index, position, atMs, actor: client, actorKey: toHex(actor) }
  return { row, bytes: pair.value.length }
}

/**
 * No arguments → the meet of the policies in force, bounded by the doctrine: `{ id, bottom, latency,
 * failureRates, guardStrictness, capacity, sources: [{ policyId, id }], rules, policies, doctrine,
 * runningCases, newCasesBlockedForMs }`. A kind that nobody asks for is null; `rules` are the ids of the
 * doctrine rules, `policies` counts both. `latency` is an objective for metrics: nothing enforces it.
 */
export function effectivePolicy(args: QueryArguments, { governance, cases, nowMs }: GovernanceTables): unknown {
  new ArgumentReader(args).end()
  const { policies } = governance
  const { effective, rules, size } = policies
  return {
    id: idOfPolicy(effective),
    ...effective,
    sources: policies.sources().map(({ id, policy }) => ({ policyId: id, id: idOfPolicy(policy) })),
    rules: rules.map(({ id }) => id),
    policies: size,
    doctrine: DOCTRINE,
    runningCases: cases.of('running'),
    newCasesBlockedForMs: failureBlock(effective, cases.finished, nowMs)?.retryAfterMs ?? null,
  }
}

/** No arguments → the quotas, null where there is none, and `cases`, `openCases`, `clients: [{ id, operations, bytes }]` of this minute. */
export function getQuotas(args: QueryArguments, { governance, cases, clients, nowMs }: GovernanceTables): unknown {
  new ArgumentReader(args).end()
  const { quotas } = governance
  const used = clients.list().map(({ id, identity }) => ({ id, ...quotas.usedBy(identity, nowMs) }))
  return {
    quotas: quotas.quotas,
    cases: cases.total,
    openCases: cases.open,
    clients: used.filter(({ operations }) => operations > 0),
  }
}
