/**
 * The verification stage between the links and the core: what a message claims is checked here, so
 * that a core never parses a body. In plain Raft the links authenticate the sender and this stage
 * only checks that bodies match their digests; signatures join with the Byzantine protocols.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { computeBatchDigest } from '../consensus/batch-digest.js'
import type { ProtocolMessage } from '../consensus/core.js'
import type { Sha256 } from '../consensus/entry.js'

/** False when a body is not the one that its header names. */
export function verifyBodies(sha256: Sha256, message: ProtocolMessage): boolean {
  if (message.type !== 'appendEntries') return true
  for (const entry of message.entries) {
    try {
      if (!bytesEqual(entry.batchDigest, computeBatchDigest(sha256, entry.kind, entry.body))) return false
    } catch (error) {
      if (error instanceof KnhkError) return false
      throw error
    }
  }
  return true
}
