/** The documented JSON of `watch changes`. */
import * as schema from '../schema.js'

export const CHANGES_SCHEMA = schema.record({
  changes: schema.list(
    schema.record({
      index: schema.integer,
      position: schema.integer,
      timestampMs: schema.integer,
      client: schema.text,
      session: schema.nullable(schema.text),
      sequence: schema.nullable(schema.integer),
      type: schema.nullable(schema.text),
      operation: schema.nullable({ type: 'object' }),
    }),
  ),
})
