/**
 * The queries of the state machine by name. A query is pure: it checks its arguments, asks for reads,
 * and returns plain data (objects, arrays, texts, integers, booleans, null and bytes).
 */
import { KnhkError } from '../base/error.js'
import { caseHistory, getCase, listCases } from './case-queries.js'
import { listEvidence } from './evidence-queries.js'
import { getKey, listKeys } from './kv-queries.js'
import { diffSigma, getOverlay, getSigma, listOverlays, sigmaChain, sigmaHistory } from './overlays/queries.js'
import { effectivePolicy, type GovernanceTables, getQuotas, listPolicies } from './policies/queries.js'
import type { QueryArguments } from './query-args.js'
import type { Query } from './query-reads.js'
import type { ClientTable } from './roles.js'
import type { SessionTable } from './sessions.js'
import { listClients, listSessions } from './system-queries.js'
import { liveThreat } from './threats/queries.js'
import type { ThreatTable } from './threats/table.js'

export type { QueryRead, QueryReadResult } from './query-reads.js'

/** The tables that live in memory; a `WorkflowMachine` is one. */
export interface QueryTables extends GovernanceTables {
  readonly clients: ClientTable
  readonly sessions: SessionTable
  readonly threats: ThreatTable
}

/**
 * Starts a query; the caller answers each read that it yields. Throws `NotFound` for an unknown name;
 * the query itself throws `InvalidArgument` that names the argument, and what it documents.
 */
export function* startQuery(name: string, args: QueryArguments, tables: QueryTables): Query {
  switch (name) {
    case 'case.get':
      return yield* getCase(args)
    case 'case.list':
      return yield* listCases(args)
    case 'case.history':
      return yield* caseHistory(args, tables.clients)
    case 'kv.get':
      return yield* getKey(args)
    case 'kv.list':
      return yield* listKeys(args)
    case 'overlay.list':
      return yield* listOverlays(args)
    case 'overlay.get':
      return yield* getOverlay(args, tables.clients)
    case 'sigma.get':
      return yield* getSigma(args)
    case 'sigma.chain':
      return yield* sigmaChain(args)
    case 'sigma.diff':
      return yield* diffSigma(args)
    case 'sigma.history':
      return yield* sigmaHistory(args, tables.clients)
    case 'policy.list':
      return yield* listPolicies(args, tables.clients)
    case 'policy.effective':
      return effectivePolicy(args, tables)
    case 'quotas.get':
      return getQuotas(args, tables)
    case 'evidence.ordered':
      return yield* listEvidence(args)
    case 'threat.live':
      return liveThreat(args, tables.threats)
    case 'sessions.list':
      return listSessions(args, tables.sessions)
    case 'clients.list':
      return listClients(args, tables.clients)
    default:
      throw new KnhkError('NotFound', `there is no query ${name.slice(0, 80)}`, {
        details: { query: name.slice(0, 80) },
      })
  }
}
