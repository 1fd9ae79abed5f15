/**
 * Commits: the newly decided blocks, oldest first, become entries of the log where they have a payload,
 * each with its proof. They count as committed when they are durable here.
 */
import { assert } from '../../../base/assert.js'
import { type Entry, makeEntry } from '../../entry.js'
import { decodeMembership } from '../../membership.js'
import type { LogIndex, Term } from '../../types.js'
import { decodeEvidence, evidenceId } from '../evidence.js'
import { isModeChange } from '../mode-change.js'
import { type HashedHeader, hasPayload } from './block.js'
import type { BlockNode } from './block-tree.js'
import type { Qc } from './certificates.js'
import { endEpoch } from './epoch-change.js'
import { encodeProof } from './proof.js'
import { requestBodies } from './requests.js'
import type { HotStuffState } from './state.js'

/** `block` and what is below it are decided by the QC of `certified`. */
export function decide(hs: HotStuffState, block: HashedHeader, certified: HashedHeader, qc: Qc): void {
  const { tree } = hs
  if (block.header.height <= tree.root.header.height) return
  if (hs.log.last.index < hs.origin.index) {
    // The state that the epoch begins with is not here: it comes first, as a snapshot.
    hs.sync.wantEntries()
    return
  }
  const path = tree.path(tree.root, block)
  assert(path !== null, 'two branches were committed: more than f replicas lied')
  const toCertified = tree.path(block, certified) as BlockNode[]
  const entries: Entry[] = []
  for (const [at, node] of path.entries()) {
    if (!hasPayload(node.header)) continue
    const headers = [...path.slice(at), ...toCertified].map(({ header }) => header)
    const entry = entryOf(hs, node, encodeProof({ headers, qc }))
    hs.log.append(entry)
    entries.push(entry)
  }
  tree.commit(path.at(-1) as BlockNode)
  hs.journal.safety()
  if (entries.length > 0) record(hs, entries)
}

/** Stores entries that are in the log already; they are committed once they are durable. */
export function record(hs: HotStuffState, entries: readonly Entry[]): void {
  hs.journal.entries(entries)
  hs.journal.safety()
  const upTo = (entries.at(-1) as Entry).index
  for (const entry of entries) note(hs, entry)
  hs.journal.whenDurable(() => commitUpTo(hs, upTo))
}

export function commitUpTo(hs: HotStuffState, upTo: LogIndex): void {
  if (upTo <= hs.commitIndex) return
  hs.commitIndex = upTo
  hs.emit({ type: 'commit', upTo, assurance: 'certified' })
}

function entryOf(hs: HotStuffState, { header, parts }: BlockNode, certificate: Uint8Array): Entry {
  const { log, options, context, modules } = hs
  assert(parts !== null && header.index === log.last.index + 1, 'blocks take the next index')
  const { epoch, index, timestampMs, kind, batchDigest } = header
  const { clusterId } = options
  const fields = { epoch, term: 0 as Term, index, timestampMs, kind, clusterId, batchDigest }
  const previousChain = log.last.chain
  return makeEntry(
    modules.sha256,
    { ...fields, configHash: context.configHash, previousChain },
    parts.body,
    certificate,
  )
}

/** What a decided entry changes in the core itself. */
function note(hs: HotStuffState, entry: Entry): void {
  const { kind, body, index } = entry
  if (kind === 'membership') {
    const record = { index, membership: decodeMembership(body) }
    hs.memberships.append(record)
    hs.emit({ type: 'membershipChanged', record, committed: true })
    endEpoch(hs, entry)
  } else if (isModeChange(entry)) {
    endEpoch(hs, entry)
  } else if (kind === 'evidence') {
    for (const request of requestBodies(body)) {
      const evidence = decodeEvidence(request)
      hs.evidence.noteOrdered({ culprit: evidence.culprit, id: evidenceId(hs.modules.sha256, evidence) })
    }
  }
}
