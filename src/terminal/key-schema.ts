/** The documented JSON of `keys gen` and `keys show`, apart from the code that needs the crypto. */
import * as schema from './schema.js'

export const KEY_SCHEMA = schema.record({
  publicKey: schema.text,
  fingerprint: schema.text,
  keyFile: schema.nullable(schema.text),
  publicKeyFile: schema.text,
  certificateFile: schema.nullable(schema.text),
})

export const SIGNATURE_SCHEMA = schema.record({
  publicKey: schema.text,
  sha256: schema.text,
  signature: schema.text,
  file: schema.nullable(schema.text),
})

export const VERIFIED_SCHEMA = schema.record({ ok: schema.flag, publicKey: schema.text, sha256: schema.text })
