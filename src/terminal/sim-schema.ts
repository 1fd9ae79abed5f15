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
  realSignatures: schema.integer,
  simulatedSeconds: schema.number,
  elapsedSeconds: schema.number,
  scenario: schema.nullable(
    schema.record({
      file: schema.text,
      title: schema.text,
      source: schema.text,
      steps: schema.integer,
      failure: schema.nullable(
        schema.record({
          file: schema.text,
          line: schema.integer,
          step: schema.integer,
          text: schema.text,
          message: schema.text,
        }),
      ),
    }),
  ),
})

export const REPLAY_SCHEMA = schema.record({
  seed: schema.integer,
  nodes: schema.integer,
  violation: schema.nullable(schema.record({ invariant: schema.text, detail: schema.text })),
  counted: schema.flag,
  commits: schema.integer,
  faults: schema.record(Object.fromEntries(FAULT_IDS.map((id) => [id, schema.integer]))),
  leaderChanges: schema.integer,
  snapshotInstalls: schema.integer,
  viewChanges: schema.nullable(schema.integer),
  switches: schema.nullable(schema.integer),
  realSignatures: schema.flag,
  simulatedSeconds: schema.number,
  story: schema.list(schema.text),
})

export const SHRINK_SCHEMA = schema.record({
  seed: schema.integer,
  nodes: schema.integer,
  invariant: schema.nullable(schema.text),
  faults: schema.integer,
  faultsForMs: schema.integer,
  clients: schema.integer,
  runs: schema.integer,
  file: schema.nullable(schema.text),
  replay: schema.nullable(schema.text),
})

const DESCRIBED = schema.list(schema.record({ id: schema.text, summary: schema.text }))
export const LIST_SCHEMA = schema.record({
  faults: DESCRIBED,
  invariants: DESCRIBED,
  scenarios: schema.list(schema.text),
})
