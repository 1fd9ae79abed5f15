/**
 * What a signature must look like before any curve arithmetic: the part of the pinned rule that reads
 * bytes only. OpenSSL, and with it Node, changes its mind about these cases between versions; checked
 * here, the answer is the same everywhere.
 *
 * A signature is R (32 bytes, an encoded point) and S (32 bytes, a little-endian scalar), RFC 8032, 5.1.6.
 */
import { fromHex } from '../../base/bytes.js'
import { SIGNATURE_BYTES } from './sizes.js'

const POINT_BYTES = 32

/** L, the order of the base point, little-endian (RFC 8032, 5.1). */
const GROUP_ORDER = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')
/** p = 2^255 − 19, little-endian. */
const FIELD_PRIME = fromHex('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f')
/** The y coordinates of the eight points of small order; the sign bit selects between ±x. */
const SMALL_ORDER_Y: readonly Uint8Array[] = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map(fromHex)

/** True for 64 bytes with S < L and R a canonical encoding that is not of small order. */
export function hasStrictForm(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  if (!isBelow(signature, POINT_BYTES, GROUP_ORDER, 0xff)) return false
  if (!isBelow(signature, 0, FIELD_PRIME, 0x7f)) return false
  return !SMALL_ORDER_Y.some((y) => equalsY(signature, y))
}

/** Compares the little-endian number at `start`, its top byte masked, with `limit`. */
function isBelow(bytes: Uint8Array, start: number, limit: Uint8Array, topMask: number): boolean {
  for (let i = POINT_BYTES - 1; i >= 0; i--) {
    const byte = (bytes[start + i] as number) & (i === POINT_BYTES - 1 ? topMask : 0xff)
    const bound = limit[i] as number
    if (byte !== bound) return byte < bound
  }
  return false
}

/** True when R encodes a point with this y, whatever its sign bit. */
function equalsY(signature: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < POINT_BYTES - 1; i++) if (signature[i] !== y[i]) return false
  return ((signature[POINT_BYTES - 1] as number) & 0x7f) === y[POINT_BYTES - 1]
}
