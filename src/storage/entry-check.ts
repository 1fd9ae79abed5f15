/**
 * Whether an entry is the one that was written: its chain follows from its header, and its body is the one of
 * its digest. Checksums of frames are looked at when a log is opened; what is read back afterwards, one entry
 * at a time, is judged by what every entry carries itself.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { computeBatchDigest } from '../consensus/batch-digest.js'
import { type Entry, verifyChain } from '../consensus/entry.js'
import { sha256 } from '../crypto/sha256.js'

export function chainMatches(entry: Entry): boolean {
  return verifyChain(sha256, entry)
}

export function digestMatches(entry: Entry): boolean {
  try {
    return bytesEqual(computeBatchDigest(sha256, entry.kind, entry.body), entry.batchDigest)
  } catch (error) {
    if (error instanceof KnhkError) return false
    throw error
  }
}
