/** The documented JSON of `recover plan`, apart from the code that reads data directories. */
import * as schema from '../schema.js'

const texts = schema.list(schema.text)

const LOG_SCHEMA = schema.record({
  epoch: schema.integer,
  term: schema.integer,
  votedFor: schema.nullable(schema.text),
  baseIndex: schema.integer,
  lastIndex: schema.integer,
  lastEpoch: schema.integer,
  lastTerm: schema.integer,
  lastChain: schema.text,
  certified: schema.flag,
  appliedIndex: schema.integer,
  snapshotIndex: schema.nullable(schema.integer),
  damage: schema.list(schema.record({ index: schema.integer, kind: schema.text })),
  voters: schema.nullable(texts),
})

const SURVIVOR_SCHEMA = schema.record({
  dataDir: schema.text,
  print: schema.text,
  clusterId: schema.text,
  node: schema.text,
  log: schema.nullable(LOG_SCHEMA),
  unusable: schema.nullable(schema.record({ code: schema.text, message: schema.text })),
})

export const PLAN_SCHEMA = schema.record({
  file: schema.text,
  digest: schema.text,
  version: schema.integer,
  clusterId: schema.text,
  survivors: schema.list(SURVIVOR_SCHEMA),
  chosen: schema.text,
  lastIndex: schema.integer,
  lastEpoch: schema.integer,
  lastTerm: schema.integer,
  lastChain: schema.text,
  voters: schema.nullable(texts),
  missing: texts,
  quorum: schema.nullable(schema.integer),
  quorumSurvives: schema.flag,
  committedUpTo: schema.integer,
  uncertain: schema.nullable(schema.record({ from: schema.integer, to: schema.integer })),
  committedMayBeLost: schema.flag,
  discarded: schema.list(schema.record({ node: schema.text, from: schema.integer, to: schema.integer })),
  clients: schema.nullable(schema.list(schema.record({ id: schema.text, publicKey: schema.text, role: schema.text }))),
})
