/**
 * From the members in the cluster file to those of any later epoch, offline: every change of members is
 * a decided entry, and the state after it was certified by those who decided it. Who knows the genesis
 * members and has these steps knows every epoch's keys, and from which index on they count.
 */
import { type ByteReader, type ByteWriter, bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { computeBatchDigest } from '../batch-digest.js'
import type { ClusterConfiguration } from '../configuration.js'
import { type Entry, GENESIS_CHAIN } from '../entry.js'
import {
  decodeMembership,
  encodeMembership,
  genesisMembership,
  type Membership,
  type MembershipRecord,
} from '../membership.js'
import type { LogBase } from '../snapshot.js'
import type { Epoch, LogIndex } from '../types.js'
import { certificateChecks, certificateProblem, readCertificate, writeCertificate } from './certificate.js'
import type { SignatureCheck } from './checks.js'
import { readEntry, writeEntry } from './entry-codec.js'
import { entryProof, headerProblem, type ProofRules } from './entry-proof.js'
import type { EpochStep } from './epoch.js'
import { EpochContext, type EpochPorts } from './epoch.js'
import { decodeInit } from './init.js'
import { REPLICAS_MIN } from './replicas.js'

export type { EpochStep } from './epoch.js'

/** Steps in one receipt or one file of evidence. */
export const CHAIN_STEPS_MAX = 256

export interface EpochChain {
  /** Of the epoch that the walk begins with and of every one that the steps lead to, in their order. */
  readonly contexts: readonly EpochContext[]
  /** All of them must hold. */
  readonly checks: readonly SignatureCheck[]
}

/** Walks the steps from the beginning of a cluster on; a text says what is wrong with them. Throws `ProtocolViolation`. */
export function walkEpochs(
  ports: EpochPorts,
  rules: ProofRules,
  configuration: ClusterConfiguration,
  steps: readonly EpochStep[],
): EpochChain | string {
  const start = 0 as LogIndex
  const genesis = genesisMembership(configuration)
  const origin = configuration.origin ?? { index: start, chain: GENESIS_CHAIN, timestampMs: 0 }
  return walkSteps(
    ports,
    rules,
    new EpochContext(ports, 0 as Epoch, origin, { index: start, membership: genesis }),
    steps,
  )
}

/** Walks on from an epoch that is known; steps before it are skipped. Otherwise as `walkEpochs`. */
export function walkSteps(
  ports: EpochPorts,
  rules: ProofRules,
  known: EpochContext,
  steps: readonly EpochStep[],
): EpochChain | string {
  let context = known
  const contexts = [context]
  const checks: SignatureCheck[] = []
  for (const step of steps) {
    if (step.entry.epoch < known.epoch) continue
    const proof = stepProof(ports, rules, context, step)
    if (typeof proof === 'string') return proof
    checks.push(...proof)
    context = nextContext(ports, context, step)
    const { membership } = context.record
    if (membership.joint || context.replicas.count < REPLICAS_MIN) return 'no such members can decide'
    contexts.push(context)
  }
  return { contexts, checks }
}

/**
 * True where the base of a snapshot names the members that are known to be in force at it; none means those of
 * the genesis.
 */
export function hasMembers(base: LogBase, known: MembershipRecord, genesis: Membership): boolean {
  const claimed = base.membership?.membership ?? genesis
  return bytesEqual(encodeMembership(claimed), encodeMembership(known.membership))
}

/** The epoch that follows `context` by this step, which holds. Throws `ProtocolViolation`. */
export function nextContext(ports: EpochPorts, context: EpochContext, { entry }: EpochStep): EpochContext {
  const { index, chain, timestampMs } = entry
  const record = { index, membership: decodeMembership(entry.body) }
  return new EpochContext(ports, (context.epoch + 1) as Epoch, { index, chain, timestampMs }, record)
}

function stepProof(
  { sha256 }: EpochPorts,
  rules: ProofRules,
  context: EpochContext,
  { entry, checkpoint }: EpochStep,
): SignatureCheck[] | string {
  if (entry.kind !== 'membership') return 'only a change of members ends an epoch'
  if (entry.epoch !== context.epoch || entry.index <= context.origin.index) return 'the epochs do not follow each other'
  if (!bytesEqual(computeBatchDigest(sha256, 'membership', entry.body), entry.batchDigest))
    return 'the members are not those that were decided'
  const proof = headerProblem(sha256, entry) ?? entryProof(sha256, rules, context, entry)
  if (typeof proof === 'string') return proof
  const { statement } = checkpoint
  const { mode, type, epoch, view, sequence, extra } = statement
  if (mode !== rules.protocol || type !== 'checkpoint' || epoch !== context.epoch || view !== 0)
    return 'what ends the epoch is no checkpoint of it'
  if (sequence !== entry.index || !bytesEqual(extra, entry.chain)) return 'the checkpoint is of another entry'
  const problem = certificateProblem(context.replicas, checkpoint)
  return problem ?? [...proof, ...certificateChecks(context.sign, context.replicas, checkpoint)]
}

/**
 * The step from one epoch to the next, from the two entries of the log between which it lies: the change
 * of members, and INIT behind it, which rests on the checkpoint. Null where these are not two such
 * entries. Throws `ProtocolViolation`.
 */
export function stepBetween(last: Entry, init: Entry): EpochStep | null {
  if (last.kind !== 'membership' || init.kind !== 'mode' || init.epoch !== last.epoch + 1) return null
  const { basis } = decodeInit(init.body)
  return basis.kind === 'checkpoint' ? { entry: last, checkpoint: basis.certificate } : null
}

export function writeChain(out: ByteWriter, steps: readonly EpochStep[]): void {
  out.u16(steps.length)
  for (const { entry, checkpoint } of steps) {
    writeEntry(out, entry)
    writeCertificate(out, checkpoint)
  }
}

/** Throws `ProtocolViolation`. */
export function readChain(reader: ByteReader): EpochStep[] {
  const count = reader.u16()
  if (count > CHAIN_STEPS_MAX) throw new KnhkError('ProtocolViolation', `at most ${CHAIN_STEPS_MAX} changes of members`)
  return Array.from({ length: count }, () => readStep(reader))
}

/** Throws `ProtocolViolation`. */
export function readStep(reader: ByteReader): EpochStep {
  return { entry: readEntry(reader), checkpoint: readCertificate(reader) }
}
