/**
 * Does a fetched snapshot hold the state that a quorum signed? Its donor may lie, so the digest in its
 * header proves nothing: the state's digest is computed from the content, in slices that never hold the
 * loop (hence nobody can hand over a state with one flipped byte).
 */
import { bytesEqual } from '../base/bytes.js'
import type { Sha256 } from '../consensus/entry.js'
import { DigestTree } from '../workflow/digest.js'
import type { StatePair } from './ports.js'

const PAIRS_PER_SLICE = 512

/** True when the content hashes to `stateDigest`. Throws `Corrupt` where the file cannot be read. */
export async function holdsState(
  pairs: AsyncIterable<StatePair>,
  stateDigest: Uint8Array,
  sha256: Sha256,
  pause: () => Promise<void>,
): Promise<boolean> {
  const tree = new DigestTree(sha256)
  let fed = 0
  for await (const { key, value } of pairs) {
    tree.update(key, value)
    if (++fed % PAIRS_PER_SLICE === 0) await pause()
  }
  while (!tree.settle(PAIRS_PER_SLICE)) await pause()
  return bytesEqual(tree.digests().stateDigest, stateDigest)
}
