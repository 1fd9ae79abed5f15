/**
 * One look at the cluster for `watch`: its status, how fast it commits, how long a read takes, and what changed
 * since the look before. The read writes nothing, so an idle cluster stays idle: where nodes may lie a linearizable
 * one is ordered, and the leader is asked instead.
 */
import type { CallOptions, Client, ClusterStatus, QueryOptions } from '../../client/api.js'
import { eventsBetween } from '../notices.js'
import * as schema from '../schema.js'
import { STATUS_FIELDS, statusJson } from '../status-report.js'

export interface Sample {
  readonly atMs: number
  readonly status: ClusterStatus
  /** Committed entries per second since the look before; null for the first one. */
  readonly entriesPerSecond: number | null
  /** Null where the read was not answered. */
  readonly readMs: number | null
  readonly openSessions: number | null
  readonly events: readonly string[]
}

export const SAMPLE_SCHEMA = schema.record({
  atMs: schema.integer,
  entriesPerSecond: schema.nullable(schema.number),
  readMs: schema.nullable(schema.number),
  openSessions: schema.nullable(schema.integer),
  events: schema.list(schema.text),
  ...STATUS_FIELDS,
})

export class Sampler {
  readonly #client: Client
  #before: { readonly status: ClusterStatus; readonly monotonicMs: number } | null = null

  constructor(client: Client) {
    this.#client = client
  }

  async look(call: CallOptions): Promise<Sample> {
    const status = await this.#client.clusterStatus(call)
    // After the status, which has dialled every member: what is timed is the read alone.
    const read = await this.#read(status.protocol === 'raft' ? call : { ...call, read: 'leader' })
    const monotonicMs = performance.now()
    const before = this.#before
    this.#before = { status, monotonicMs }
    return {
      atMs: Date.now(),
      status,
      entriesPerSecond: before === null ? null : rate(before.status, status, monotonicMs - before.monotonicMs),
      ...read,
      events: eventsBetween(before?.status ?? null, status),
    }
  }

  /** The time of a read that costs little; its answer tells how many sessions are open. */
  async #read(call: QueryOptions): Promise<Pick<Sample, 'readMs' | 'openSessions'>> {
    const startedMs = performance.now()
    try {
      const { value } = await this.#client.query('sessions.list', { limit: 1 }, call)
      const readMs = Math.round((performance.now() - startedMs) * 100) / 100
      return { readMs, openSessions: (value as { count: number }).count }
    } catch {
      return { readMs: null, openSessions: null }
    }
  }
}

export function sampleJson({ atMs, status, entriesPerSecond, readMs, openSessions, events }: Sample) {
  return { atMs, entriesPerSecond, readMs, openSessions, events, ...statusJson(status) }
}

function rate(before: ClusterStatus, after: ClusterStatus, elapsedMs: number): number | null {
  if (before.commitIndex === null || after.commitIndex === null || elapsedMs <= 0) return null
  const entries = Math.max(0, after.commitIndex - before.commitIndex)
  return Math.round((entries * 10_000) / elapsedMs) / 10
}
