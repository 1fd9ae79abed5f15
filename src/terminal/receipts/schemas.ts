/** Documented JSON of receipts and evidence, apart from the code that makes them. */
import * as schema from '../schema.js'

export const RECEIPT_SCHEMA = schema.record({
  format: schema.text,
  clusterId: schema.text,
  index: schema.integer,
  request: schema.integer,
  claimsResult: schema.flag,
  signers: schema.list(schema.text),
  receipt: schema.text,
})

const CLAIM = { by: schema.list(schema.text), proves: schema.text, assumes: schema.text }

const PROVEN = schema.record({
  clusterId: schema.text,
  protocol: schema.text,
  epoch: schema.integer,
  index: schema.integer,
  kind: schema.text,
  timestampMs: schema.integer,
  chain: schema.text,
  client: schema.nullable(schema.text),
  clientSigned: schema.flag,
  inclusion: schema.record(CLAIM),
  result: schema.nullable(schema.record(CLAIM)),
  operations: schema.list(
    schema.record({
      position: schema.nullable(schema.integer),
      operation: schema.anything,
      result: schema.nullable(
        schema.record({
          ok: schema.flag,
          code: schema.nullable(schema.text),
          message: schema.nullable(schema.text),
          data: schema.anything,
          executedAt: schema.record({ index: schema.integer, position: schema.integer }),
        }),
      ),
    }),
  ),
})

export const VERIFIED_RECEIPT_SCHEMA = schema.record({
  ok: schema.flag,
  problem: schema.nullable(schema.text),
  proven: schema.nullable(PROVEN),
})

const EVIDENCE_FIELDS = { id: schema.text, kind: schema.text, culprit: schema.text, epoch: schema.integer }

export const EVIDENCE_LIST_SCHEMA = schema.list(
  schema.record({
    ...EVIDENCE_FIELDS,
    ordered: schema.flag,
    index: schema.nullable(schema.integer),
    statement: schema.text,
    view: schema.integer,
    sequence: schema.integer,
    holders: schema.list(schema.text),
  }),
)

export const EVIDENCE_FILE_SCHEMA = schema.record({
  format: schema.text,
  clusterId: schema.text,
  ...EVIDENCE_FIELDS,
  evidence: schema.text,
  steps: schema.text,
})

export const VERIFIED_EVIDENCE_SCHEMA = schema.record({
  ok: schema.flag,
  problem: schema.nullable(schema.text),
  id: schema.nullable(schema.text),
  kind: schema.nullable(schema.text),
  culprit: schema.nullable(schema.text),
  epoch: schema.nullable(schema.integer),
  statement: schema.nullable(schema.text),
  view: schema.nullable(schema.integer),
  sequence: schema.nullable(schema.integer),
})

export const FORENSICS_SCHEMA = schema.record({
  verdict: schema.text,
  index: schema.nullable(schema.integer),
  culprits: schema.list(
    schema.record({ id: schema.text, reason: schema.text, evidenceId: schema.nullable(schema.text) }),
  ),
  suspects: schema.list(schema.text),
  explanation: schema.text,
})
