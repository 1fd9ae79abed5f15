/**
 * The batch digest: root of a 16-ary Merkle tree with one leaf per client request, bound to the kind
 * and the number of requests. leaf = H(0x00 | request), inner node = H(0x01 | children),
 * digest = H(0x02 | kind | count | root). Sixteen children keep the cost near one hash per request
 * and a receipt's path under 500 bytes a level (docs/decisions/0003-batch-digest.md).
 */
import { writeU32 } from '../base/bytes.js'
import { type EntryKind, HASH_BYTES, type Sha256 } from './entry.js'
import { forEachRequest } from './request-body.js'

export const MERKLE_FANOUT = 16
const KIND_BYTES: Readonly<Record<EntryKind, number>> = { data: 1, membership: 2, mode: 3, evidence: 4, empty: 5 }

/** Computes the digest of a framed body. Throws `ProtocolViolation` where the framing is broken. */
export function computeBatchDigest(sha256: Sha256, kind: EntryKind, body: Uint8Array): Uint8Array {
  const leaves = batchLeaves(sha256, body)
  return digestOfRoot(sha256, kind, leaves.length, leaves.length > 0 ? merkleRoot(sha256, leaves) : null)
}

/** The leaf of every request of a framed body, in order. Throws `ProtocolViolation` where the framing is broken. */
export function batchLeaves(sha256: Sha256, body: Uint8Array): Uint8Array[] {
  const leaves: Uint8Array[] = []
  let scratch = new Uint8Array(1024)
  forEachRequest(body, (start, end) => {
    const length = end - start + 1
    if (length > scratch.length) scratch = new Uint8Array(length * 2)
    scratch[0] = 0x00
    scratch.set(body.subarray(start, end), 1)
    leaves.push(sha256(scratch.subarray(0, length)))
  })
  return leaves
}

/** The digest of a batch of `count` requests from the root over them; null for none. */
export function digestOfRoot(sha256: Sha256, kind: EntryKind, count: number, root: Uint8Array | null): Uint8Array {
  const final = new Uint8Array(1 + 1 + 4 + HASH_BYTES)
  final[0] = 0x02
  final[1] = KIND_BYTES[kind]
  writeU32(final, 2, count)
  if (root !== null) final.set(root, 6)
  return sha256(final)
}

/** Root over one or more leaves; a single leaf is its own root. */
export function merkleRoot(sha256: Sha256, leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves
  while (level.length > 1) {
    const next: Uint8Array[] = []
    for (let first = 0; first < level.length; first += MERKLE_FANOUT)
      next.push(innerNode(sha256, level.slice(first, first + MERKLE_FANOUT)))
    level = next
  }
  return level[0] as Uint8Array
}

/** H(0x01 | children). */
export function innerNode(sha256: Sha256, children: readonly Uint8Array[]): Uint8Array {
  const node = new Uint8Array(1 + children.length * HASH_BYTES)
  node[0] = 0x01
  for (let i = 0; i < children.length; i++) node.set(children[i] as Uint8Array, 1 + i * HASH_BYTES)
  return sha256(node)
}
