/**
 * Proof that one request stands in a batch: on every level of the 16-ary tree (`batch-digest.ts`) the
 * other children of the node above. How many there are follows from the number of requests, so a path
 * has one form only.
 */
import { assert } from '../base/assert.js'
import type { ByteReader, ByteWriter } from '../base/bytes.js'
import { batchLeaves, digestOfRoot, innerNode, MERKLE_FANOUT } from './batch-digest.js'
import { type EntryKind, HASH_BYTES, type Sha256 } from './entry.js'

/** Per level, from the leaves up: the siblings in order, 32 bytes each. */
export type MerklePath = readonly (readonly Uint8Array[])[]

/** Where a request stands: its place among all requests of its entry. */
export interface BatchPlace {
  readonly ordinal: number
  readonly count: number
}

/** The path of a request of a framed body. Throws `ProtocolViolation` where the framing is broken. */
export function merklePath(sha256: Sha256, body: Uint8Array, ordinal: number): MerklePath {
  let level: readonly Uint8Array[] = batchLeaves(sha256, body)
  assert(ordinal < level.length, 'the request is in the batch')
  const path: Uint8Array[][] = []
  for (let at = ordinal; level.length > 1; at = Math.floor(at / MERKLE_FANOUT)) {
    const first = at - (at % MERKLE_FANOUT)
    path.push(level.slice(first, first + MERKLE_FANOUT).filter((_, i) => first + i !== at))
    const next: Uint8Array[] = []
    for (let from = 0; from < level.length; from += MERKLE_FANOUT)
      next.push(innerNode(sha256, level.slice(from, from + MERKLE_FANOUT)))
    level = next
  }
  return path
}

/** The digest of the batch in which `request` stands at `place`. The path has the form that the place gives. */
export function digestOfPath(
  sha256: Sha256,
  kind: EntryKind,
  { ordinal, count }: BatchPlace,
  request: Uint8Array,
  path: MerklePath,
): Uint8Array {
  const leaf = new Uint8Array(1 + request.length)
  leaf.set(request, 1)
  let hash = sha256(leaf)
  let at = ordinal
  for (const siblings of path) {
    const within = at % MERKLE_FANOUT
    hash = innerNode(sha256, [...siblings.slice(0, within), hash, ...siblings.slice(within)])
    at = Math.floor(at / MERKLE_FANOUT)
  }
  return digestOfRoot(sha256, kind, count, hash)
}

export function writeMerklePath(out: ByteWriter, path: MerklePath): void {
  for (const siblings of path) for (const sibling of siblings) out.raw(sibling)
}

/** Throws `ProtocolViolation`. */
export function readMerklePath(reader: ByteReader, { ordinal, count }: BatchPlace): MerklePath {
  const path: Uint8Array[][] = []
  let at = ordinal
  for (let width = count; width > 1; width = Math.ceil(width / MERKLE_FANOUT)) {
    const first = at - (at % MERKLE_FANOUT)
    const children = Math.min(MERKLE_FANOUT, width - first)
    path.push(Array.from({ length: children - 1 }, () => reader.raw(HASH_BYTES)))
    at = Math.floor(at / MERKLE_FANOUT)
  }
  return path
}
