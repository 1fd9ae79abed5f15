/** The shape of `sim run --json`, apart from what runs a simulation, so that help loads quickly. */
import { FAULT_IDS } from '../simulator/fault-counts.js'
import * as schema from './schema.js'

export const SIM_SCHEMA = schema.record({
  seeds: schema.integer,
  counted: schema.integer,
  violations: schema.list(schema.record({ seed: schema.integer, invariant: schema.text, replay: schema.text })),
  commits: schema.integer,
  faults: schema.record(Object.fromEntries(FAULT_IDS.map((id) => [id, schema.integer]))),
  leaderChanges: schema.integer,
  snapshotInstalls: schema.integer,
  viewChanges: schema.nullable(schema.integer),
  switches: schema.nullable(schema.integer),
  simulatedSeconds: schema.number,
  elapsedSeconds: schema.number,
})
