/** The documented JSON of the snapshot commands, apart from the code that reads snapshots. */
import * as schema from '../schema.js'

const identity = {
  index: schema.integer,
  epoch: schema.integer,
  term: schema.integer,
  id: schema.text,
  bytes: schema.integer,
  stateDigest: schema.text,
  dataDigest: schema.text,
}

export const SAVE_SCHEMA = schema.record({ node: schema.text, ...identity, file: schema.nullable(schema.text) })

export const LIST_SCHEMA = schema.record({
  snapshots: schema.list(schema.record({ node: schema.nullable(schema.text), ...identity, createdMs: schema.integer })),
  problems: schema.list(
    schema.record({ node: schema.nullable(schema.text), file: schema.nullable(schema.text), code: schema.text }),
  ),
})

export const SNAPSHOT_SCHEMA = schema.record({
  file: schema.text,
  ...identity,
  clusterId: schema.text,
  chain: schema.text,
  timestampMs: schema.integer,
  membership: schema.nullable(
    schema.record({
      index: schema.integer,
      members: schema.list(schema.record({ id: schema.text, address: schema.text, role: schema.text })),
    }),
  ),
  pairs: schema.integer,
  spaces: schema.list(schema.record({ name: schema.text, pairs: schema.integer, bytes: schema.integer })),
})

export const VERIFIED_SNAPSHOT_SCHEMA = schema.record({
  file: schema.text,
  ok: schema.flag,
  id: schema.nullable(schema.text),
  problems: schema.list(schema.text),
})

const lineage = schema.record({
  clusterId: schema.text,
  index: schema.integer,
  chain: schema.text,
  snapshot: schema.nullable(schema.text),
  plan: schema.nullable(schema.text),
})

/** Of `snapshot restore` and `recover apply`. What a dry run does not make is null. */
export const NEW_CLUSTER_SCHEMA = schema.record({
  restored: schema.flag,
  clusterId: schema.nullable(schema.text),
  dir: schema.text,
  clusterFile: schema.text,
  protocol: schema.text,
  nodes: schema.list(schema.record({ id: schema.text, address: schema.nullable(schema.text), dataDir: schema.text })),
  index: schema.integer,
  epoch: schema.integer,
  term: schema.integer,
  stateDigest: schema.nullable(schema.text),
  dataDigest: schema.nullable(schema.text),
  lineage,
})
