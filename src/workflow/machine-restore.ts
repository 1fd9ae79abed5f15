/** Reads the tables that live in memory back from the system spaces of the state, at a restart. */
import { hasCode, KnhkError } from '../base/error.js'
import type { CaseCounts } from './cases.js'
import { decodeMachineRecord } from './machine-record.js'
import type { Governance } from './policies/governance.js'
import type { RequestKeys } from './request-keys.js'
import type { ResultLog } from './result-log.js'
import type { ClientTable } from './roles.js'
import type { SessionTable } from './sessions.js'
import {
  CLIENT_SPACE,
  CLIENT_USAGE_SPACE,
  EVIDENCE_SPACE,
  MACHINE_SPACE,
  MEMBERS_SPACE,
  QUOTA_SPACE,
  REQUEST_ID_QUEUE_SPACE,
  REQUEST_ID_SPACE,
  RESULT_SPACE,
  SESSION_SPACE,
  USED_APPROVAL_SPACE,
} from './state-keys.js'
import type { ThreatTable } from './threats/table.js'

/** Spaces of which nothing is kept in memory. */
const READ_WHERE_ASKED: readonly string[] = [MEMBERS_SPACE, RESULT_SPACE, REQUEST_ID_SPACE]

export interface MachineTables {
  readonly clients: ClientTable
  readonly sessions: SessionTable
  readonly requestKeys: Pick<RequestKeys, 'load'>
  readonly cases: CaseCounts
  readonly results: Pick<ResultLog, 'restore'>
  readonly threats: Pick<ThreatTable, 'load'>
  readonly governance: Pick<Governance, 'quotas' | 'usedApprovals'>
}

/** Fills the tables from all pairs of the system spaces, in key order; returns the log time. Throws `Corrupt`. */
export function restoreTables(
  tables: MachineTables,
  system: Iterable<{ readonly key: string; readonly value: Uint8Array }>,
): number {
  try {
    return fill(tables, system)
  } catch (error) {
    if (!hasCode(error, 'ProtocolViolation')) throw error
    throw new KnhkError('Corrupt', 'the stored state of the machine is malformed', { cause: error })
  }
}

function fill(tables: MachineTables, system: Iterable<{ readonly key: string; readonly value: Uint8Array }>): number {
  const sessionPairs: { key: string; value: Uint8Array }[] = []
  let nowMs: number | null = null
  for (const { key, value } of system) {
    if (key === MACHINE_SPACE) {
      const record = decodeMachineRecord(value, tables.cases.finished)
      nowMs = record.nowMs
      tables.results.restore(record.resultChain)
      tables.cases.restore(record.caseCounts)
    } else if (key[0] === CLIENT_SPACE) tables.clients.load(key, value)
    else if (key[0] === SESSION_SPACE) sessionPairs.push({ key, value })
    else if (key[0] === USED_APPROVAL_SPACE) tables.governance.usedApprovals.load(key)
    else if (key === QUOTA_SPACE) tables.governance.quotas.loadQuotas(value)
    else if (key[0] === CLIENT_USAGE_SPACE) tables.governance.quotas.loadUsage(key, value)
    else if (key[0] === EVIDENCE_SPACE) tables.threats.load(key, value)
    else if (key[0] === REQUEST_ID_QUEUE_SPACE) tables.requestKeys.load(key)
    else if (!READ_WHERE_ASKED.includes(key[0] as string))
      throw new KnhkError('Corrupt', 'the state has a system space that this version does not know')
  }
  if (nowMs === null) throw new KnhkError('Corrupt', 'the state was stored without a checkpoint of the machine')
  // Sessions name clients, so they come after them.
  tables.sessions.load(sessionPairs, tables.clients)
  return nowMs
}
