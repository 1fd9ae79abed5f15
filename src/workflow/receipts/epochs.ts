/**
 * How the epochs of a cluster followed each other, as receipts and evidence carry it: the changes of members of a
 * Byzantine cluster, and in a hybrid one every change of the protocol too. From the members in the cluster file the
 * steps lead to those of any epoch; nothing about later members is believed.
 */
import type { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import { entryProof, headerProblem, type ProofRules } from '../../consensus/bft/entry-proof.js'
import type { EpochContext } from '../../consensus/bft/epoch.js'
import { CHAIN_STEPS_MAX, readStep, walkEpochs, writeChain } from '../../consensus/bft/epoch-chain.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import type { Entry, Sha256 } from '../../consensus/entry.js'
import {
  contextOf,
  type EpochLink,
  genesisEpoch,
  type LinkedEpoch,
  readLinks,
  walkLinks,
  writeLinks,
} from '../../consensus/hybrid/epoch-links.js'
import { genesisMembership } from '../../consensus/membership.js'
import type { Mode } from '../../consensus/types.js'
import type { Trust } from './verify.js'

/** From epoch 0 on, without a gap. */
export type EpochPath = readonly EpochLink[]

export interface ProvenEpoch {
  readonly mode: Mode
  readonly context: EpochContext
}

export interface ProvenPath {
  /** The index is the epoch. */
  readonly epochs: readonly ProvenEpoch[]
  /** All of them must hold. */
  readonly checks: readonly SignatureCheck[]
}

/** In place of a number of steps, where links of a hybrid follow. */
const LINKED = 0xffff

export function writePath(out: ByteWriter, path: EpochPath): void {
  const steps = path.flatMap((link) => (link.kind === 'wedge' ? [link] : []))
  if (steps.length === path.length) return writeChain(out, steps)
  out.u16(LINKED)
  writeLinks(out, path)
}

/** Throws `ProtocolViolation`. */
export function readPath(reader: ByteReader): EpochPath {
  const count = reader.u16()
  if (count === LINKED) {
    const links = readLinks(reader)
    if (links.every(({ kind }) => kind === 'wedge')) throw new KnhkError('ProtocolViolation', 'links without a switch')
    return links
  }
  if (count > CHAIN_STEPS_MAX) throw new KnhkError('ProtocolViolation', `at most ${CHAIN_STEPS_MAX} changes of members`)
  return Array.from({ length: count }, () => ({ kind: 'wedge' as const, ...readStep(reader) }))
}

/** Whether entries, or what ends an epoch, carry signatures of members. */
export function isByzantine({ protocol }: ClusterConfiguration): boolean {
  return protocol !== 'raft'
}

/** Who could decide and sign in every epoch of a Byzantine or hybrid cluster. Throws `ProtocolViolation`. */
export function walkPath(trust: Trust, path: EpochPath): ProvenPath | string {
  const { sha256, configuration, clusterConfigHash } = trust
  const { clusterId, settings, protocol } = configuration
  const ports = { sha256, clusterId, clusterConfigHash }
  if (protocol === 'raft') return 'plain Raft has one epoch'
  if (protocol === 'hybrid') {
    const walk = walkLinks({ ...ports, settings }, firstOf(configuration), path)
    if (typeof walk === 'string') return walk
    return {
      epochs: walk.epochs.map((one) => ({ mode: one.mode, context: contextOf(ports, one) })),
      checks: walk.checks,
    }
  }
  const steps = path.flatMap((link) => (link.kind === 'wedge' ? [link] : []))
  if (steps.length < path.length) return 'the protocol of this cluster never changes'
  const chain = walkEpochs(ports, { protocol, settings }, configuration, steps)
  if (typeof chain === 'string') return chain
  return { epochs: chain.contexts.map((context) => ({ mode: protocol, context })), checks: chain.checks }
}

/** What decided an entry, as far as the entry itself shows it: nothing in an epoch of Raft. */
export function decisionChecks(
  sha256: Sha256,
  { settings }: Pick<ProofRules, 'settings'>,
  { mode, context }: ProvenEpoch,
  entry: Entry,
): readonly SignatureCheck[] | string {
  if (mode !== 'raft')
    return headerProblem(sha256, entry) ?? entryProof(sha256, { protocol: mode, settings }, context, entry)
  return entry.certificate === null ? [] : 'an entry of a Raft epoch carries no certificate'
}

/** Epoch 0 of a hybrid cluster, by its cluster file. */
export function firstOf(configuration: ClusterConfiguration): LinkedEpoch {
  const first = genesisEpoch(genesisMembership(configuration))
  return configuration.origin === undefined ? first : { ...first, origin: configuration.origin }
}
