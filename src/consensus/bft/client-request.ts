/**
 * Requests that their clients signed: a primary can neither forge nor alter them, and they survive every
 * view change and protocol switch unchanged. The signature covers domain, cluster id and the hash of the
 * request as it is without its signature: session, first sequence, acked-below, key and operations;
 * nothing of where or by whom it is ordered.
 */
import { readU16, readU32 } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { Sha256 } from '../entry.js'
import { REQUEST_HEADER_BYTES } from '../request.js'
import { forEachRequest } from '../request-body.js'
import type { SignatureCheck } from './checks.js'
import { SIGNATURE_BYTES } from './statement.js'

/** "knhk/request/1\0\0", one byte per character. */
const DOMAIN = Uint8Array.from('knhk/request/1\0\0', (character) => character.charCodeAt(0))
const REQUEST_VERSION = 1

/** What a client signs: `unsigned` is the request as `encodeRequest` makes it. */
export function requestSignBytes(sha256: Sha256, clusterId: Uint8Array, unsigned: Uint8Array): Uint8Array {
  const out = new Uint8Array(64)
  out.set(DOMAIN, 0)
  out.set(clusterId, 16)
  out.set(sha256(unsigned), 32)
  return out
}

/** The signed form: the signature's length in the second byte, the signature at the end. */
export function signedRequest(unsigned: Uint8Array, signature: Uint8Array): Uint8Array {
  const out = new Uint8Array(unsigned.length + SIGNATURE_BYTES)
  out.set(unsigned, 0)
  out[1] = SIGNATURE_BYTES
  out.set(signature, unsigned.length)
  return out
}

/** What must hold of a signed request; null where it is malformed or not signed. */
export function requestCheck(sha256: Sha256, clusterId: Uint8Array, request: Uint8Array): SignatureCheck | null {
  if (!hasSignedForm(request)) return null
  // A copy for certain: what comes from a file or a socket is a Buffer, whose `slice` is a view.
  const unsigned = new Uint8Array(request.subarray(0, request.length - SIGNATURE_BYTES))
  unsigned[1] = 0
  return {
    publicKey: request.subarray(32, 64),
    bytes: requestSignBytes(sha256, clusterId, unsigned),
    signature: request.subarray(request.length - SIGNATURE_BYTES),
  }
}

/** Whether exactly these bytes were found to be signed by their client before. */
export type IsVerified = (request: Uint8Array) => boolean

/** The checks of all requests of a body that are not known to hold; null where one is malformed or not signed. */
export function bodyChecks(
  sha256: Sha256,
  clusterId: Uint8Array,
  body: Uint8Array,
  isVerified?: IsVerified,
): SignatureCheck[] | null {
  const checks: SignatureCheck[] = []
  let sound = true
  try {
    forEachRequest(body, (start, end) => {
      const request = body.subarray(start, end)
      if (isVerified?.(request) === true) return
      const check = requestCheck(sha256, clusterId, request)
      if (check === null) sound = false
      else checks.push(check)
    })
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
  return sound ? checks : null
}

/** Exactly a header, the counted operations and a signature. */
function hasSignedForm(request: Uint8Array): boolean {
  if (request.length < REQUEST_HEADER_BYTES + SIGNATURE_BYTES) return false
  if (request[0] !== REQUEST_VERSION || request[1] !== SIGNATURE_BYTES) return false
  const end = request.length - SIGNATURE_BYTES
  let at = REQUEST_HEADER_BYTES
  let left = readU16(request, 2)
  if (left === 0) return false
  for (; left > 0; left--) {
    if (end - at < 4) return false
    at += 4 + readU32(request, at)
    if (at > end) return false
  }
  return at === end
}
