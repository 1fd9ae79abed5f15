/** The documented JSON of `bench compare`, apart from the code that reads files. */
import * as schema from '../schema.js'

export const COMPARE_SCHEMA = schema.record({
  tolerance: schema.number,
  regression: schema.flag,
  figures: schema.list(
    schema.record({
      name: schema.text,
      a: schema.number,
      b: schema.number,
      change: schema.nullable(schema.number),
      worse: schema.flag,
    }),
  ),
})
