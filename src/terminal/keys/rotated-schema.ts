/** The documented JSON of `keys rotate` for a client, apart from the code that needs the crypto. */
import * as schema from '../schema.js'

export const ROTATED_SCHEMA = schema.record({
  client: schema.text,
  role: schema.text,
  changed: schema.flag,
  dryRun: schema.flag,
  publicKey: schema.nullable(schema.text),
  fingerprint: schema.nullable(schema.text),
  previousPublicKey: schema.nullable(schema.text),
  identity: schema.text,
  keyFile: schema.nullable(schema.text),
  retiredKeyFile: schema.nullable(schema.text),
  index: schema.nullable(schema.integer),
})

export interface RotatedReport {
  readonly client: string
  readonly role: string
  /** False in a dry run, and where it had this key already. */
  readonly changed: boolean
  readonly dryRun: boolean
  /** The new key, base64; null in a dry run that would make it. */
  readonly publicKey: string | null
  readonly fingerprint: string | null
  /** Null where an earlier run replaced it. */
  readonly previousPublicKey: string | null
  /** The first key of the client, by which the state knows it. */
  readonly identity: string
  /** Null where the private key is somebody else's. */
  readonly keyFile: string | null
  readonly retiredKeyFile: string | null
  /** Of the order; null where an earlier run gave it, and in a dry run. */
  readonly index: number | null
}
