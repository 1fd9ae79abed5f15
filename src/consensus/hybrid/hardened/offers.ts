/**
 * What is told of signed states: a leader offers the newest snapshot that a quorum signed, with its highest
 * commit certificate, so that who installs it stands in votes and histories where that certificate is.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { Effect } from '../../core.js'
import type { LogIndex, NodeId } from '../../types.js'
import type { HybridCheckpoint } from '../messages.js'
import type { HardenedState, Out } from './state.js'

/** Raft offers a snapshot: what goes out is the newest that a quorum signed. The one that Raft names may be gone. */
export function sendOffer(raft: HardenedState, to: NodeId, out: Out): void {
  const { snapshots, shadow } = raft.modules
  const { newest } = snapshots
  const { commit } = raft.standing
  if (newest === null || newest.snapshot.base.index < shadow.base.index) return
  const { snapshot } = newest
  if (snapshot.base.index <= raft.options.epoch.origin.index) {
    // Whoever is in this epoch holds what came before it, whatever Raft makes of its answers.
    raft.atOrigin.add(to)
    return
  }
  if (commit === null || commit.statement.sequence < snapshot.base.index) return
  tell(raft, to, { certificate: newest.certificate, snapshot, commit }, out)
}

/** A peer that this leader's log cannot help: too far below, or behind what is in memory. */
export function offerNewest(raft: HardenedState, to: NodeId, from: LogIndex, out: Out): void {
  const { newest } = raft.modules.snapshots
  if (newest !== null && newest.snapshot.base.index > from) sendOffer(raft, to, out)
}

/** Raft wants what was offered: its state has to be the one that was signed. */
export function fetchSigned(
  { states }: HardenedState,
  effect: Extract<Effect, { type: 'fetchSnapshot' }>,
  out: Out,
): void {
  const { awaited } = states
  if (awaited === null || !bytesEqual(awaited.snapshot.id, effect.snapshot.id)) return
  const { snapshot, certificate } = awaited
  out.push({ ...effect, snapshot, stateDigest: certificate.statement.digest })
}

type Told = Partial<Pick<HybridCheckpoint, 'own' | 'certificate' | 'snapshot' | 'commit'>>

export function tell({ options, core }: HardenedState, to: NodeId, told: Told, out: Out): void {
  const nothing = { own: null, certificate: null, snapshot: null, proof: null, commit: null, links: [] }
  const { epoch } = options.epoch
  const message: HybridCheckpoint = {
    type: 'hybridCheckpoint',
    epoch,
    leads: core.status().term,
    ...nothing,
    ...told,
  }
  out.push({ type: 'send', to, message })
}
