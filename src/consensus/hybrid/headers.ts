/**
 * Headers without their bodies: what a chain is recomputed from. They connect two places of the log in
 * vote requests, appends and abort histories, at 49 bytes each.
 */
import { type ByteReader, type ByteWriter, bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { computeChain, type EntryHeader, type EntryKind, HASH_BYTES, type Sha256 } from '../entry.js'
import type { Epoch, LogIndex, Millis } from '../types.js'
import { readList } from './positions.js'

export interface BareHeader {
  readonly timestampMs: Millis
  readonly kind: EntryKind
  readonly batchDigest: Uint8Array
}

/** So many entries of a leader may be without a commit certificate; histories and vote requests show them all. */
export const HEADERS_MAX = 2048
const KINDS: readonly EntryKind[] = ['data', 'membership', 'mode', 'evidence', 'empty']

export function bareHeader({ timestampMs, kind, batchDigest }: EntryHeader): BareHeader {
  return { timestampMs, kind, batchDigest }
}

/** chain(start + 1), chain(start + 2), … of one epoch's headers that follow `start`. */
export function chainOf(
  sha256: Sha256,
  epoch: Epoch,
  start: { readonly index: LogIndex; readonly hash: Uint8Array },
  headers: readonly BareHeader[],
): Uint8Array[] {
  let hash = start.hash
  return headers.map(({ timestampMs, batchDigest }, at) => {
    const index = (start.index + 1 + at) as LogIndex
    hash = computeChain(sha256, hash, { epoch, index, timestampMs }, batchDigest)
    return hash
  })
}

/** True when the headers lead from `start` to `end` exactly. */
export function connects(
  sha256: Sha256,
  epoch: Epoch,
  start: { readonly index: LogIndex; readonly hash: Uint8Array },
  headers: readonly BareHeader[],
  end: { readonly index: LogIndex; readonly hash: Uint8Array },
): boolean {
  if (start.index + headers.length !== end.index) return false
  return bytesEqual(chainOf(sha256, epoch, start, headers).at(-1) ?? start.hash, end.hash)
}

export function writeHeaders(out: ByteWriter, headers: readonly BareHeader[]): void {
  out.u32(headers.length)
  for (const { timestampMs, kind, batchDigest } of headers) {
    out.u64(timestampMs).u8(KINDS.indexOf(kind)).raw(batchDigest)
  }
}

/** Throws `ProtocolViolation`. */
export function readHeaders(reader: ByteReader): BareHeader[] {
  return readList(reader, HEADERS_MAX, (inner) => {
    const timestampMs = inner.u64()
    const kind = KINDS[inner.u8()]
    if (kind === undefined) throw new KnhkError('ProtocolViolation', 'a header of an unknown kind')
    return { timestampMs, kind, batchDigest: inner.raw(HASH_BYTES) }
  })
}
