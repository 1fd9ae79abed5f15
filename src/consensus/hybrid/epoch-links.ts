/**
 * How one epoch of a hybrid cluster led to the next, provable to whoever knows the members of the earlier
 * one: a Raft epoch by its switch certificate, a Byzantine epoch by the entry that ended it (a change of
 * members, or of the protocol) and the certified state behind that. Whoever trusts the genesis members and
 * has these links knows the members, the protocol and the beginning of every epoch.
 */
import { type ByteReader, type ByteWriter, bytesEqual } from '../../base/bytes.js'
import { computeBatchDigest } from '../batch-digest.js'
import {
  type Certificate,
  certificateChecks,
  certificateProblem,
  readCertificate,
  writeCertificate,
} from '../bft/certificate.js'
import type { SignatureCheck } from '../bft/checks.js'
import { readEntry, writeEntry } from '../bft/entry-codec.js'
import { entryProof, headerProblem } from '../bft/entry-proof.js'
import { EpochContext, type EpochPorts } from '../bft/epoch.js'
import { decodeModeChange, isModeChange } from '../bft/mode-change.js'
import { REPLICAS_MIN, Replicas } from '../bft/replicas.js'
import type { ClusterSettings } from '../configuration.js'
import { type Entry, GENESIS_CHAIN } from '../entry.js'
import { decodeMembership, type Membership } from '../membership.js'
import type { Epoch, LogIndex, Millis, Mode } from '../types.js'
import { optional, type RaftEpoch, readList, readOptional } from './positions.js'
import {
  type EndingEpoch,
  readSwitch,
  type SwitchCertificate,
  switchChecks,
  switchResult,
  writeSwitch,
} from './switch-certificate.js'

export type EpochLink =
  | { readonly kind: 'switch'; readonly certificate: SwitchCertificate }
  | { readonly kind: 'wedge'; readonly entry: Entry; readonly checkpoint: Certificate }

/** Links in one message, record or file. */
export const LINKS_MAX = 256

/** Where an epoch begins, in which protocol, and by whom. */
export interface LinkedEpoch {
  readonly epoch: Epoch
  readonly mode: Mode
  /** The position before its first entry. Its time is 0 where a link does not say it. */
  readonly origin: { readonly index: LogIndex; readonly chain: Uint8Array; readonly timestampMs: Millis }
  readonly membership: Membership
  /** Index of the entry that brought the members; 0 for those of genesis. */
  readonly configuredAt: LogIndex
}

export interface LinkRules extends EpochPorts {
  readonly settings: ClusterSettings
}

/** Epoch 0 of a hybrid cluster. */
export function genesisEpoch(membership: Membership): LinkedEpoch {
  const zero = 0 as LogIndex
  const origin = { index: zero, chain: GENESIS_CHAIN, timestampMs: 0 }
  return { epoch: 0 as Epoch, mode: 'raft', origin, membership, configuredAt: zero }
}

export interface LinkWalk {
  /** The epoch at which the walk began, and every one that the links lead to. */
  readonly epochs: readonly LinkedEpoch[]
  /** All of them must hold. */
  readonly checks: readonly SignatureCheck[]
}

/** Walks links that follow `start`; a text says what is wrong with them. Throws `ProtocolViolation`. */
export function walkLinks(rules: LinkRules, start: LinkedEpoch, links: readonly EpochLink[]): LinkWalk | string {
  const epochs = [start]
  const checks: SignatureCheck[] = []
  let last = start
  for (const link of links) {
    const next = link.kind === 'switch' ? bySwitch(rules, last, link.certificate) : byWedge(rules, last, link)
    if (typeof next === 'string') return next
    last = next.epoch
    epochs.push(last)
    checks.push(...next.checks)
  }
  return { epochs, checks }
}

interface Step {
  readonly epoch: LinkedEpoch
  readonly checks: readonly SignatureCheck[]
}

function bySwitch(rules: LinkRules, from: LinkedEpoch, certificate: SwitchCertificate): Step | string {
  if (from.mode !== 'raft') return 'only a Raft epoch ends by a switch certificate'
  const ending = endingEpochOf(rules, from)
  const outcome = switchResult(ending, certificate)
  if (typeof outcome === 'string') return outcome
  const { result, protocol, membership } = outcome
  const origin = { index: result.index, chain: result.hash, timestampMs: outcome.change?.timestampMs ?? 0 }
  const configuredAt = outcome.change === null ? from.configuredAt : result.index
  const epoch = { epoch: (from.epoch + 1) as Epoch, mode: protocol, origin, membership, configuredAt }
  return { epoch, checks: switchChecks(ending, certificate) }
}

