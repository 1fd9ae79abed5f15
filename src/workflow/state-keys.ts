/**
 * The key space of the replicated state. A key is a binary string (one char per byte) whose first char
 * names its space; the spaces are grouped so that a range of first chars is a class: data (in both
 * digests), system (in `stateDigest` only), derived (in neither: rebuilt from the data).
 * Policies and overlays take the data spaces that follow.
 */

/** The replicated state as apply sees it: synchronous, over an overlay of writes not yet on disk. */
export interface StatePort {
  get(key: string): Uint8Array | undefined
  put(key: string, value: Uint8Array): void
  delete(key: string): void
}

/** Data: case id (16) → case record. */
export const CASE_SPACE = '\x10'
/** Data: case id (16), index (u64 big-endian), position (u32 big-endian) → history record. */
export const HISTORY_SPACE = '\x11'
/** Data: key → index of the last write (u64), value. */
export const KV_SPACE = '\x12'

/** Data: head of Σ*, mode and number of open overlays, one record. */
export const SIGMA_SPACE = '\x33'
/** Data: content hash (32) → snapshot of the configuration. */
export const SIGMA_SNAPSHOT_SPACE = '\x34'
/** Data: overlay id → overlay. */
export const OVERLAY_SPACE = '\x35'
/** Data: index (u64 big-endian), position (u32 big-endian) → how the head of Σ* moved there. */
export const SIGMA_MOVE_SPACE = '\x36'

/** Data: policy id → policy record; an id of one zero byte: the list of all ids. */
export const POLICY_SPACE = '\x13'
/** Data: spec id (16) → number of its running cases (u32), where there are any. */
export const RUNNING_BY_SPEC_SPACE = '\x14'
/** Data: namespace, a zero byte, key → value of a handler of the embedding program. */
export const HANDLER_SPACE = '\x15'

/** System: counters and log time, one record. */
export const MACHINE_SPACE = '\x40'
/** System: client key (32) → role record. */
export const CLIENT_SPACE = '\x41'
/** System: session id (index u64, offset u32, big-endian), then nothing for the session or the number of a result chunk (u64). */
export const SESSION_SPACE = '\x42'
/** System: expiry (u64), hash (32) of an approval that was used → nothing. */
export const USED_APPROVAL_SPACE = '\x43'
/** System: the quotas, one record. */
export const QUOTA_SPACE = '\x44'
/** System: client key (32) → what the client used in its last minute. */
export const CLIENT_USAGE_SPACE = '\x45'

/** System: client key (32), request id → what the operation came to; client key alone: how many ids it has (u32). */
export const REQUEST_ID_SPACE = '\x46'
/** System: number (u64 big-endian) → expiry (u64), client key and request id. */
export const REQUEST_ID_QUEUE_SPACE = '\x47'

/** System: index (u64 big-endian) → what the operations of that entry came to. */
export const RESULT_SPACE = '\x51'
/** System: id (32) of evidence that was ordered → index, where it was cleared, evidence. */
export const EVIDENCE_SPACE = '\x50'
/** System: the members of a hybrid cluster after the last change of them, one record. */
export const MEMBERS_SPACE = '\x52'

/** Derived: state (1), creation time (u64 big-endian), case id → empty. */
export const CASE_BY_STATE_SPACE = '\x80'
/** Derived: spec id (16), creation time, case id → empty. */
export const CASE_BY_SPEC_SPACE = '\x81'
/** Derived: creation time, case id → empty. */
export const CASE_BY_TIME_SPACE = '\x82'

/** The system spaces are the keys from `SYSTEM_FROM` up to, not including, `SYSTEM_TO`. */
export const SYSTEM_FROM = '\x40'
export const SYSTEM_TO = '\x80'

export type SpaceClass = 'data' | 'system' | 'derived'

export function classOfKey(key: string): SpaceClass {
  const space = key.charCodeAt(0)
  if (space < 0x40) return 'data'
  return space < 0x80 ? 'system' : 'derived'
}

/** Bytes [start, end) as a binary string behind `prefix`. Unrolled: this runs once per kv operation. */
export function binaryString(bytes: Uint8Array, start = 0, end = bytes.length, prefix = ''): string {
  const char = String.fromCharCode
  let text = prefix
  let at = start
  for (; at + 8 <= end; at += 8) {
    text += char(
      bytes[at] as number,
      bytes[at + 1] as number,
      bytes[at + 2] as number,
      bytes[at + 3] as number,
      bytes[at + 4] as number,
      bytes[at + 5] as number,
      bytes[at + 6] as number,
      bytes[at + 7] as number,
    )
  }
  for (; at < end; at++) text += char(bytes[at] as number)
  return text
}

/** The bytes of a binary string from char `start` on. */
export function bytesOfBinaryString(text: string, start = 0): Uint8Array {
  const bytes = new Uint8Array(text.length - start)
  for (let i = start; i < text.length; i++) bytes[i - start] = text.charCodeAt(i)
  return bytes
}

/** Big-endian, so that key order is number order. */
export function u32Key(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
}

/** Big-endian, 0 … 2^53 − 1. */
export function u64Key(value: number): string {
  return u32Key(Math.floor(value / 0x1_0000_0000)) + u32Key(value >>> 0)
}

export function readU32Key(key: string, at: number): number {
  const byte = (offset: number) => key.charCodeAt(at + offset)
  return ((byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3)) >>> 0
}

export function readU64Key(key: string, at: number): number {
  return readU32Key(key, at) * 0x1_0000_0000 + readU32Key(key, at + 4)
}

/** The smallest key above every key that starts with `prefix`; the first char is never 0xff. */
export function endOfPrefix(prefix: string): string {
  let length = prefix.length
  while (prefix.charCodeAt(length - 1) === 0xff) length--
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1)
}
