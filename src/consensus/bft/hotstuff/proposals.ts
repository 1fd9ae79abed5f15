/**
 * Proposing: the leader of a round extends the block of the highest certificate, once per round. The
 * driver brings batches; what the core orders by itself (INIT, a change of members, evidence, empty
 * blocks that flush) it proposes in `tick`, so a batch has its chance before
 * an empty block; evidence and changes of members go before batches. Proposal and own
 * vote are one write, durable before either leaves.
 */
import { assert } from '../../../base/assert.js'
import { computeBatchDigest } from '../../batch-digest.js'
import type { Input } from '../../core.js'
import type { EntryKind } from '../../entry.js'
import { encodeBody } from '../../request-body.js'
import type { Term } from '../../types.js'
import { type BlockHeader, EMPTY_BODY, type HashedHeader, hashHeader, hasPayload, indexAfter } from './block.js'
import { qcRound } from './certificates.js'
import { insertBlock } from './insert.js'
import type { HsProposal } from './messages.js'
import { initBody, isFlushed, isLong, isSealed, payloadProblem } from './payload-rules.js'
import type { HotStuffState } from './state.js'
import { voteFor } from './voting.js'

type Propose = Extract<Input, { type: 'propose' }>

/** What the next block extends; null where this node may not propose now. */
function parentOfNext(hs: HotStuffState): HashedHeader | null {
  const { tip, round, safety, tc, highQc, ending } = hs
  if (tip === undefined || ending !== null || !hs.isLeader) return null
  if (safety.data.lastProposedRound >= round || safety.timedOutRound >= round) return null
  return qcRound(highQc) === round - 1 || tc !== null ? tip : null
}

/** True when a batch would be taken now. */
export function mayPropose(hs: HotStuffState): boolean {
  const parent = parentOfNext(hs)
  return parent !== null && parent.header.height >= 0 && !isSealed(hs, parent) && ownOrder(hs, parent) === null
}

export function handlePropose(hs: HotStuffState, { proposalId, kind, body, batchDigest }: Propose): void {
  const { leader } = hs
  const parent = parentOfNext(hs)
  if (parent === null || !mayPropose(hs)) {
    hs.emit({ type: 'refused', proposalId, code: hs.isLeader ? 'NoLeader' : 'NotLeader', leader })
    return
  }
  const height = parent.header.height + 1
  const isTooLong = body.length > hs.options.limits.bodyBytesMax
  if (isTooLong || kind === 'empty' || payloadProblem(hs, parent, { kind, height }, body) !== null) {
    hs.emit({ type: 'refused', proposalId, code: 'ResourceExhausted', leader })
    return
  }
  const index = propose(hs, parent, kind, body, batchDigest)
  hs.emit({ type: 'proposed', proposalId, index, term: 0 as Term })
}

/** True when the core itself has something to propose, or to announce, in its next tick. */
export function wantsTick(hs: HotStuffState): boolean {
  const parent = parentOfNext(hs)
  if (parent === null) return false
  return hs.announceQc !== null || ownPayload(hs, parent) !== null
}

/** What the core proposes by itself; otherwise the certificate that only this node holds goes to all. */
export function proposeOwn(hs: HotStuffState): void {
  const parent = parentOfNext(hs)
  if (parent === null) return
  const own = ownPayload(hs, parent)
  if (own !== null) {
    const index = propose(hs, parent, own.kind, own.body, computeBatchDigest(hs.modules.sha256, own.kind, own.body))
    if (own.kind === 'membership' && hs.pendingChange !== null) {
      hs.emit({ type: 'ordered', orderId: hs.pendingChange.orderId, index })
      hs.pendingChange = null
    }
  } else if (hs.announceQc !== null) {
    hs.broadcast({ type: 'hsAdvance', qc: hs.announceQc, tc: null })
    hs.announceQc = null
  }
}

interface OwnPayload {
  readonly kind: EntryKind
  readonly body: Uint8Array
}

