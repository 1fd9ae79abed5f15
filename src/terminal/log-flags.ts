/** Flags and documented JSON of `log inspect` and `log verify`, apart from the code that reads logs. */
import * as Flags from '@oclif/core/flags'
import * as schema from './schema.js'

export const logFlags = {
  node: Flags.string({ summary: 'The node whose log it is.', env: 'KNHK_NODE', helpValue: 'ID' }),
  'data-dir': Flags.string({ summary: "A node's data directory.", env: 'KNHK_DATA_DIR', helpValue: 'DIR' }),
}

const maybeInteger = schema.nullable(schema.integer)

const TORN_TAIL_SCHEMA = schema.nullable(
  schema.record({ segment: schema.text, offset: schema.integer, bytes: schema.integer }),
)

export const INSPECT_SCHEMA = schema.record({
  entries: schema.list(
    schema.record({
      index: schema.integer,
      epoch: schema.integer,
      term: maybeInteger,
      view: maybeInteger,
      kind: schema.text,
      timestampMs: schema.integer,
      bytes: schema.integer,
      operations: schema.integer,
      chain: schema.text,
      batchDigest: schema.text,
    }),
  ),
  firstIndex: maybeInteger,
  lastIndex: maybeInteger,
  tornTail: TORN_TAIL_SCHEMA,
})

export const VERIFY_SCHEMA = schema.record({
  ok: schema.flag,
  firstIndex: maybeInteger,
  lastIndex: maybeInteger,
  entries: schema.integer,
  certificates: schema.integer,
  certifiedIndex: maybeInteger,
  problems: schema.list(
    schema.record({ index: schema.integer, segment: schema.text, offset: schema.integer, kind: schema.text }),
  ),
  repaired: schema.list(schema.record({ segment: schema.text, offset: schema.integer })),
  tornTail: TORN_TAIL_SCHEMA,
})

export const COMPACT_SCHEMA = schema.record({
  compacted: schema.flag,
  nodes: schema.list(
    schema.record({
      node: schema.text,
      firstIndexBefore: maybeInteger,
      firstIndex: maybeInteger,
      lastIndex: maybeInteger,
      snapshotIndex: maybeInteger,
      compactsAt: maybeInteger,
      entriesDropped: maybeInteger,
      bytesFreed: maybeInteger,
      errorCode: schema.nullable(schema.text),
    }),
  ),
})

const DIFF_SIDE_SCHEMA = schema.record({
  log: schema.text,
  baseIndex: schema.integer,
  firstIndex: maybeInteger,
  lastIndex: maybeInteger,
})

const DIFF_PLACE_SCHEMA = schema.nullable(
  schema.record({
    epoch: schema.integer,
    term: schema.integer,
    kind: schema.nullable(schema.text),
    timestampMs: schema.integer,
    chain: schema.text,
    batchDigest: schema.nullable(schema.text),
  }),
)

export const DIFF_SCHEMA = schema.record({
  equal: schema.flag,
  from: schema.integer,
  to: schema.integer,
  compared: schema.integer,
  partsAt: maybeInteger,
  beforeCommonRange: schema.flag,
  differs: schema.list(schema.text),
  a: DIFF_SIDE_SCHEMA,
  b: DIFF_SIDE_SCHEMA,
  placeA: DIFF_PLACE_SCHEMA,
  placeB: DIFF_PLACE_SCHEMA,
})

export const EXPORT_SCHEMA = schema.record({
  file: schema.text,
  entries: schema.integer,
  operations: schema.integer,
  firstIndex: maybeInteger,
  lastIndex: maybeInteger,
})
