/** Steps Raft and takes what it wants done; tells what is committed as far as certificates reach (R7). */
import { assert } from '../../../base/assert.js'
import type { Effect, Input } from '../../core.js'
import type { RaftMessage } from '../../raft/messages.js'
import type { LogIndex, NodeId } from '../../types.js'
import { comparePlaces, positionOf, termOf } from '../positions.js'
import { tallies } from './counting.js'
import { fetchSigned } from './offers.js'
import { sendSigned } from './sending.js'
import type { HardenedState, Out } from './state.js'

export function stepCore(raft: HardenedState, input: Input, out: Out): void {
  const effects = raft.core.step(input, raft.now)
  for (const effect of effects) {
    if (effect.type !== 'store') continue
    raft.modules.shadow.apply(effect.records)
    track(raft, effect)
  }
  standAtEnd(raft)
  for (const effect of effects) emitEffect(raft, effect, out)
}

export function pass(raft: HardenedState, from: NodeId, message: RaftMessage, out: Out): void {
  stepCore(raft, { type: 'message', from, configHash: raft.options.epoch.sign.configHash, message }, out)
}

export function track(raft: HardenedState, { writeId, records }: Extract<Effect, { type: 'store' }>): void {
  for (const record of records) {
    if (record.kind !== 'truncate') continue
    raft.durable = Math.min(raft.durable, record.from - 1) as LogIndex
    for (const write of raft.open) write.end = Math.min(write.end, record.from - 1)
  }
  raft.open.push({ writeId, end: raft.modules.shadow.lastIndex })
}

export function noteStored(raft: HardenedState, { writeId }: Extract<Input, { type: 'stored' }>): void {
  while (raft.open[0] !== undefined && raft.open[0].writeId <= writeId) {
    const { end } = raft.open.shift() as { end: number }
    raft.durable = Math.max(raft.durable, end) as LogIndex
  }
}

/** A leader stands where its log ends. */
export function standAtEnd(raft: HardenedState): void {
  const { role, term } = raft.core.status()
  const standing = raft.standing
  if (role !== 'leader') return
  tallies(raft, term)
  const { shadow } = raft.modules
  const hash = shadow.chainAt(shadow.lastIndex)
  const { current } = standing
  assert(hash !== undefined && current !== null && termOf(current) === term, 'a leader has its certificate and its log')
  const position = { term, index: shadow.lastIndex, hash }
  if (comparePlaces(position, standing.position) > 0) standing.advance(position, current, raft.rules.header(position))
}

export function emitEffect(raft: HardenedState, effect: Effect, out: Out): void {
  switch (effect.type) {
    case 'commit':
      raft.committed = effect.upTo
      return
    case 'fetchSnapshot':
      return fetchSigned(raft, effect, out)
    case 'diverged':
    case 'membershipHinted':
      return
    case 'send':
      return sendSigned(raft, effect, out)
    default:
      out.push(effect)
  }
}

/** Committed, durable, and as far as the assurance asks: a certificate, or a proof that it is held. */
export function release(raft: HardenedState, out: Out): void {
  const { proof } = raft.standing
  const assurance = raft.modules.assurance()
  const proven = proof === null ? raft.options.epoch.origin.index : positionOf(proof).index
  const reach = assurance === 'fast' ? raft.covered : Math.min(raft.covered, proven)
  // A change of members is told with the epoch that it begins.
  const change = raft.modules.shadow.changeIn(raft.options.epoch.epoch)
  const upTo = Math.min(raft.committed, reach, (change?.index ?? Number.POSITIVE_INFINITY) - 1) as LogIndex
  if (upTo <= raft.released) return
  raft.released = upTo
  out.push({ type: 'commit', upTo, assurance })
}