function ownPayload(hs: HotStuffState, parent: HashedHeader): OwnPayload | null {
  if (parent.header.height < 0) return { kind: 'mode', body: initBody(hs) }
  const order = ownOrder(hs, parent)
  if (order !== null) return order
  return isFlushed(hs, parent) && !hs.rotating ? null : { kind: 'empty', body: EMPTY_BODY }
}

/** What goes before any batch: under load there would be no other moment for it. */
function ownOrder(hs: HotStuffState, parent: HashedHeader): OwnPayload | null {
  if (isSealed(hs, parent)) return null
  if (hs.pendingChange !== null) return { kind: 'membership', body: hs.pendingChange.body }
  const height = parent.header.height + 1
  for (const evidence of hs.evidence.waiting()) {
    const body = encodeBody([evidence])
    if (payloadProblem(hs, parent, { kind: 'evidence', height }, body) === null) return { kind: 'evidence', body }
  }
  return modeOrder(hs, parent)
}

/** Another protocol comes when everything below is decided and executed: until then nothing new is proposed. */
function modeOrder(hs: HotStuffState, parent: HashedHeader): OwnPayload | null {
  const due = hs.options.modeRules?.due ?? null
  if (due === null) return null
  const isOpen = hs.tree.undecided(parent).some(({ header }) => hasPayload(header))
  return isOpen || hs.executedIndex < hs.log.last.index
    ? { kind: 'empty', body: EMPTY_BODY }
    : { kind: 'mode', body: due }
}

/** Signs, stores and sends a block, and votes for it. Returns the log index that it would take. */
function propose(
  hs: HotStuffState,
  parent: HashedHeader,
  kind: EntryKind,
  body: Uint8Array,
  batchDigest: Uint8Array,
): BlockHeader['index'] {
  const { round, epoch, self, safety, tc, highQc, now } = hs
  const before = parent.header.timestampMs
  const header: BlockHeader = {
    epoch,
    round,
    height: parent.header.height + 1,
    parentHash: parent.hash,
    parentRound: parent.header.round,
    index: indexAfter(parent.header),
    kind,
    timestampMs: kind === 'empty' ? before : Math.max(before, Math.floor(now.wallMs)),
    batchDigest,
    failures: hs.leaders.failures(round, parent),
    proposer: self,
  }
  const block = hashHeader(hs.modules.sha256, header)
  const signed = safety.propose(block)
  assert(signed !== null, 'a leader proposes once per round')
  const tcToCarry = qcRound(highQc) === round - 1 ? null : tc
  const proposal: HsProposal = {
    type: 'hsProposal',
    header,
    body,
    justify: highQc,
    tc: tcToCarry,
    signature: signed.signature,
  }
  insertBlock(hs, { ...block, parts: proposal }, parent, true)
  hs.journal.safety()
  hs.announceQc = null
  hs.rotating = false
  if (hs.durableFence === round) hs.broadcast(proposal)
  else hs.broadcastSigned(proposal)
  voteFor(hs, { ...block, parts: proposal })
  return header.index
}

/** Whether something waits to be decided, and since when. */
export function waitingSince(hs: HotStuffState): number | null {
  const { tree, tip, demandSinceMs, now } = hs
  const isBeginning = tree.root.header.height < 0
  const isOpen = tree.above().some(({ header }) => hasPayload(header)) || (tip !== undefined && isLong(hs, tip))
  if (demandSinceMs !== null) return isBeginning || isOpen ? Math.min(demandSinceMs, now.monotonicMs) : demandSinceMs
  const isEnding = hs.ending !== null
  const isDue = hs.pendingChange !== null || (hs.options.modeRules?.due ?? null) !== null
  // Who gave the round up says so until it is over, though it only joined: the others may count on it.
  const gaveUp = hs.safety.timedOutRound === hs.round
  const waits = gaveUp || hs.rotating || isBeginning || isOpen || isEnding || isDue || hs.evidence.waiting().length > 0
  return waits ? now.monotonicMs : null
}