type Wedge = Extract<EpochLink, { kind: 'wedge' }>

function byWedge(rules: LinkRules, from: LinkedEpoch, { entry, checkpoint }: Wedge): Step | string {
  const { sha256, settings } = rules
  const { mode } = from
  if (mode === 'raft') return 'a Raft epoch ends by a switch certificate'
  const isMode = isModeChange(entry)
  if (entry.kind !== 'membership' && !isMode) return 'this entry ends no epoch'
  const context = contextOf(rules, from)
  if (entry.epoch !== from.epoch || entry.index <= from.origin.index) return 'the epochs do not follow each other'
  if (!bytesEqual(computeBatchDigest(sha256, entry.kind, entry.body), entry.batchDigest))
    return 'the body is not the one that was decided'
  const proof = headerProblem(sha256, entry) ?? entryProof(sha256, { protocol: mode, settings }, context, entry)
  if (typeof proof === 'string') return proof
  const problem = checkpointProblem(context, mode, entry, checkpoint)
  if (problem !== null) return problem
  const membership = isMode ? from.membership : decodeMembership(entry.body)
  if (membership.joint || new Replicas(membership).count < REPLICAS_MIN) return 'no such members can decide'
  const { index, chain, timestampMs } = entry
  const epoch: LinkedEpoch = {
    epoch: (from.epoch + 1) as Epoch,
    mode: isMode ? decodeModeChange(entry.body).protocol : mode,
    origin: { index, chain, timestampMs },
    membership,
    configuredAt: isMode ? from.configuredAt : index,
  }
  return { epoch, checks: [...proof, ...certificateChecks(context.sign, context.replicas, checkpoint)] }
}

function checkpointProblem(context: EpochContext, mode: Mode, entry: Entry, checkpoint: Certificate): string | null {
  const { statement } = checkpoint
  if (statement.mode !== mode || statement.type !== 'checkpoint' || statement.epoch !== context.epoch)
    return 'what ends the epoch is no checkpoint of it'
  if (statement.view !== 0 || statement.sequence !== entry.index || !bytesEqual(statement.extra, entry.chain))
    return 'the checkpoint is of another entry'
  return certificateProblem(context.replicas, checkpoint)
}

/** What the signatures of an epoch are checked by. */
export function contextOf(rules: EpochPorts, { epoch, origin, membership, configuredAt }: LinkedEpoch): EpochContext {
  return new EpochContext(rules, epoch, origin, { index: configuredAt, membership })
}

/** What a Raft epoch, and the hand-over that ends it, are judged by. */
export function endingEpochOf(rules: EpochPorts, from: LinkedEpoch): EndingEpoch {
  const { sign, replicas } = contextOf(rules, from)
  const { epoch, origin, membership, configuredAt } = from
  const raft: RaftEpoch = {
    sha256: rules.sha256,
    epoch,
    replicas,
    sign,
    origin: { term: 0 as RaftEpoch['origin']['term'], index: origin.index, hash: origin.chain },
  }
  return { raft, membership, configuredAt, clusterConfigHash: rules.clusterConfigHash }
}

export function writeLinks(out: ByteWriter, links: readonly EpochLink[]): void {
  out.u32(links.length)
  for (const link of links) {
    optional(out, link.kind === 'switch' ? link.certificate : null, writeSwitch)
    if (link.kind === 'switch') continue
    writeEntry(out, link.entry)
    writeCertificate(out, link.checkpoint)
  }
}

/** Throws `ProtocolViolation`. */
export function readLinks(reader: ByteReader): EpochLink[] {
  return readList(reader, LINKS_MAX, (inner): EpochLink => {
    const certificate = readOptional(inner, readSwitch)
    if (certificate !== null) return { kind: 'switch', certificate }
    return { kind: 'wedge', entry: readEntry(inner), checkpoint: readCertificate(inner) }
  })
}

/** The epoch that a link leads out of. */
export function epochEndedBy(link: EpochLink): Epoch {
  return link.kind === 'switch' ? link.certificate.epoch : link.entry.epoch
}
