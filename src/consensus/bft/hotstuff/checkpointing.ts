/**
 * Checkpoints: when execution tells the digest of the state at a compared index, the replica signs it
 * with the chain up to there. A quorum of equal ones makes it stable: state transfer and snapshots may
 * rest on it, and at the last entry of an epoch the next one begins. A replica whose own state differs
 * from a stable checkpoint says so.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { LogIndex } from '../../types.js'
import { type Certificate, encodeCertificate } from '../certificate.js'
import { checkpointStatement } from '../checkpoints.js'
import type { SignedStatement } from '../statement.js'
import { enterNext } from './epoch-change.js'
import { ask } from './questions.js'
import type { HotStuffState } from './state.js'
import { relyOnSnapshot } from './transfer.js'

/** The state after the entry at `index` has this digest: told at the same indexes on all replicas. */
export function handleDigest(hs: HotStuffState, index: LogIndex, stateDigest: Uint8Array): void {
  hs.digest = { epoch: hs.epoch, index, digest: stateDigest }
  const stable = hs.anchors.at(-1)?.checkpoint
  if (stable !== undefined && stable.statement.epoch === hs.epoch) compare(hs, stable)
  const isEnd = hs.ending?.index === index
  const chain = isEnd ? hs.ending?.chain : hs.log.entry(index)?.chain
  if (chain === undefined || index <= hs.origin.index) return
  const statement = checkpointStatement({ mode: 'hotstuff', epoch: hs.epoch, index }, stateDigest, chain)
  const signed = hs.safety.checkpoint(statement)
  if (signed === null) return
  hs.journal.safety()
  hs.broadcastSigned({ type: 'hsCheckpoint', checkpoint: signed })
  hs.journal.whenDurable(() => onCheckpoint(hs, signed))
}

/** Takes a verified checkpoint of a replica. */
export function onCheckpoint(hs: HotStuffState, checkpoint: SignedStatement): void {
  if (checkpoint.epoch !== hs.epoch) return
  const certificate = hs.checkpoints.note(checkpoint)
  if (certificate !== null) onStable(hs, certificate)
}

/** A certificate that a peer gathered: the epoch may be over. */
export function onEpochEnd(hs: HotStuffState, certificate: Certificate): void {
  if (certificate.statement.epoch !== hs.epoch) return
  if (certificate.statement.sequence > hs.log.last.index) {
    // The epoch is over, and this node has not seen its end: it is fetched first, then the certificate again.
    hs.sync.wantEntries()
    ask(hs)
  } else if (hs.checkpoints.adopt(certificate) !== null) onStable(hs, certificate)
  else enterNext(hs, certificate)
}

function onStable(hs: HotStuffState, certificate: Certificate): void {
  const { sequence, digest } = certificate.statement
  const index = sequence as LogIndex
  compare(hs, certificate)
  const proof = hs.log.entry(index)?.certificate ?? null
  if (proof !== null) hs.keepAnchor({ checkpoint: certificate, proof })
  const stable = { index, stateDigest: digest, certificate: encodeCertificate(certificate) }
  hs.emit({ type: 'checkpointStable', ...stable, ...(proof === null ? {} : { proof }) })
  // The step into the next epoch needs the entry that ended this one, and the log may begin behind it afterwards.
  enterNext(hs, certificate)
  relyOnSnapshot(hs)
}

/**
 * What a quorum certified against what execution told last, not against what was signed: a state that was rebuilt is
 * right where the one that was signed before was not.
 */
function compare(hs: HotStuffState, { statement }: Certificate): void {
  const { digest: own } = hs
  const index = statement.sequence as LogIndex
  if (own === null || own.index !== index || own.epoch !== hs.epoch || bytesEqual(own.digest, statement.digest)) return
  const agreed = hs.anchors.findLast(({ checkpoint }) => checkpoint.statement.sequence < index)
  hs.emit({ type: 'diverged', index, agreedIndex: (agreed?.checkpoint.statement.sequence ?? 0) as LogIndex })
}

/** The own last checkpoint again, after a restart and while the epoch cannot end without it. */
export function resendCheckpoint(hs: HotStuffState): void {
  const { lastCheckpoint } = hs.safety.data
  if (lastCheckpoint === null || lastCheckpoint.sequence <= hs.checkpoints.stableIndex) return
  hs.broadcastSigned({ type: 'hsCheckpoint', checkpoint: lastCheckpoint })
  onCheckpoint(hs, lastCheckpoint)
}
