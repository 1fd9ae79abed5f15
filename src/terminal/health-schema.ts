/** The documented JSON of `cluster health`. */
import * as schema from './schema.js'

export const HEALTH_SCHEMA = schema.record({
  health: schema.text,
  problems: schema.list(schema.text),
  leader: schema.nullable(schema.text),
  commitIndex: schema.nullable(schema.integer),
  members: schema.integer,
  reachable: schema.integer,
  moreFaultsTolerated: schema.nullable(schema.integer),
})
